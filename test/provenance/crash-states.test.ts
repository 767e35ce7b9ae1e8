import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readLastSigned } from "../../src/provenance/index.ts";
import { childScript } from "../support/child-script.ts";
import { type FileStep, MAY_TRACE, putFiles, ReplayedDisk, recordWrites } from "../support/recorded-writes.ts";
import { fastPlace } from "../support/scratch-directory.ts";
import { files, newStateHome, open, verify } from "./state-home.ts";
import { ingest } from "./tamper/kept-ledger.ts";

const missing = MAY_TRACE ? "" : " (skipped: no strace, or no tracing here)";
let script: string;
let directory: string;
beforeAll(async () => {
  script = await childScript("test/provenance/child-commit.ts");
  directory = mkdtempSync(join(fastPlace(), "begat-crash-"));
  const ledger = await open(join(directory, "state"), { cacheHome: join(directory, "cache") });
  await ledger.append([ingest("first")]);
  await ledger.checkpoint();
  ledger.close();
});
afterAll(() => {
  rmSync(script, { force: true });
  rmSync(directory, { recursive: true, force: true });
});

function filesBelow(path: string): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const full = join(entry.parentPath, entry.name);
    found.set(full, readFileSync(full));
  }
  return found;
}

/** What was promised to whoever asked, up to a moment. */
interface Promised {
  readonly acknowledged: Map<number, string>;
  readonly signed: Map<number, string>;
}

function promise({ acknowledged, signed }: Promised, line: string): void {
  const [what, number, hash = ""] = line.split(" ");
  if (what === "ack") acknowledged.set(Number(number), hash);
  if (what === "signed") signed.set(Number(number), hash);
}

/** Opens what a crash left, goes on with it, and looks whether every promise was kept. */
async function recovers(home: string, cacheHome: string, { acknowledged, signed }: Promised): Promise<void> {
  const before = await verify(home, false, cacheHome);
  // At most it is not signed for yet; never is it damaged, shorter than remembered, or another one.
  expect([before.exitCode, before.findings.filter(({ message }) => !message.includes("not signed for"))]).toEqual([
    before.unsigned ? 1 : 0,
    [],
  ]);
  const ledger = await open(home, { cacheHome });
  const kept = readLastSigned(files, home);
  const leaves = new Map([...ledger.read(0, 99)].map(({ seq, leaf }) => [seq, leaf]));
  for (const [seq, leaf] of acknowledged) expect([seq, leaves.get(seq)]).toEqual([seq, leaf]);
  const roots = new Map(ledger.checkpoints().map(({ size, root }) => [size, root]));
  for (const [size, root] of signed) expect([size, roots.get(size)]).toEqual([size, root]);
  for (const [size, root] of roots) expect(ledger.root(size)).toBe(root);
  if (kept.state === "present") expect(ledger.root(kept.head.size)).toBe(kept.head.root);
  // Nothing stands in the way of going on: what is signed next begins with all that was.
  await ledger.append([ingest("after")]);
  const next = await ledger.checkpoint();
  expect(next.size).toBe(ledger.size());
  ledger.close();
  const after = await verify(home, false, cacheHome);
  expect([after.exitCode, after.findings]).toEqual([0, []]);
}

describe("a ledger whose process or machine stopped", () => {
  test.skipIf(!MAY_TRACE)(
    `at any step of any commit goes on, with all it had acknowledged and signed${missing}`,
    async () => {
      const copy = newStateHome();
      cpSync(directory, copy, { recursive: true });
      const before = filesBelow(copy);
      const argv = [process.execPath, script, join(copy, "state"), join(copy, "cache")];
      const { steps, said } = recordWrites(argv, join(copy, "trace"));
      expect(said.map((line) => line.split(" ")[0])).toEqual(["ack", "ack", "ack", "ack", "signed", "ack", "signed"]);

      const disk = new ReplayedDisk(before);
      const promised: Promised = { acknowledged: new Map(), signed: new Map() };
      const seen = new Set<string>();
      let states = 0;
      const tryOut = async (left: Map<string, Buffer>) => {
        for (const path of left.keys()) if (path.endsWith("-shm")) left.delete(path);
        const hash = createHash("sha256").update(JSON.stringify([...promised.signed, ...promised.acknowledged.keys()]));
        for (const [path, bytes] of left) hash.update(`${path} ${bytes.length} `).update(bytes);
        const digest = hash.digest("hex");
        if (seen.has(digest)) return;
        seen.add(digest);
        states++;
        const home = newStateHome();
        putFiles(left, copy, home);
        await recovers(join(home, "state"), join(home, "cache"), promised);
        rmSync(home, { recursive: true });
      };
      for (const step of steps) {
        if (step.does === "said") promise(promised, step.line);
        else if (step.path.startsWith(copy)) {
          if (step.does === "write") await tryOut(torn(disk, step));
          disk.apply(step);
        }
        await tryOut(disk.files("kill"));
        await tryOut(disk.files("power"));
      }
      expect(promised.signed.size).toBe(2);
      expect(states).toBeGreaterThan(40);
    },
    300_000,
  );

  test.skipIf(!MAY_TRACE)(
    `by an error of its disk takes nothing more, and what it had acknowledged is there${missing}`,
    async () => {
      for (const [call, error, most] of [
        ["fsync", "EIO", 9],
        ["pwrite64", "ENOSPC", 12],
      ] as const) {
        let failed = 0;
        for (let when = 1; when <= most; when += call === "fsync" ? 1 : 3) {
          const copy = newStateHome();
          cpSync(directory, copy, { recursive: true });
          const [home, cacheHome] = [join(copy, "state"), join(copy, "cache")];
          const argv = [process.execPath, script, home, cacheHome];
          const { said, injections } = recordWrites(argv, join(copy, "trace"), `${call}:error=${error}:when=${when}+`);
          if (injections === 0) continue;
          const refused = said.findIndex((line) => line.startsWith("refused"));
          if (refused >= 0) failed++;
          // From the first refusal on nothing is acknowledged and nothing signed: nobody knows what such a disk keeps.
          if (refused >= 0) {
            expect([when, said.slice(refused).filter((line) => line.startsWith("signed"))]).toEqual([when, []]);
          }
          const promised: Promised = { acknowledged: new Map(), signed: new Map() };
          for (const line of said) promise(promised, line);
          await recovers(home, cacheHome, promised);
          rmSync(copy, { recursive: true });
        }
        expect([call, failed > 2]).toEqual([call, true]);
      }
    },
    300_000,
  );
});

/** The write was under way: half of it is there. */
function torn(disk: ReplayedDisk, step: Extract<FileStep, { does: "write" }>): Map<string, Buffer> {
  const left = disk.files("kill");
  const half = new ReplayedDisk(left);
  half.apply({ ...step, bytes: step.bytes.subarray(0, Math.ceil(step.bytes.length / 2)) });
  return half.files("kill");
}
