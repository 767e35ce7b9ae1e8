import type { RecordedOutput } from "../cache/index.ts";
import type { ExecBody, ExecOutput } from "./record.ts";

/** An output as a record writes it. */
export function toExecOutput(output: RecordedOutput): ExecOutput {
  const { path, kind, digest, executable, target } = output;
  const m = kind === "tree" ? "t" : kind === "symlink" ? "l" : executable ? "x" : undefined;
  return {
    p: path,
    d: digest.hash,
    n: digest.sizeBytes,
    ...(m === undefined ? {} : { m }),
    ...(target === undefined ? {} : { l: target }),
  };
}

/** The inverse of `toExecOutput`. */
export function toRecordedOutput(output: ExecOutput): RecordedOutput {
  return {
    path: output.p,
    kind: output.m === "t" ? "tree" : output.m === "l" ? "symlink" : "file",
    digest: { hash: output.d, sizeBytes: output.n },
    executable: output.m === "x",
    ...(output.l === undefined ? {} : { target: output.l }),
  };
}

/** The isolation of an execution as an executor reports it; its level stands in the record by itself. */
export interface ObservedIsolation {
  readonly backend: string;
  readonly backendVersion: string;
  readonly namespaces: readonly string[];
  readonly network: string;
  readonly uidDropped: boolean;
  readonly knownLeaks: readonly string[];
  /** What was narrowed further; absent where nothing was. */
  readonly hardening?: {
    /** SHA-256 of the filter program, or `undefined` for none. */
    readonly seccomp: string | undefined;
    readonly aslr: "on" | "off";
    readonly cpus: number;
    readonly procMask: readonly string[];
  };
}

/** `sandbox` of an execution's record. `backend` and `network` also decide the builder's id. */
export function sandboxFacts(isolation: ObservedIsolation): ExecBody["sandbox"] {
  const { hardening } = isolation;
  return {
    backend: isolation.backend,
    version: isolation.backendVersion,
    namespaces: isolation.namespaces,
    network: isolation.network,
    uidDropped: isolation.uidDropped,
    leaks: isolation.knownLeaks,
    ...(hardening === undefined
      ? {}
      : {
          seccomp: hardening.seccomp ?? "none",
          aslr: hardening.aslr,
          cpus: String(hardening.cpus),
          procMask: hardening.procMask,
        }),
  };
}
