import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { begatProgram } from "../support/begat.ts";
import { fastPlace } from "../support/scratch-directory.ts";

const guide = readFileSync(new URL("../../docs/farm.md", import.meta.url), "utf8");
const blocks = [...guide.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block as string);
const canFetch = spawnSync("apt-cache", ["show", "lua5.4", "tcc", "busybox-static"], { stdio: "ignore" }).status === 0;

/**
 * The guide's image with a compiler a tenth as large, and a shell that needs nothing: each of four machines fetches, unpacks and
 * hashes it. That of the guide is built and compiled with in test/hermetic/real-images.test.ts, which asks for the same packages.
 */
const SMALLER: readonly (readonly [guide: string, here: string])[] = [
  ["deb  [ gcc libc6-dev dash coreutils ]", "deb  [ tcc libc6-dev busybox-static ]"],
  ["/usr/bin/cc=gcc", "/usr/bin/cc=tcc"],
  ["/bin/sh=dash", "/bin/sh=busybox"],
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(fastPlace(), "begat-farm-guide-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve) => server.listen(0, "localhost", () => resolve(server)));
    }),
  );
  return Promise.all(
    servers.map((server) => {
      const { port } = server.address() as { port: number };
      return new Promise<number>((resolve) => server.close(() => resolve(port)));
    }),
  );
}

describe("docs/farm.md", () => {
  test.skipIf(!canFetch)(
    "its commands lead from nothing to Lua (skipped where apt knows no lua5.4, tcc and busybox-static)",
    { timeout: 600_000 },
    async () => {
      const bin = join(folder, "bin");
      mkdirSync(bin);
      writeFileSync(join(bin, "begat"), `#!/bin/sh\nexec "${process.execPath}" "${begatProgram()}" "$@"\n`);
      chmodSync(join(bin, "begat"), 0o755);
      const named = [...new Set(blocks.join("").match(/(?<=localhost:)\d+/g))];
      const ports = await freePorts(named.length);
      const renamed = named.reduce((text, name, i) => text.replaceAll(`:${name}`, `:${ports[i]}`), blocks.join("\n"));
      const script = SMALLER.reduce((text, [guide, here]) => text.replace(guide, here), renamed);
      for (const [, here] of SMALLER) expect(script).toContain(here);
      // Whatever goes wrong, what the guide starts is ended.
      writeFileSync(join(folder, "guide.sh"), `set -eu\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n${script}`);
      const { status, stdout, stderr } = spawnSync("bash", ["guide.sh"], {
        cwd: folder,
        encoding: "utf8",
        // No engines that would stay behind: what they remember, nobody asks for.
        env: { PATH: `${bin}:${process.env.PATH}`, HOME: folder, NO_COLOR: "1", TMPDIR: tmpdir(), BEGAT_DAEMON: "0" },
      });
      const said = `${stdout}\n${stderr}`;
      expect({ status, said }).toMatchObject({ status: 0 });
      expect(said).toContain("Lua 5.4\t42");
      expect(said).toMatch(/rnode\/one .*\n(.*\n)*rnode\/three .*\nrnode\/two /);
      // Made on the farm, and known to be so.
      expect(said).toMatch(/built: 35 executed \(\d+ on (one|two|three)/);
      expect(said).toMatch(/ran on +(one|two|three), hermetic/);
      expect(said.match(/^the ledger holds/gm)).toHaveLength(2);
      for (const name of ["one", "two", "three"])
        expect(existsSync(join(folder, `farm/${name}/state/ledger.db`))).toBe(true);
    },
  );
});
