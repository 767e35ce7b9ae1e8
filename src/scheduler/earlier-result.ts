import { codeOf, type Sha256 } from "../base/index.ts";
import type { BlobStore, IndexedExecution, RecordedOutput } from "../cache/index.ts";
import { type ExecutionResult, UP_PATH } from "../executor/index.ts";
import type { ChallengeDifference } from "../provenance/index.ts";
import { differingOutputs, firstDifference } from "./compare-results.ts";
import type { Difference } from "./events.ts";
import type { Records } from "./rooms.ts";

/** An earlier result of the same action that was something else. */
export interface Contradiction {
  /** The travail whose result hits go on being made of. */
  readonly of: number;
  readonly difference: Difference;
  /** Outputs that came out otherwise now. */
  readonly outputs: readonly RecordedOutput[];
}

/**
 * The result that stands for an action, if it is another one than came out now. What stands is the oldest travail that is
 * trusted: a later one never takes its place silently, whoever made it and however (docs/formats.md, "Two results").
 */
export function contradicted(
  action: Sha256,
  result: ExecutionResult,
  properties: Readonly<Record<string, string>>,
  records: Records,
  blobs: Pick<BlobStore, "read">,
): Contradiction | undefined {
  const standing = standingResult(action, records);
  if (standing === undefined) return undefined;
  const after = result.outputs.filter(({ path }) => path !== UP_PATH);
  const outputs = differingOutputs(standing.outputs, after);
  const difference = differenceFrom(standing, after, properties, blobs);
  return difference === undefined ? undefined : { of: standing.seq, difference, outputs };
}

/** Where outputs and properties that came out now differ first from those of `standing`. */
export function differenceFrom(
  standing: IndexedExecution,
  after: readonly RecordedOutput[],
  properties: Readonly<Record<string, string>>,
  blobs: Pick<BlobStore, "read">,
): Difference | undefined {
  return differenceOf(standing, after, blobs) ?? propertyDifference(standing.properties, properties);
}

/** The result that hits on `action` are made of; `undefined` where there is none that is trusted. */
export function standingResult(action: Sha256, { index, trust }: Records): IndexedExecution | undefined {
  for (const candidate of index.find(action).reverse()) {
    const verdict = trust(candidate, action, "none");
    if (verdict.trusted) return verdict.execution;
  }
  return undefined;
}

function differenceOf(
  { outputs }: IndexedExecution,
  after: readonly RecordedOutput[],
  blobs: Pick<BlobStore, "read">,
): Difference | undefined {
  try {
    return firstDifference(outputs, after, (digest) => blobs.read(digest));
  } catch (error) {
    // The earlier bytes may be gone from the store: that they were others is known from their digests.
    if (codeOf(error) === undefined) throw error;
    const path = differingOutputs(outputs, after)[0]?.path ?? outputs[0]?.path ?? "";
    return { kind: "bytes", path };
  }
}

function propertyDifference(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): Difference | undefined {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const differs = [...names].some((name) => before[name] !== after[name]);
  return differs ? { kind: "bytes", path: "BEGAT_UP" } : undefined;
}

/** The difference as a record has it. */
export function recordedDifference({
  kind,
  path,
  member,
  offset,
  first,
  second,
  detail,
}: Difference): ChallengeDifference {
  return {
    p: path,
    w: kind,
    ...(member === undefined ? {} : { m: member }),
    ...(offset === undefined ? {} : { at: offset }),
    ...(first === undefined ? {} : { a: first }),
    ...(second === undefined ? {} : { b: second }),
    ...(detail === undefined ? {} : { t: detail.slice(0, 1_000) }),
  };
}
