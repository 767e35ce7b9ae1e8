import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { sha256 } from "../../src/base/index.ts";
import { decompress } from "../../src/hermetic/decompression.ts";
import { ProcessError, type ProcessRunner } from "../../src/ports/index.ts";
import { never } from "./image-workspace.ts";

/** A machine without the program. */
const runner: ProcessRunner = {
  async run(spec) {
    throw new ProcessError("PROCESS_NOT_STARTED", `cannot start ${spec.argv[0]}`);
  },
};
const tools = { runner, environment: {}, cwd: "/" };
const compressed = (bytes: Uint8Array) => spawnSync("xz", ["-c"], { input: bytes, maxBuffer: 1e8 });

async function plain(bytes: Uint8Array): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  await decompress(bytes, tools, (chunk) => chunks.push(chunk), never);
  return Buffer.concat(chunks);
}

test("xz is read without its program, chunk for chunk", async ({ skip }) => {
  const text = Buffer.from(Array.from({ length: 200_000 }, (_, i) => `${i} `).join(""));
  const made = compressed(text);
  if (made.status !== 0) return skip("needs xz to make something to read");
  expect(sha256(await plain(made.stdout))).toBe(sha256(text));
});

test("damaged and shortened xz is refused", async ({ skip }) => {
  const made = compressed(Buffer.from("0123456789".repeat(5_000)));
  if (made.status !== 0) return skip("needs xz to make something to read");
  const damaged = Buffer.from(made.stdout);
  damaged.fill(1, 40, 60);
  await expect(plain(damaged)).rejects.toMatchObject({ code: "SOURCE_MALFORMED" });
  await expect(plain(made.stdout.subarray(0, made.stdout.length - 30))).rejects.toMatchObject({
    code: "SOURCE_MALFORMED",
  });
});

test("what the reader of the chunks throws ends the reading", async ({ skip }) => {
  const made = compressed(Buffer.alloc(20_000_000));
  if (made.status !== 0) return skip("needs xz to make something to read");
  let seen = 0;
  const reading = decompress(
    made.stdout,
    tools,
    (chunk) => {
      seen += chunk.length;
      if (seen > 1_000_000) throw new RangeError("enough");
    },
    never,
  );
  await expect(reading).rejects.toThrow("enough");
  expect(seen).toBeLessThan(5_000_000);
});
