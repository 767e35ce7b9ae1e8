import type { Sha256 } from "../../base/index.ts";

/**
 * Where in the ledger to look. Answers may be wrong in any way (a lie, a damaged file, digests that share 48 bits): whoever
 * asks reads the records and believes those alone. Only seqs below `before`, which is `size` where it is not given.
 */
export interface ProvIndex {
  /** Records it covers. */
  readonly size: number;
  /** Executions with this output, newest first. */
  producers(hash: Sha256, before?: number): readonly number[];
  /** Executions (and failures) of chores that made something at this path, newest first. */
  producersOfPath(path: string, limit: number, before?: number): readonly number[];
  /** Executions and failures of a chore, newest first. */
  executionsOf(chore: string, limit: number, before?: number): readonly number[];
  /** Labels of the chores of a dictum. */
  choresOf(dictum: string, limit: number): readonly string[];
  /** Executions of an action, newest first. */
  executionsOfAction(action: Sha256, before?: number): readonly number[];
  /** Failures left out. */
  executionsOfImage(image: string, before?: number): readonly number[];
  executionsOfRnode(rnode: string, before?: number): readonly number[];
  executionsOfKey(key: Sha256, before?: number): readonly number[];
  /** Executions that had this file (or tree, or directory) among their inputs, after `from`, oldest first. */
  consumers(artifact: number, from: number, before?: number): readonly number[];
  /** Keys of outputs of an execution and of the files inside those that are trees. */
  outputsOf(seq: number): readonly number[];
  /** Records that brought a file in, newest first. */
  ingests(hash: Sha256, before?: number): readonly number[];
  /** Challenges of a travail, oldest first. */
  challengesOf(seq: number, before?: number): readonly number[];
  /** Rekor leaves that attest a statement, oldest first. */
  attestationsOf(statement: Sha256, before?: number): readonly number[];
  /** Records of hits that took the result of a travail for another action, newest first. */
  keptBy(seq: number, before?: number): readonly number[];
  /** Where a build begins and ends. */
  build(name: string): { readonly begin: number; readonly end: number | undefined } | undefined;
  /** Executions, failures left out; and those of them that were shown all they could see. */
  counts(before?: number): { readonly executions: number; readonly complete: number };
  /** Executions (no failures) whose sandbox did not enforce their inputs, oldest first. */
  incomplete(before?: number): Iterable<number>;
  /** Whether an execution made properties: variables, or images. */
  makesProperties(seq: number): boolean;
  /** Executions that did, oldest first. */
  propertyMakers(before?: number): readonly number[];
  /** Executions (no failures), oldest first. */
  executions(before?: number): Iterable<number>;
  /** Digests begin with this: outputs and inputs by their keys, at most `limit`. */
  artifactsBetween(from: number, to: number, limit: number): readonly number[];
  /** As it was when the ledger had `size` records. Closed with this one. */
  at(size: number): ProvIndex;
  close(): void;
}
