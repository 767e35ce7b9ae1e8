import { type Digest, digestOf, type WorkspacePath } from "../../src/base/index.ts";
import type { FileBlobStore } from "../../src/cache/index.ts";
import {
  type ExecutionRequest,
  type ExecutionResult,
  type InputFile,
  isCacheable,
  UP_PATH,
} from "../../src/executor/index.ts";
import { type BoundService, bindService, type CallContext } from "../../src/fulcrum/index.ts";
import { RpcError, statusNumber } from "../../src/fulcrum-client/index.ts";
import { NodeClock } from "../../src/platform/index.ts";
import {
  decodeAction,
  decodeCommand,
  decodeDirectory,
  farm,
  type longrunning,
  packAny,
  reapi,
  rpc,
  walkTree,
} from "../../src/protocol/index.ts";
import {
  provePossession,
  type Signer,
  sandboxFacts,
  signExecution,
  toExecOutput,
  travailBytes,
} from "../../src/provenance/index.ts";
import { FakeExecutor, type FakeRecipe } from "./fake-executor.ts";
import { memoryResults, type ReapiEndpoint, reapiEndpoint } from "./reapi-endpoint.ts";

/** What goes wrong, each until it is set otherwise. */
export interface WorkerFaults {
  /** Streams of Execute and WaitExecution break off after their first message, this many more times. */
  cuts: number;
  /** Execute is refused with this status, this many more times. */
  refusals: { status: "UNAVAILABLE" | "FAILED_PRECONDITION" | "RESOURCE_EXHAUSTED"; left: number };
  /** Operations are forgotten as soon as their stream breaks. */
  forgets: boolean;
  /** Blobs that are found missing when the execution begins, once each. */
  evicts: Digest[];
  /** Changes what is answered. */
  lies: ((answer: Answer) => Partial<Answer>) | undefined;
}

/** Of one execution, before it is encoded. */
export interface Answer {
  readonly result: reapi.ActionResult;
  readonly travail: farm.Travail | undefined;
}

export interface RemoteWorker extends ReapiEndpoint {
  readonly faults: WorkerFaults;
  readonly executor: FakeExecutor;
  /** Calls of Execute, WaitExecution so far. */
  readonly calls: { execute: number; wait: number };
  /** Resolves when so many recipes run at once. */
  running(count: number): Promise<void>;
}

