import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf } from "../../src/base/index.ts";
import { slotUid } from "../../src/executor/staging/slot-user.ts";
import { isReachableByAll, makeStagingRoot } from "../../src/executor/staging/staging-root.ts";
import { VerifiedContents } from "../../src/executor/staging/verified-contents.ts";
import { executionRequest } from "../support/execution-request.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";
import { skipReason } from "../support/skip-reason.ts";
import { realExecutors } from "./real-executors.ts";

let scratch: ReturnType<typeof scratchDirectory>;
beforeEach(() => {
  scratch = scratchDirectory();
});
afterEach(() => scratch.dispose());

const disk = (path: string) => [{ path, medium: "disk" as const, neededBytes: 0 }];

describe("staging root", () => {
  test("is made on the first place that can be written", () => {
    const file = `${scratch.path}/file`;
    writeFileSync(file, "");
    const root = makeStagingRoot([...disk(`${file}/below`), ...disk(`${scratch.path}/made/deep`)]);
    expect(root?.path.startsWith(`${scratch.path}/made/deep/begat-`)).toBe(true);
    expect(makeStagingRoot(disk(`${file}/below`))).toBeUndefined();
    expect(makeStagingRoot([{ path: scratch.path, medium: "memory", neededBytes: 1e18 }])).toBeUndefined();
  });

  test("of a process that is gone is removed; of others it stays", () => {
    const uid = process.getuid?.() ?? 0;
    const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0];
    const start = readFileSync("/proc/self/stat", "latin1").split(") ")[1]?.split(" ")[19];
    const names = {
      gone: `begat-${uid}-${namespace}-4999999-1-ab`,
      // The process id is in use again, by a process that began at another time.
      reused: `begat-${uid}-${namespace}-${process.pid}-1-ab`,
      living: `begat-${uid}-${namespace}-${process.pid}-${start}-ab`,
      elsewhere: `begat-${uid}-1-4999999-1-ab`,
      another: `begat-${uid + 1}-${namespace}-4999999-1-ab`,
      foreign: "begat-notes",
    };
    for (const name of Object.values(names)) mkdirSync(`${scratch.path}/${name}/0/build`, { recursive: true });
    const root = makeStagingRoot(disk(scratch.path));
    const left = readdirSync(scratch.path).filter((name) => !root?.path.endsWith(name));
    expect(left.sort()).toEqual([names.living, names.elsewhere, names.another, names.foreign].sort());
  });

  test("is reachable by all when every directory on the way is", () => {
    mkdirSync(`${scratch.path}/open`, { mode: 0o755 });
    expect(isReachableByAll("/usr/bin")).toBe(true);
    expect(isReachableByAll(`${scratch.path}/open`)).toBe(false);
    expect(isReachableByAll(`${scratch.path}/open`, `${scratch.path}/open`)).toBe(true);
    expect(isReachableByAll(`${scratch.path}/absent`)).toBe(false);
  });
});

test.each<[map: string, slot: number, pid: number, uid: number | undefined]>([
  ["         0          0 4294967295", 0, 0, 0x70000000],
  ["         0          0 4294967295", 3, 5, 0x70000000 + 5 * 128 + 3],
  ["         0          0 4294967295", 0, 2 ** 22 - 1, 0x77ffff80],
  ["         0     100000      65536", 0, 0, 65535],
  ["         0     100000      65536", 1, 1, 65535 - 1 - 128],
  ["         0       1000          1", 0, 0, undefined],
  ["", 0, 0, undefined],
])("a slot's user id under the map %j", (map, slot, pid, uid) => {
  expect(slotUid(slot, pid, map)).toBe(uid);
});

test("verified contents keep to their limit, the least recently used going first", () => {
  const contents = new VerifiedContents(10);
  const digests = ["aaaa", "bbbb", "cccc"].map((text) => {
    const digest = digestOf(text);
    contents.set(digest, Buffer.from(text));
    if (text === "bbbb") contents.get(digestOf("aaaa"));
    return digest;
  });
  expect(digests.map((digest) => contents.get(digest)?.toString())).toEqual(["aaaa", undefined, "cccc"]);
});

const canMount = process.getuid?.() === 0 && tryMount();

function tryMount(): boolean {
  try {
    execFileSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!canMount)(
  `a staging area that is too small${skipReason(canMount, "right to mount", "run the tests as root, in a container with CAP_SYS_ADMIN")}`,
  () => {
    for (const real of realExecutors()) {
      test(`${real.name} runs again on disk, and says so`, async () => {
        chmodSync(scratch.path, 0o755);
        const small = `${scratch.path}/small`;
        mkdirSync(small);
        execFileSync("mount", ["-t", "tmpfs", "-o", "size=65m,mode=755", "none", small]);
        const notices: string[] = [];
        const { executor, blobs } = real.make({ memoryStaging: small, onNotice: (text) => notices.push(text) });
        try {
          // More than fits while it runs, less than it leaves: what was cut short must not be taken for the result.
          const big = "head -c 70000000 /dev/zero >o 2>/dev/null || :; wc -c <o >size";
          const request = executionRequest(big, { outputs: ["size"] });
          const result = await executor.execute(request, { signal: new AbortController().signal });
          const [output] = result.outputs;
          expect(output && blobs.read(output.digest).toString()).toBe("70000000\n");
          expect(notices).toEqual(["recipe does not fit into memory; it runs again on disk"]);
        } finally {
          await executor.close();
          execFileSync("umount", [small]);
          real.dispose();
        }
        expect(existsSync(small)).toBe(true);
      });
    }
  },
);
