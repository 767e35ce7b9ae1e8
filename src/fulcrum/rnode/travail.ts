import { canonicalJson } from "../../base/index.ts";
import { type ExecutionResult, isCacheable } from "../../executor/index.ts";
import { farm, packAny } from "../../protocol/index.ts";
import {
  provePossession,
  type Signer,
  sandboxFacts,
  signExecution,
  type TravailBody,
  toExecOutput,
  travailBytes,
} from "../../provenance/index.ts";
import type { AssignedAction } from "./assigned-action.ts";
import { type Outcome, signedOutputs } from "./outcome.ts";

/** Who signs, and by whose word it counts. */
export interface TravailSigner {
  readonly signer: Signer;
  /** The farm authority's, for the signer's key. */
  readonly endorsement: Uint8Array;
  /** The rnode's name in the farm. */
  readonly rnode: string;
  readonly version: string;
}

export interface SignedTravail {
  readonly body: TravailBody;
  readonly names: Names;
  /** Encoded `radix.farm.v1.Travail`. */
  readonly bytes: Uint8Array;
}

/** For which ledger, build and chore it is signed. */
export type Names = Pick<farm.TravailContext, "log" | "build" | "chore" | "dictum" | "attempt">;

/** Signs what was executed, under the names that whoever wanted it gave. */
export function signTravail(
  by: TravailSigner,
  action: AssignedAction,
  image: string,
  outcome: Outcome,
  result: ExecutionResult,
  names: Names,
): SignedTravail {
  const { signer, endorsement, rnode, version } = by;
  const facts = {
    build: names.build,
    action: action.digest.hash,
    asize: action.digest.sizeBytes,
    dictum: names.dictum,
    chore: names.chore,
    image,
    in: { n: action.inputCount, root: action.inputRoot.hash },
    out: signedOutputs(outcome).map(toExecOutput),
    ...(Object.keys(outcome.properties).length === 0 ? {} : { props: outcome.properties }),
    io: { out: outcome.stdout.hash, err: outcome.stderr.hash },
    exit: outcome.exitCode,
    t0: result.startedAtMs,
    t1: result.finishedAtMs,
    ms: result.durationMs,
    rnode,
    level: result.isolation.level,
    sandbox: sandboxFacts(result.isolation),
    ver: version,
    // Why it was wanted is known to who wanted it.
    why: { r: "new" },
    attempt: names.attempt,
  };
  const { verdict, detail } = outcome;
  // `isCacheable` of the executor's own verdict: with the farm's, a limit that was touched is still one.
  const cacheable = !action.doNotCache && isCacheable({ ...result, verdict });
  const body =
    verdict === "ok"
      ? signExecution({ ...facts, kind: "exec" as const, cacheable }, action.listing, names.log, signer)
      : signExecution({ ...facts, kind: "fail" as const, verdict, detail }, action.listing, names.log, signer);
  const bytes = farm.Travail.encode({
    body: travailBytes(body),
    key: Buffer.from(canonicalJson({ ...signer.entry })),
    endorsement,
    log: names.log,
    pop: provePossession(signer, names.log),
    observations: observationsOf(result),
  }).finish();
  return { body, names, bytes };
}

export const travailAny = (bytes: Uint8Array) => ({
  ...packAny("radix.farm.v1.Travail", farm.Travail, farm.Travail.create()),
  value: bytes,
});

function observationsOf(result: ExecutionResult): farm.Observations {
  return {
    undeclared: [...result.undeclared],
    signal: result.signal ?? "",
    stdoutBytes: result.stdoutBytes,
    stderrBytes: result.stderrBytes,
    limits: result.limitEvents.map(({ limit, allowed, seen }) => ({ limit, allowed, seen })),
  };
}
