import type { Sha256 } from "../../base/index.ts";
import { isComplete } from "../statement.ts";
import { type ClosureNode, type ClosureTarget, closureOf, wayTo } from "./closure.ts";
import { type Evidence, evidenceAt, type History } from "./evidence.ts";
import { isImage, PropertyUses } from "./handed-on.ts";
import { keyOf } from "./index-filler.ts";

export type AffectedTarget =
  | { readonly by: "digest"; readonly digest: Sha256 }
  /** An image may have had several digests under one name. */
  | { readonly by: "image"; readonly names: readonly string[] }
  | { readonly by: "rnode"; readonly name: string }
  | { readonly by: "key" | "action"; readonly digest: Sha256 };

/** An execution that the target reached. */
export interface AffectedExecution {
  readonly evidence: Evidence;
  /** The executions from the target to this one, this one last. */
  readonly way: readonly number[];
  /** The input by which it was reached, or the property; `undefined` for executions of the target itself. */
  readonly through: { readonly path: string; readonly digest: Sha256 } | { readonly property: string } | undefined;
}

export interface AffectedAnswer {
  readonly affected: readonly AffectedExecution[];
  /** Executions that the target cannot have reached: all that they, and all they were made from, saw is recorded. */
  readonly clear: number;
  /** Executions of which nobody can say: they or their ancestors could see more than is recorded. */
  readonly unknown: number;
  /** Reached by the index, but their records cannot be proven. */
  readonly unproven: readonly { readonly seq: number; readonly because: string }[];
  /** Whether any record up to `size` names the target. */
  readonly seen: boolean;
  readonly size: number;
  /** Places where the index says what the ledger does not: it is wrong, and its answer may lack something. */
  readonly disagreements: number;
}

/**
 * What a digest, an image, a machine, a key or an action had a part in. What is AFFECTED is proven record by record; CLEAR
 * and UNKNOWN are told apart by what sandboxes enforced, and never merged.
 *
 * @param since Executions before this record are left out.
 */
export function affectedBy(history: History, target: AffectedTarget, since = 0): AffectedAnswer {
  const { index } = history;
  const start = startOf(history, target);
  const properties = new PropertyUses(history);
  const nodes = closureOf(index, start, since, (seq) => properties.of(seq));
  const affected: AffectedExecution[] = [];
  const unproven: { seq: number; because: string }[] = [];
  let disagreements = 0;
  const proven = new Set<number>();
  for (const node of nodes.values()) {
    const evidence = evidenceAt(history, node.seq);
    if (evidence !== undefined && evidence.listing === undefined) {
      unproven.push({ seq: node.seq, because: evidence.because ?? "" });
      continue;
    }
    const reached = evidence && reachedBy(history, node, evidence, start, proven);
    if (evidence === undefined || reached === undefined) {
      disagreements++;
      continue;
    }
    proven.add(node.seq);
    affected.push({ evidence, way: wayTo(nodes, node.seq).map(({ seq }) => seq), through: reached.through });
  }
  const all = index.counts().executions - index.counts(since).executions;
  const unknown = unknownOf(history, properties, since, new Set(affected.map(({ evidence }) => evidence.seq)), all);
  return {
    affected,
    clear: Math.max(0, all - affected.length - unknown),
    unknown,
    unproven,
    seen: nodes.size > 0 || isNamed(history, target),
    size: index.size,
    disagreements,
  };
}

/** Executions of the target itself are read first: what is not of it is not begun with. */
function startOf(history: History, target: AffectedTarget): ClosureTarget {
  const { index } = history;
  switch (target.by) {
    case "digest":
      return { digest: target.digest };
    case "image":
      return {
        seqs: target.names.flatMap((name) =>
          index.executionsOfImage(name).filter((seq) => is(history, seq, "image", name)),
        ),
      };
    case "rnode":
      return { seqs: index.executionsOfRnode(target.name).filter((seq) => is(history, seq, "rnode", target.name)) };
    case "key":
      return { seqs: index.executionsOfKey(target.digest).filter((seq) => is(history, seq, "key", target.digest)) };
    case "action":
      return {
        seqs: index.executionsOfAction(target.digest).filter((seq) => is(history, seq, "action", target.digest)),
      };
  }
}

function is(history: History, seq: number, member: "image" | "rnode" | "key" | "action", value: string): boolean {
  const record = history.ledger.record(seq);
  return record?.kind === "exec" && record[member] === value;
}

/** By which input the records say it was reached; `undefined` where they do not say so. */
function reachedBy(
  history: History,
  { from, through, handed }: ClosureNode,
  evidence: Evidence,
  start: ClosureTarget,
  proven: ReadonlySet<number>,
): { readonly through: AffectedExecution["through"] } | undefined {
  if (handed !== undefined) {
    const maker = from !== undefined && proven.has(from) ? evidenceAt(history, from) : undefined;
    const { property, value } = handed;
    const given = isImage(property)
      ? evidence.record.image === value
      : (evidence.listing?.env ?? []).some(([name, is]) => name === property && is === value);
    return given && maker?.record.props?.[property] === value ? { through: { property } } : undefined;
  }
  if (through === undefined) return { through: undefined };
  const inputs = (evidence.listing?.inputs ?? []).filter(({ digest }) => keyOf(digest) === through);
  if (from === undefined) {
    const input = inputs.find(({ digest }) => "digest" in start && digest === start.digest);
    return input && { through: input };
  }
  const maker = proven.has(from) ? evidenceAt(history, from) : undefined;
  if (maker === undefined) return undefined;
  const made = new Set<Sha256>();
  for (const { d, m } of maker.record.out) {
    made.add(d);
    if (m !== "t") continue;
    const files = history.treeLister?.(d, (hash) => history.ledger.manifest(hash)) ?? [];
    for (const { digest } of files) made.add(digest);
  }
  const input = inputs.find(({ digest }) => made.has(digest));
  return input && { through: input };
}

/** Executions that saw more than is recorded, and whatever they reached, without those that are affected anyway. */
function unknownOf(
  history: History,
  properties: PropertyUses,
  since: number,
  affected: ReadonlySet<number>,
  all: number,
): number {
  const { index } = history;
  if (index.counts().complete === 0) return all - affected.size;
  let unknown = 0;
  for (const seq of closureOf(index, { seqs: [...index.incomplete()] }, 0, (made) => properties.of(made)).keys()) {
    if (seq >= since && !affected.has(seq)) unknown++;
  }
  return unknown;
}

function isNamed(history: History, target: AffectedTarget): boolean {
  if (target.by !== "digest") return false;
  const { ledger, index } = history;
  const made = index.producers(target.digest).some((seq) => {
    const record = ledger.record(seq);
    return record?.kind === "exec" && record.out.some(({ d }) => d === target.digest);
  });
  return made || index.ingests(target.digest).length > 0;
}

/** Whether an execution's inputs are all recorded: the sandbox showed it nothing else. */
export function sawOnlyRecorded(evidence: Evidence): boolean {
  return evidence.signature === "holds" && isComplete(evidence.record);
}
