import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createBubblewrapExecutor } from "../../src/executor/index.ts";
import { makeSandboxEtc } from "../../src/executor/sandbox/sandbox-etc.ts";
import { NodeClock } from "../../src/platform/index.ts";
import { executionRequest } from "../support/execution-request.ts";
import { MemoryBlobStore } from "../support/memory-blob-store.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";
import { hasBubblewrap, WITHOUT_BUBBLEWRAP } from "./real-executors.ts";

let scratch: ReturnType<typeof scratchDirectory>;
beforeEach(() => {
  scratch = scratchDirectory();
  chmodSync(scratch.path, 0o755);
});
afterEach(() => scratch.dispose());

const signal = new AbortController().signal;

function make(bubblewrap?: string) {
  return createBubblewrapExecutor({
    blobs: new MemoryBlobStore(),
    clock: new NodeClock(),
    slots: 1,
    inputRoots: [scratch.path],
    diskStaging: `${scratch.path}/staging`,
    ...(bubblewrap === undefined ? {} : { bubblewrap }),
  });
}

/** A bubblewrap that is asked for less than it should be: `change` is shell text over one argument, `$a`. */
function weakened(change: string): string {
  const program = `${scratch.path}/bwrap`;
  const script = `#!/bin/sh\nfor a; do shift; ${change}\nset -- "$@" "$a"; done\nexec bwrap "$@"\n`;
  writeFileSync(program, script, { mode: 0o755 });
  return program;
}

// Without bubblewrap there is nothing to look at.
describe.skipIf(!hasBubblewrap)(`bubblewrap${WITHOUT_BUBBLEWRAP}`, () => {
  test("has level contained where every canary is held", async () => {
    const executor = make();
    const { usable, findings, isolation, canaries } = await executor.probe();
    await executor.close();
    expect({ usable, findings, level: isolation.level }).toEqual({ usable: true, findings: [], level: "contained" });
    expect(canaries.filter(({ held }) => !held)).toEqual([]);
    expect(isolation.backendVersion).toMatch(/^\d+\.\d+/);
  });

  test.each([
    ["network", '[ "$a" = --unshare-net ] && continue'],
    ["pid", '[ "$a" = --unshare-pid ] && continue; [ "$a" = --as-pid-1 ] && continue'],
    ["hostname", '[ "$a" = build ] && a=other'],
    ["workspace", '[ "$a" = --chdir ] && set -- "$@" --ro-bind "$SCRATCH" "$SCRATCH"'],
  ])("has level none, and says why, where this one is not: %s", async (name, change) => {
    const executor = make(weakened(change.replaceAll("$SCRATCH", scratch.path)));
    const { usable, findings, isolation, canaries } = await executor.probe();
    await executor.close();
    // A sandbox so weak that it cannot be set up counts as well: nothing runs in it.
    expect(usable ? isolation.level : "none").toBe("none");
    expect(findings.join()).toMatch(usable ? name : /./);
    if (usable) expect(canaries).toContainEqual({ name, held: false });
  });

  test("is unusable, and says so, where it is missing or does not work", async () => {
    for (const program of ["/nonexistent/bwrap", "/bin/false"]) {
      const executor = make(program);
      const { usable, findings } = await executor.probe();
      expect(usable).toBe(false);
      expect(findings.join()).toMatch(/sandbox was not set up/);
      await expect(executor.execute(executionRequest(":"), { signal })).rejects.toMatchObject({
        code: "EXECUTOR_UNUSABLE",
      });
      await executor.close();
    }
  });

  test("lets a recipe reach the host's network only where that was asked for", async () => {
    const server = createServer((socket) => socket.end("reached\n"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const program = `import socket; print(socket.create_connection(("127.0.0.1", ${port})).recv(99).decode())`;
    const executor = make();
    const run = (network: "none" | "host") =>
      executor.execute(executionRequest(`python3 -c '${program}'`, { network }), { signal });
    const closed = await run("none");
    const open = await run("host");
    await executor.close();
    server.close();
    expect([closed.verdict, closed.isolation.network]).toEqual(["exit", "none"]);
    expect([open.stdout.toString().trim(), open.isolation.network]).toEqual(["reached", "host"]);
  });

  test("shows the host's tools, its own /etc and nothing else of the host", async () => {
    const executor = make();
    const recipe =
      "ls /; id -un; hostname; head -1 /etc/passwd; ls /etc/shadow /root /home/build 2>/dev/null; ls /dev/shm";
    const result = await executor.execute(executionRequest(recipe), { signal });
    await executor.close();
    const [names, rest] = result.stdout.toString().split("build\nbuild\n");
    const allowed = new Set("bin build dev etc home lib lib32 lib64 libx32 proc sbin tmp usr".split(" "));
    expect(
      (names ?? "")
        .trim()
        .split("\n")
        .filter((name) => !allowed.has(name)),
    ).toEqual([]);
    expect(rest).toBe("root:x:0:0:root:/root:/bin/sh\n/home/build:\n");
  });

  test("compiles and links with the host's compiler", async () => {
    const executor = make();
    const files = { "a.c": '#include <stdio.h>\nint main(void) { puts("hi"); return 0; }\n' };
    const result = await executor.execute(executionRequest("cc a.c -o a && ./a", { files, outputs: ["a"] }), {
      signal,
    });
    await executor.close();
    expect({ verdict: result.verdict, stdout: result.stdout.toString() }).toEqual({ verdict: "ok", stdout: "hi\n" });
    expect(result.outputs).toMatchObject([{ path: "a", executable: true }]);
  });
});

test("the sandbox's /etc has what tools need and none of the host's secrets", () => {
  const from = `${scratch.path}/from`;
  mkdirSync(`${from}/alternatives`, { recursive: true });
  mkdirSync(`${from}/ssl/certs`, { recursive: true });
  writeFileSync(`${from}/ld.so.conf`, "include x\n");
  writeFileSync(`${from}/shadow`, "root:secret\n");
  writeFileSync(`${from}/passwd`, "me:x:1:1\n");
  writeFileSync(`${from}/alternatives/private`, "x", { mode: 0o600 });
  writeFileSync(`${from}/ssl/certs/ca-certificates.crt`, "cert\n");
  const to = `${scratch.path}/to`;
  makeSandboxEtc(to, from);
  const there = ["ld.so.conf", "alternatives", "ssl/certs/ca-certificates.crt", "passwd", "group", "hosts"];
  expect(there.filter((name) => !existsSync(`${to}/${name}`))).toEqual([]);
  expect(["shadow", "alternatives/private"].filter((name) => existsSync(`${to}/${name}`))).toEqual([]);
});
