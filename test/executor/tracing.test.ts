import { describe, expect, test } from "vitest";
import { readTrace } from "../../src/executor/tracing/strace-output.ts";
import { processorList } from "../../src/executor/variation.ts";
import { executionRequest } from "../support/execution-request.ts";
import { realExecutors } from "./real-executors.ts";

const frame = { build: "/build", directory: "/build/sub", sandbox: undefined };
const signal = new AbortController().signal;

describe("a line of strace", () => {
  const cases: readonly (readonly [line: string, path: string, how: string, found: boolean, isInside?: boolean])[] = [
    ['7 openat(AT_FDCWD</build>, "a.h", O_RDONLY) = 3</build/a.h>', "a.h", "open", true],
    [
      '7 openat(AT_FDCWD</build/sub>, "../a.h", O_RDONLY) = -1 ENOENT (No such file or directory)',
      "a.h",
      "open",
      false,
    ],
    ['7 openat(5</build/inc>, "a.h", O_RDONLY) = -1 ENOTDIR (Not a directory)', "inc/a.h", "open", false],
    ['7 openat(AT_FDCWD</build>, "a.h", O_RDONLY) = -1 EACCES (Permission denied)', "a.h", "open", true],
    ['7 open("a.h", O_RDONLY) = 3</build/sub/a.h>', "sub/a.h", "open", true],
    ['7 newfstatat(AT_FDCWD</build>, "a.h", {st_mode=S_IFREG|0644, ...}, 0) = 0', "a.h", "look", true],
    ['7 access("/usr/bin/nope", X_OK) = -1 ENOENT (No such file or directory)', "/usr/bin/nope", "look", false, false],
    ['7 execve("/usr/bin/cc", ["cc", "a = 1) = 0"], 0x7ffd /* 3 vars */) = 0', "/usr/bin/cc", "exec", true, false],
    ['7 readlink("/build/l", "a.h", 4095) = 3', "l", "look", true],
    ['7 openat(AT_FDCWD</build>, "b\\"\\303\\244 \\\\.h", O_RDONLY) = -1 ENOENT (No such)', 'b"ä \\.h', "open", false],
  ];
  test.each(cases)("%s", (line, path, how, found, isInside = true) => {
    expect(readTrace([line as string], frame)).toEqual([{ path, how, found, isInside }]);
  });

  test.each([
    '7 newfstatat(3</build/a.h>, "", {st_mode=S_IFREG|0644}, AT_EMPTY_PATH) = 0',
    "7 +++ exited with 0 +++",
    "",
    "7 openat(AT_FDCWD</build>, NULL, O_RDONLY) = -1 EFAULT (Bad address)",
    '7 openat(AT_FDCWD</build>, "a.h", O_RDONLY <unfinished ...>',
    "7 <... openat resumed>) = 3</build/a.h>",
  ])("that names no path of the recipe's: %s", (line) => expect(readTrace([line], frame)).toEqual([]));
});

describe("a trace", () => {
  test("has both halves of a call that was interrupted, by process", () => {
    const lines = [
      '7 openat(AT_FDCWD</build>, "a.h", O_RDONLY <unfinished ...>',
      '8 openat(AT_FDCWD</build>, "b.h", O_RDONLY <unfinished ...>',
      "7 <... openat resumed>) = 3</build/a.h>",
      "8 <... openat resumed>) = -1 ENOENT (No such file or directory)",
    ];
    expect(readTrace(lines, frame)?.map(({ path, found }) => [path, found])).toEqual([
      ["a.h", true],
      ["b.h", false],
    ]);
  });

  test("counts as found what was there at any time, and as done the most that was", () => {
    const lines = [
      '7 openat(AT_FDCWD</build>, "a.h", O_RDONLY) = -1 ENOENT (No such file or directory)',
      '7 newfstatat(AT_FDCWD</build>, "b.h", 0x1, 0) = -1 ENOENT (No such file or directory)',
      '7 newfstatat(AT_FDCWD</build>, "a.h", {}, 0) = 0',
    ];
    expect(readTrace(lines, frame)).toEqual([
      { path: "b.h", isInside: true, how: "look", found: false },
      { path: "a.h", isInside: true, how: "look", found: true },
    ]);
  });

  test("has the link and what it leads to", () => {
    const lines = ['7 openat(AT_FDCWD</build>, "link.h", O_RDONLY) = 3</build/real.h>'];
    expect(readTrace(lines, frame)?.map(({ path }) => path)).toEqual(["link.h", "real.h"]);
  });

  test("begins where the recipe does, not with its sandbox", () => {
    const lines = [
      '1 execve("/usr/bin/bwrap", ["bwrap"], 0x1 /* 2 vars */) = 0',
      '1 openat(AT_FDCWD</>, "/proc/self/status", O_RDONLY) = 3</proc/self/status>',
      '2 execve("/bin/sh", ["/bin/sh", "-c"], 0x1 /* 2 vars */) = 0',
      '2 openat(AT_FDCWD</build>, "a.h", O_RDONLY) = 3</build/a.h>',
    ];
    const sandboxed = { ...frame, sandbox: "bwrap" };
    expect(readTrace(lines, sandboxed)?.map(({ path }) => path)).toEqual(["a.h"]);
    expect(readTrace(lines.slice(0, 2), sandboxed)).toBeUndefined();
  });
});

