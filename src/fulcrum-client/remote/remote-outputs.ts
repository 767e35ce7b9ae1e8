import { join } from "node:path/posix";
import { type Digest, digestOf, parseSha256, type Sha256, type WorkspacePath } from "../../base/index.ts";
import type { RecordedOutput } from "../../cache/index.ts";
import { type DeclaredOutput, type ExecutionResult, splitStatus } from "../../executor/index.ts";
import type { reapi } from "../../protocol/index.ts";
import { RpcError } from "../wire/rpc-error.ts";

/** What an ActionResult names, from the workspace root, in the order of the declarations. */
export interface NamedOutputs {
  readonly outputs: readonly RecordedOutput[];
  /** Declared and not in the result. */
  readonly missing: readonly WorkspacePath[];
  /** Among `outputs`, of another kind than declared, or links that lead out: a sentence each. */
  readonly rejected: readonly string[];
}

/** @throws {RpcError} `INTERNAL` for digests that are none. */
export function namedOutputs(
  result: reapi.ActionResult,
  directory: WorkspacePath,
  declared: readonly DeclaredOutput[],
): NamedOutputs {
  const found = new Map<string, RecordedOutput>();
  const at = (path: string): string => {
    const whole = join(directory, path);
    return whole === "." ? "" : whole;
  };
  for (const { path, digest, isExecutable } of result.outputFiles) {
    found.set(at(path), { path: at(path), kind: "file", digest: digestFrom(digest, path), executable: isExecutable });
  }
  for (const { path, treeDigest } of result.outputDirectories) {
    found.set(at(path), { path: at(path), kind: "tree", digest: digestFrom(treeDigest, path), executable: false });
  }
  const links = [...result.outputSymlinks, ...result.outputFileSymlinks, ...result.outputDirectorySymlinks];
  for (const { path, target } of links) {
    found.set(at(path), { path: at(path), kind: "symlink", digest: digestOf(target), executable: false, target });
  }
  const outputs: RecordedOutput[] = [];
  const missing: WorkspacePath[] = [];
  const rejected: string[] = [];
  for (const { path, kind } of declared) {
    const output = found.get(path);
    if (output === undefined) missing.push(path);
    else {
      const problem = problemOf(output, kind);
      outputs.push(output);
      if (problem !== undefined) rejected.push(`output ${path} is ${problem}`);
    }
  }
  return { outputs, missing, rejected };
}

function problemOf({ path, kind, target = "" }: RecordedOutput, declared: DeclaredOutput["kind"]): string | undefined {
  if (kind === "symlink") {
    if (target.startsWith("/")) return `a symlink to ${target}, which is absolute`;
    return join(path, "..", target).startsWith("../") ? `a symlink to ${target}, which leads out` : undefined;
  }
  if (declared === "file" && kind === "tree") return "a directory, declared as a file";
  return declared === "tree" && kind === "file" ? "a file, declared as a directory" : undefined;
}

/** What a result says of the recipe where nobody signed how it ended. */
export function judgeRemote(
  result: reapi.ActionResult,
  named: NamedOutputs,
  timedOutAfterMs: number | undefined,
): Pick<ExecutionResult, "verdict" | "detail" | "exitCode" | "signal"> {
  if (timedOutAfterMs !== undefined) {
    const detail = `still running after ${timedOutAfterMs} ms`;
    return { verdict: "timeout", detail, exitCode: undefined, signal: undefined };
  }
  const { exitCode, signal } = splitStatus(result.exitCode);
  if (signal !== undefined) return { verdict: "signal", detail: `ended by ${signal}`, exitCode, signal };
  if (exitCode !== 0) return { verdict: "exit", detail: `exit ${exitCode}`, exitCode, signal };
  const { missing, rejected } = named;
  if (missing.length > 0) {
    const what = missing.length === 1 ? `output ${missing[0]} was` : `outputs ${missing.join(", ")} were`;
    return { verdict: "output-missing", detail: `${what} not made`, exitCode, signal };
  }
  if (rejected.length > 0) return { verdict: "output-rejected", detail: rejected.join("; "), exitCode, signal };
  return { verdict: "ok", detail: "", exitCode, signal };
}

export function digestFrom(wire: reapi.Digest | undefined, what: string): Digest {
  const hash: Sha256 | undefined = parseSha256(wire?.hash);
  if (wire !== undefined && hash !== undefined && wire.sizeBytes >= 0) return { hash, sizeBytes: wire.sizeBytes };
  throw new RpcError("INTERNAL", `the answer has no digest of ${what}`);
}
