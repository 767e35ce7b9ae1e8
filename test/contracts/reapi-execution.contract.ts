import { randomUUID } from "node:crypto";
import { describe, expect, type TestContext, test } from "vitest";
import type { Digest } from "../../src/base/index.ts";
import { digestOf, EMPTY_DIGEST } from "../../src/base/index.ts";
import { type longrunning, reapi, rpc, unpackAny } from "../../src/protocol/index.ts";
import { type ReapiClient, statusOfCall } from "../support/reapi-client.ts";

interface Given {
  readonly client: ReapiClient;
  readonly canExecute: boolean;
}

interface Wanted {
  readonly script: string;
  readonly outputs?: readonly string[];
  readonly inputRoot?: Digest;
  readonly doNotCache?: boolean;
  readonly timeoutSeconds?: number;
  readonly platform?: readonly { readonly name: string; readonly value: string }[];
}

const NAME = "build.bazel.remote.execution.v2.ExecuteResponse";

/** Cases of Execution; skipped where nothing is executed. Scripts need a `sh` on the worker. */
export function executionCases(given: () => Given): void {
  describe("Execution", () => {
    const clientOf = (context: TestContext): ReapiClient => {
      const { client, canExecute } = given();
      if (!canExecute) context.skip("the server executes nothing");
      return client;
    };
    const actionOf = async (client: ReapiClient, wanted: Wanted): Promise<Digest> => {
      const platform = { properties: [...(wanted.platform ?? [])] };
      const command = reapi.Command.fromPartial({
        // The word at the end makes each run's action one that nobody has seen.
        arguments: ["sh", "-c", wanted.script, randomUUID()],
        environmentVariables: [{ name: "PATH", value: "/usr/bin:/bin" }],
        outputPaths: [...(wanted.outputs ?? [])],
        platform,
      });
      const action = reapi.Action.fromPartial({
        commandDigest: await client.upload(reapi.Command.encode(command).finish()),
        inputRootDigest: wanted.inputRoot ?? (await client.upload("")),
        doNotCache: wanted.doNotCache ?? false,
        platform,
        ...(wanted.timeoutSeconds !== undefined && { timeout: { seconds: wanted.timeoutSeconds, nanos: 0 } }),
      });
      return client.upload(reapi.Action.encode(action).finish());
    };
    const run = async (client: ReapiClient, actionDigest: Digest, skipCacheLookup = false) => {
      const request = { instanceName: client.instance, actionDigest, skipCacheLookup };
      const names = new Set<string>();
      let last: longrunning.Operation | undefined;
      for await (const operation of client.execution.execute(reapi.ExecuteRequest.fromPartial(request))) {
        names.add(operation.name);
        last = operation;
      }
      const any = last?.result?.$case === "response" ? [last.result.value] : [];
      const response = unpackAny(any, NAME, reapi.ExecuteResponse);
      if (response === undefined) throw new Error("the last operation has no ExecuteResponse");
      return { response, names, isDone: last?.done, code: response.status?.code ?? 0 };
    };

    test("runs a command and keeps its outputs", async (context) => {
      const client = clientOf(context);
      const { response, names, isDone, code } = await run(
        client,
        await actionOf(client, { script: "echo said; echo made >out", outputs: ["out"] }),
      );
      expect([code, isDone, names.size, response.result?.exitCode]).toEqual([0, true, 1, 0]);
      expect(response.result?.outputFiles.map(({ path }) => path)).toEqual(["out"]);
      expect(response.result?.outputFiles[0]?.digest).toEqual(digestOf("made\n"));
    });
    test("answers the second time from the cache, unless told not to look", async (context) => {
      const client = clientOf(context);
      const action = await actionOf(client, { script: "echo made >out", outputs: ["out"] });
      expect((await run(client, action)).response.cachedResult).toBe(false);
      expect((await run(client, action)).response.cachedResult).toBe(true);
      expect((await run(client, action, true)).response.cachedResult).toBe(false);
    });
    test("does not cache a failure, which is no error of the call", async (context) => {
      const client = clientOf(context);
      const action = await actionOf(client, { script: "exit 3" });
      const first = await run(client, action);
      expect([first.code, first.response.result?.exitCode]).toEqual([0, 3]);
      expect((await run(client, action)).response.cachedResult).toBe(false);
    });
    test("honours do_not_cache", async (context) => {
      const client = clientOf(context);
      const action = await actionOf(client, { script: "true", doNotCache: true });
      await run(client, action);
      expect((await run(client, action)).response.cachedResult).toBe(false);
      const request = reapi.GetActionResultRequest.fromPartial({ instanceName: client.instance, actionDigest: action });
      expect(await statusOfCall(client.cache.getActionResult(request))).toBe("NOT_FOUND");
    });
    test("says which inputs are missing, so that they can be brought", async (context) => {
      const client = clientOf(context);
      const lost = digestOf(randomUUID());
      const files = [{ name: "lost", digest: lost, isExecutable: false }];
      const inputRoot = await client.upload(reapi.Directory.encode(reapi.Directory.create({ files })).finish());
      const { response, code } = await run(client, await actionOf(client, { script: "true", inputRoot }));
      const failure = unpackAny(
        response.status?.details ?? [],
        "google.rpc.PreconditionFailure",
        rpc.PreconditionFailure,
      );
      const violations = failure?.violations.map(({ type, subject }) => [type, subject]);
      expect([code, violations]).toEqual([9, [["MISSING", `blobs/${lost.hash}/${lost.sizeBytes}`]]]);
    });
    test("ends an action at its timeout with DEADLINE_EXCEEDED", async (context) => {
      const client = clientOf(context);
      const { code } = await run(client, await actionOf(client, { script: "sleep 60", timeoutSeconds: 1 }));
      expect(code).toBe(4);
    });
    test("keeps exec bits and links in a directory that was made", async (context) => {
      const client = clientOf(context);
      const script = "mkdir -p d/e && echo x >d/e/x && chmod 755 d/e/x && ln -s e/x d/l";
      const { response } = await run(client, await actionOf(client, { script, outputs: ["d"] }));
      const treeDigest = response.result?.outputDirectories[0]?.treeDigest;
      if (treeDigest === undefined) throw new Error("no tree came back");
      const tree = reapi.Tree.decode(await client.download(client.readName(treeDigest as Digest)));
      expect(tree.root?.symlinks.map(({ name, target }) => [name, target])).toEqual([["l", "e/x"]]);
      expect(tree.children[0]?.files.map(({ name, isExecutable }) => [name, isExecutable])).toEqual([["x", true]]);
    });
    test("leaves out an output that was not made", async (context) => {
      const client = clientOf(context);
      const { response, code } = await run(client, await actionOf(client, { script: "true", outputs: ["never"] }));
      expect([code, response.result?.outputFiles]).toEqual([0, []]);
    });
    test("refuses a platform property that nobody offers", async (context) => {
      const client = clientOf(context);
      const platform = [{ name: "begat-contract-nobody-offers-this", value: "1" }];
      const action = await actionOf(client, { script: "true", platform });
      const outcome = await run(client, action).then(
        ({ code }) => code,
        ({ status }: { status: string }) => status,
      );
      expect([9, "FAILED_PRECONDITION"]).toContain(outcome);
    });
    const node = (name: string) => ({ name, digest: EMPTY_DIGEST, isExecutable: false });
    const badRoots: readonly (readonly [what: string, root: Partial<reapi.Directory>])[] = [
      ["unsorted names", { files: [node("b"), node("a")] }],
      ["a name twice", { files: [node("a"), node("a")] }],
      ["..", { files: [node("..")] }],
      ["a path for a name", { files: [node("a/b")] }],
      ["a link that leads out", { symlinks: [{ name: "l", target: "../../etc/passwd" }] }],
    ];
    for (const [what, root] of badRoots) {
      test(`refuses an input root with ${what}`, async (context) => {
        const client = clientOf(context);
        const bytes = reapi.Directory.encode(reapi.Directory.fromPartial(root)).finish();
        const action = await actionOf(client, { script: "true", inputRoot: await client.upload(bytes) });
        const outcome = await run(client, action).then(
          ({ code }) => code,
          ({ status }: { status: string }) => status,
        );
        expect([3, 9, "INVALID_ARGUMENT", "FAILED_PRECONDITION"]).toContain(outcome);
      });
    }
    test("knows no operation that it never started", async (context) => {
      const client = clientOf(context);
      expect(await statusOfCall(client.execution.waitExecution({ name: `none/${randomUUID()}` }).next())).toBe(
        "NOT_FOUND",
      );
    });
  });
}