test.each([
  ["0-2,5", [0, 1, 2, 5]],
  ["3", [3]],
  ["", [0]],
  ["x-y", []],
])("processors %s", (text, numbers) => expect(processorList(text)).toEqual(numbers));

describe.each(realExecutors())("$name", (kind) => {
  test("tells the paths a traced recipe looked at, and leaves the result as it is", async () => {
    const { executor } = kind.make();
    // Without strace there is nothing to tell.
    if (executor.tracingProblem?.() !== undefined) return executor.close();
    const request = executionRequest("cat a.h >out; cat ../b.h || true; cd /; test -e /nowhere || true", {
      files: { "sub/a.h": "a\n", "sub/never.h": "" },
      directory: "sub",
      outputs: ["sub/out"],
    });
    try {
      const traced = await executor.execute(request, { signal, trace: true });
      const plain = await executor.execute(request, { signal });
      expect(traced.verdict).toBe("ok");
      expect(traced.outputs).toEqual(plain.outputs);
      expect(plain.accesses).toBeUndefined();
      const of = (path: string) => traced.accesses?.find((access) => access.path === path);
      expect(of("sub/a.h")).toEqual({ path: "sub/a.h", isInside: true, how: "open", found: true });
      expect(of("b.h")).toEqual({ path: "b.h", isInside: true, how: "open", found: false });
      expect(of("/nowhere")).toEqual({ path: "/nowhere", isInside: false, how: "look", found: false });
      expect(of("sub/never.h")).toBeUndefined();
    } finally {
      await executor.close();
      kind.dispose();
    }
  });

  test("runs a recipe under other conditions when asked, and as usual after that", async () => {
    const { executor, blobs } = kind.make();
    const request = executionRequest("echo $$ >pid; pwd >cwd; hostname >host; nproc >cpus; cat a b >same; ls >names", {
      files: { a: "1", b: "2" },
      outputs: ["pid", "cwd", "host", "cpus", "same", "names"],
    });
    try {
      const first = await executor.execute(request, { signal });
      const varied = await executor.execute(request, { signal, variation: { seed: 4 } });
      const again = await executor.execute(request, { signal });
      expect([first.verdict, varied.verdict, again.verdict]).toEqual(["ok", "ok", "ok"]);
      const text = (result: typeof first, path: string) => {
        const output = result.outputs.find((one) => one.path === path);
        return output && blobs.read(output.digest).toString().trim();
      };
      expect(text(varied, "same")).toBe(text(first, "same"));
      expect(text(varied, "names")).toBe(text(first, "names"));
      const differ = kind.isSandbox ? ["pid", "host"] : ["cwd"];
      for (const path of differ) expect(text(varied, path), path).not.toBe(text(first, path));
      if (kind.isSandbox) for (const path of differ) expect(text(again, path), path).toBe(text(first, path));
      expect(Number(text(varied, "cpus"))).toBeLessThanOrEqual(Number(text(first, "cpus")));
    } finally {
      await executor.close();
      kind.dispose();
    }
  });
});