/** An endpoint that executes in this process: `recipe` runs what is asked for, and `signer` signs it where there is one. */
export async function remoteWorker(options: {
  readonly recipe: FakeRecipe;
  readonly slots?: number;
  readonly signer?: Signer;
  readonly endorsement?: Uint8Array;
  readonly rnode?: string;
  readonly mayUpdateResults?: boolean;
}): Promise<RemoteWorker> {
  const faults: WorkerFaults = {
    cuts: 0,
    refusals: { status: "UNAVAILABLE", left: 0 },
    forgets: false,
    evicts: [],
    lies: undefined,
  };
  const calls = { execute: 0, wait: 0 };
  const results = memoryResults();
  const stop = new AbortController();
  const watchers: { count: number; tell: () => void }[] = [];
  let running = 0;
  let executor: FakeExecutor | undefined;
  const recipe: FakeRecipe = async (run) => {
    running++;
    for (const { count, tell } of watchers) if (running >= count) tell();
    try {
      return await options.recipe(run);
    } finally {
      running--;
    }
  };

  const execution = (store: FileBlobStore): BoundService => {
    const worker = new FakeExecutor({ blobs: store, clock: new NodeClock(), recipe, slots: options.slots ?? 2 });
    executor = worker;
    const operations = new Map<
      string,
      { readonly outcome: Promise<reapi.ExecuteResponse>; readonly kill: () => void }
    >();

    const execute = async (
      { instanceName, actionDigest, skipCacheLookup }: reapi.ExecuteRequest,
      context: farm.TravailContext,
      signal: AbortSignal,
    ): Promise<reapi.ExecuteResponse> => {
      const action = actionDigest as Digest;
      const lost = faults.evicts.splice(0);
      for (const digest of lost) store.discard(store.layout.blob(digest.hash));
      const call = { travailContext: () => context } as unknown as CallContext;
      const known = skipCacheLookup ? undefined : await results.get(instanceName, action, call);
      if (known !== undefined) return reapi.ExecuteResponse.fromPartial({ result: known, cachedResult: true });
      const missing = missingOf(store, action);
      if (missing.length > 0) return { ...reapi.ExecuteResponse.create(), status: missingStatus(missing) };
      const request = requestOf(store, action, context);
      const result = await worker.execute(request, { signal });
      const answer: Answer = {
        result: resultOf(store, request, result),
        travail: options.signer && signed(options, options.signer, store, request, result, context),
      };
      Object.assign(answer, faults.lies?.(answer));
      const auxiliary = answer.travail && [packAny("radix.farm.v1.Travail", farm.Travail, answer.travail)];
      const whole = reapi.ActionResult.fromPartial({
        ...answer.result,
        executionMetadata: { worker: options.rnode ?? "worker", auxiliaryMetadata: auxiliary ?? [] },
      });
      const isClean = result.verdict === "ok" && !decodeAction(store.read(action)).doNotCache;
      if (isClean) await results.put(instanceName, action, whole, call);
      const status =
        result.verdict === "timeout"
          ? { code: statusNumber("DEADLINE_EXCEEDED"), message: result.detail, details: [] }
          : undefined;
      return reapi.ExecuteResponse.fromPartial({ result: whole, status });
    };

    async function* follow(name: string, { signal }: CallContext): AsyncGenerator<longrunning.Operation> {
      const operation = operations.get(name);
      if (operation === undefined) throw new RpcError("NOT_FOUND", `${name} is not known`);
      const stage = reapi.ExecutionStage_Value.EXECUTING;
      const metadata = packAny(
        "build.bazel.remote.execution.v2.ExecuteOperationMetadata",
        reapi.ExecuteOperationMetadata,
        reapi.ExecuteOperationMetadata.fromPartial({ stage }),
      );
      yield { name, metadata, done: false, result: undefined };
      if (faults.cuts > 0) {
        faults.cuts--;
        if (faults.forgets) operations.delete(name);
        throw new RpcError("UNAVAILABLE", "the stream was cut");
      }
      // Who hangs up is not waited for; a real leader gives it a while to come back.
      signal.addEventListener("abort", operation.kill);
      const response = await operation.outcome;
      signal.removeEventListener("abort", operation.kill);
      const value = packAny("build.bazel.remote.execution.v2.ExecuteResponse", reapi.ExecuteResponse, response);
      yield { name, metadata, done: true, result: { $case: "response", value } };
    }

    return bindService(reapi.ExecutionDefinition, {
      async *execute(request, context) {
        calls.execute++;
        if (faults.refusals.left > 0) {
          faults.refusals.left--;
          throw new RpcError(faults.refusals.status, "refused by the test");
        }
        const name = `operations/${calls.execute}`;
        const end = new AbortController();
        const signal = AbortSignal.any([stop.signal, end.signal]);
        const outcome = execute(request, context.travailContext() ?? farm.TravailContext.create(), signal);
        outcome.catch(() => {});
        operations.set(name, { outcome, kill: () => end.abort() });
        yield* follow(name, context);
      },
      async *waitExecution({ name }, context) {
        calls.wait++;
        yield* follow(name, context);
      },
    });
  };

  const endpoint = await reapiEndpoint({
    mayUpdateResults: options.mayUpdateResults ?? false,
    results,
    more: (store) => [execution(store)],
  });
  return {
    ...endpoint,
    faults,
    calls,
    executor: executor as unknown as FakeExecutor,
    running: (count) => {
      if (running >= count) return Promise.resolve();
      return new Promise((tell) => watchers.push({ count, tell }));
    },
    async close() {
      stop.abort();
      await endpoint.close();
    },
  };
}

function missingStatus(missing: readonly Digest[]): rpc.Status {
  const violations = missing.map(({ hash, sizeBytes }) => ({
    type: "MISSING",
    subject: `blobs/${hash}/${sizeBytes}`,
    description: "",
  }));
  const detail = packAny("google.rpc.PreconditionFailure", rpc.PreconditionFailure, { violations });
  return { code: statusNumber("FAILED_PRECONDITION"), message: "inputs are missing", details: [detail] };
}

function treeOf(store: FileBlobStore, action: Digest) {
  const { inputRoot } = decodeAction(store.read(action));
  const sizes = new Map<string, number>();
  const load = (digest: Digest): Buffer => {
    const bytes = store.read(digest);
    for (const { digest: below } of reapi.Directory.decode(bytes).directories) {
      if (below !== undefined) sizes.set(below.hash, below.sizeBytes);
    }
    return bytes;
  };
  return walkTree(decodeDirectory(load(inputRoot), (hash) => load({ hash, sizeBytes: sizes.get(hash) ?? 0 })));
}

function missingOf(store: FileBlobStore, action: Digest): Digest[] {
  if (!store.has(action)) return [action];
  const { command, inputRoot } = decodeAction(store.read(action));
  const top = [command, inputRoot].filter((digest) => !store.has(digest));
  if (top.length > 0) return top;
  return treeOf(store, action)
    .files.map(({ digest }) => digest)
    .filter((digest) => !store.has(digest));
}

