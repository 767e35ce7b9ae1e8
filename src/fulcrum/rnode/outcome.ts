import { type Digest, digestOf, relativeTo, type WorkspacePath } from "../../base/index.ts";
import type { BlobStore, RecordedOutput } from "../../cache/index.ts";
import { type ExecutionResult, UP_PATH, type Verdict } from "../../executor/index.ts";
import { reapi, timestampOf } from "../../protocol/index.ts";
import type { AssignedAction } from "./assigned-action.ts";
import { readProperties } from "./properties.ts";

/** How an execution came out, in the farm's words: what is signed and what the client gets say the same. */
export interface Outcome {
  readonly verdict: Verdict;
  readonly detail: string;
  readonly exitCode: number;
  readonly outputs: readonly RecordedOutput[];
  readonly properties: Readonly<Record<string, string>>;
  readonly stdout: Digest;
  readonly stderr: Digest;
}

/**
 * @param outputsRequired An output that was not made is a failure, as of a dictum. Other clients list what may be made,
 *   and take it ill only if they miss it.
 */
export function outcomeOf(
  action: AssignedAction,
  result: ExecutionResult,
  outputsRequired: boolean,
  blobs: BlobStore,
): Outcome {
  const lenient = result.verdict === "output-missing" && !outputsRequired;
  let verdict: Verdict = lenient ? "ok" : result.verdict;
  let detail = lenient ? "" : result.detail;
  let properties: Readonly<Record<string, string>> = {};
  if (action.isDictum && verdict === "ok") {
    const read = readProperties(result.outputs, blobs);
    if (read.ok) properties = read.properties;
    else {
      verdict = "output-rejected";
      detail = read.problem;
    }
  }
  let exitCode = result.exitCode ?? 128 + signalNumber(result);
  let stderr: Buffer = result.stderr;
  // Who knows exit codes alone must not take it for a success.
  if (verdict !== "ok" && exitCode === 0 && !outputsRequired) {
    exitCode = 1;
    stderr = Buffer.concat([stderr, Buffer.from(`begat: ${verdict}: ${detail}\n`)]);
  }
  return {
    verdict,
    detail,
    exitCode,
    outputs: result.outputs,
    properties,
    stdout: keep(blobs, result.stdout),
    stderr: keep(blobs, stderr),
  };
}

const keep = (blobs: BlobStore, bytes: Buffer): Digest => blobs.write(bytes, digestOf(bytes));

/** Numbers of the signals that end a recipe, as every Linux has them; SIGKILL for what is not among them. */
const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGXCPU: 24,
  SIGXFSZ: 25,
};

const signalNumber = ({ signal }: ExecutionResult): number => SIGNALS[signal ?? ""] ?? 9;

/** When what happened, milliseconds since 1970. */
export interface WorkTimes {
  readonly queuedMs: number;
  readonly fetchedMs: number;
  readonly uploadBeganMs: number;
  readonly endedMs: number;
}

/** @param auxiliary The travail, and whatever else travels with the result. */
export function actionResultOf(
  action: AssignedAction,
  outcome: Outcome,
  result: ExecutionResult,
  worker: string,
  times: WorkTimes,
  auxiliary: reapi.ExecutedActionMetadata["auxiliaryMetadata"],
): reapi.ActionResult {
  const { directory } = action.request;
  const outputFiles: reapi.OutputFile[] = [];
  const outputDirectories: reapi.OutputDirectory[] = [];
  const outputSymlinks: reapi.OutputSymlink[] = [];
  for (const { path, kind, digest, executable, target } of outcome.outputs) {
    // Outputs are named from the working directory.
    const from = relativeTo(directory, path as WorkspacePath);
    if (kind === "file")
      outputFiles.push(reapi.OutputFile.fromPartial({ path: from, digest, isExecutable: executable }));
    else if (kind === "tree") {
      outputDirectories.push(reapi.OutputDirectory.fromPartial({ path: from, treeDigest: digest }));
    } else outputSymlinks.push(reapi.OutputSymlink.fromPartial({ path: from, target: target ?? "" }));
  }
  return reapi.ActionResult.fromPartial({
    exitCode: outcome.exitCode,
    outputFiles,
    outputDirectories,
    outputSymlinks,
    // Both sets do no harm, and clients before version 2.1 look at these alone.
    ...(action.hasOldOutputLists ? { outputFileSymlinks: outputSymlinks } : {}),
    stdoutDigest: outcome.stdout,
    stderrDigest: outcome.stderr,
    executionMetadata: {
      worker,
      queuedTimestamp: timestampOf(times.queuedMs),
      workerStartTimestamp: timestampOf(times.queuedMs),
      inputFetchStartTimestamp: timestampOf(times.queuedMs),
      inputFetchCompletedTimestamp: timestampOf(times.fetchedMs),
      executionStartTimestamp: timestampOf(result.startedAtMs),
      executionCompletedTimestamp: timestampOf(result.finishedAtMs),
      outputUploadStartTimestamp: timestampOf(times.uploadBeganMs),
      outputUploadCompletedTimestamp: timestampOf(times.endedMs),
      workerCompletedTimestamp: timestampOf(times.endedMs),
      auxiliaryMetadata: auxiliary,
    },
  });
}

/** Everything the result names that must be in the leader's store before it is told. */
export function blobsOf(outcome: Outcome, members: (tree: Digest) => Iterable<Digest>): Digest[] {
  const digests: Digest[] = [outcome.stdout, outcome.stderr];
  for (const { kind, digest } of outcome.outputs) {
    if (kind === "symlink") continue;
    digests.push(digest);
    if (kind === "tree") digests.push(...members(digest));
  }
  return digests;
}

/** Outputs as they are signed: what properties are read from is none. */
export const signedOutputs = (outcome: Outcome): readonly RecordedOutput[] =>
  outcome.outputs.filter(({ path }) => path !== UP_PATH);