function requestOf(store: FileBlobStore, digest: Digest, context: farm.TravailContext): ExecutionRequest {
  const action = decodeAction(store.read(digest));
  const command = decodeCommand(store.read(action.command));
  const { files, links, emptyDirectories } = treeOf(store, digest);
  const inputs = files.map(
    ({ path, digest: file, executable }): InputFile => ({ path, digest: file, executable, from: { blob: true } }),
  );
  const at = (path: string) => (command.directory === "" ? path : `${command.directory}/${path}`) as WorkspacePath;
  return {
    actionDigest: digest,
    label: context.chore || "recipe",
    argv: command.argv,
    env: command.env,
    pathVariables: [],
    directory: command.directory,
    inputs,
    links,
    emptyDirectories,
    outputs: command.outputPaths.map((path) => ({ path: at(path), kind: "any" })),
    imageRoot: undefined,
    network: "none",
    timeoutMs: action.timeoutMs,
    resources: {},
    interactive: false,
    encoded: { inputRoot: action.inputRoot, platform: action.platform, blobs: [] },
  };
}

function resultOf(store: FileBlobStore, request: ExecutionRequest, result: ExecutionResult): reapi.ActionResult {
  const of = (kind: string) =>
    result.outputs
      .filter((output) => output.kind === kind)
      .map((output) => ({
        ...output,
        path: output.path.slice(request.directory === "" ? 0 : request.directory.length + 1),
      }));
  return reapi.ActionResult.fromPartial({
    exitCode: result.exitCode ?? 137,
    outputFiles: of("file").map(({ path, digest, executable }) => ({ path, digest, isExecutable: executable })),
    outputDirectories: of("tree").map(({ path, digest }) => ({ path, treeDigest: digest })),
    outputSymlinks: of("symlink").map(({ path, target }) => ({ path, target: target ?? "" })),
    stdoutDigest: store.write(result.stdout),
    stderrDigest: store.write(result.stderr),
  });
}

function signed(
  { endorsement, rnode }: { readonly endorsement?: Uint8Array; readonly rnode?: string },
  signer: Signer,
  store: FileBlobStore,
  request: ExecutionRequest,
  result: ExecutionResult,
  context: farm.TravailContext,
): farm.Travail {
  const { inputRoot, platform = [] } = request.encoded ?? {};
  const up = result.outputs.find(({ path }) => path === UP_PATH);
  const lines = up === undefined ? [] : store.read(up.digest).toString().trim().split("\n");
  const props = Object.fromEntries(lines.map((line) => [line.split("=")[0] ?? "", line.slice(line.indexOf("=") + 1)]));
  const listing = {
    argv: request.argv,
    env: request.env,
    directory: request.directory,
    platform,
    inputs: [
      ...request.inputs.map(({ path, digest }) => ({ path, digest: digest.hash })),
      ...request.links.map(({ path, target }) => ({ path, digest: digestOf(target).hash })),
    ],
  };
  const facts = {
    build: context.build,
    action: request.actionDigest.hash,
    asize: request.actionDigest.sizeBytes,
    dictum: context.dictum,
    chore: context.chore,
    image: platform.find(([name]) => name === "container-image")?.[1] ?? "",
    in: { n: request.inputs.length, root: (inputRoot as Digest).hash },
    out: result.outputs.filter(({ path }) => path !== UP_PATH).map(toExecOutput),
    ...(lines.length === 0 ? {} : { props }),
    io: { out: digestOf(result.stdout).hash, err: digestOf(result.stderr).hash },
    exit: result.exitCode ?? 137,
    t0: result.startedAtMs,
    t1: result.finishedAtMs,
    ms: result.durationMs,
    rnode: rnode ?? signer.entry.rnode ?? "",
    level: result.isolation.level,
    sandbox: sandboxFacts(result.isolation),
    ver: "test",
    why: { r: "new" },
    attempt: context.attempt,
  };
  const body =
    result.verdict === "ok"
      ? signExecution({ ...facts, kind: "exec" as const, cacheable: isCacheable(result) }, listing, context.log, signer)
      : signExecution(
          { ...facts, kind: "fail" as const, verdict: result.verdict, detail: result.detail },
          listing,
          context.log,
          signer,
        );
  return farm.Travail.fromPartial({
    body: travailBytes(body),
    key: Buffer.from(JSON.stringify(signer.entry)),
    endorsement: endorsement ?? Buffer.alloc(0),
    log: context.log,
    pop: provePossession(signer, context.log),
    observations: {
      undeclared: [...result.undeclared],
      signal: result.signal ?? "",
      stdoutBytes: result.stdoutBytes,
      stderrBytes: result.stderrBytes,
    },
  });
}
