import { compareUtf8 } from "../../base/index.ts";
import { choreKey } from "../long-lists.ts";
import type { WhyBody } from "../record.ts";
import type { ActionListing } from "../statement.ts";
import { type Answer, type Evidence, evidenceAt, type History, noAnswer } from "./evidence.ts";

/** One thing that differs between two executions. */
export interface Change {
  readonly field:
    | "input"
    | "variable"
    | "recipe"
    | "interpreter"
    | "image"
    | "output"
    | "platform"
    | "directory"
    | "begat";
  /** Path or variable; empty where the field has no names. */
  readonly name: string;
  /** `undefined`: it was not there. */
  readonly from: string | undefined;
  readonly to: string | undefined;
}

export interface WhyAnswer {
  /** The newest execution, failed ones included. */
  readonly execution: Evidence;
  /** As decided then. */
  readonly reason: WhyBody;
  /** What it is compared with: the execution the decision named, else the one before. */
  readonly previous: Evidence | undefined;
  /** Everything that differs, not only what the decision named. */
  readonly changes: readonly Change[];
}

/** Executions of one chore looked through for the one before. */
const REACH = 64;

/** Why a chore was last executed. Asked by its label or by the path of an output. */
export function why(history: History, query: { readonly chore?: string; readonly path?: string }): Answer<WhyAnswer> {
  const { chore, path } = query;
  const key = chore === undefined ? choreOfPath(history, path ?? "") : choreKey(chore);
  const execution = key === undefined ? undefined : newestOf(history, key);
  if (execution === undefined) return noAnswer(`no execution of ${chore ?? path ?? "that"} is recorded`);
  return { found: true, answer: explain(history, execution) };
}

/** The chore that made what stands at a path; by its label, under which its failures stand too. */
function choreOfPath(history: History, path: string): string | undefined {
  for (const seq of history.index.producersOfPath(path, REACH)) {
    const record = evidenceAt(history, seq)?.record;
    if (record?.out.some(({ p }) => p === path)) return record.chore;
  }
  return undefined;
}

function newestOf(history: History, chore: string, kind?: "exec", before?: number): Evidence | undefined {
  for (const seq of history.index.executionsOf(chore, REACH, before)) {
    const evidence = evidenceAt(history, seq);
    if (evidence?.record.chore === chore && (kind === undefined || evidence.record.kind === kind)) return evidence;
  }
  return undefined;
}

function explain(history: History, execution: Evidence): WhyAnswer {
  const { record, seq } = execution;
  const { was } = record.why;
  const named = was !== undefined && was < seq ? evidenceAt(history, was) : undefined;
  const previous = named ?? newestOf(history, record.chore, "exec", seq);
  const changes = previous === undefined ? [] : executionChanges(previous, execution);
  return { execution, reason: record.why, previous, changes };
}

export interface WhyRebuiltOptions {
  /** Executions from this record on; absent: all. */
  readonly since?: number;
  /** Executions at most. */
  readonly limit: number;
}

/** Why each chore of a dictum (or one chore, by its label) was executed, again and again; newest first. */
export function whyRebuilt(history: History, about: string, options: WhyRebuiltOptions): Answer<readonly WhyAnswer[]> {
  const { since = 0, limit } = options;
  const chores = about.includes("(") ? [choreKey(about)] : history.index.choresOf(about, 100_000);
  const found: { readonly seq: number; readonly chore: string }[] = [];
  for (const chore of chores) {
    for (const seq of history.index.executionsOf(chore, limit)) if (seq >= since) found.push({ seq, chore });
  }
  found.sort((a, b) => b.seq - a.seq);
  const answers: WhyAnswer[] = [];
  for (const { seq, chore } of found.slice(0, limit)) {
    const execution = evidenceAt(history, seq);
    if (execution?.record.chore === chore) answers.push(explain(history, execution));
  }
  if (answers.length > 0) return { found: true, answer: answers };
  if (chores.length > 0) return noAnswer(`nothing of ${about} was executed since record ${since}`);
  return noAnswer(`no execution of ${about} is recorded`);
}

/** What differs between two executions, field by field: what went in, then what came out. */
export function executionChanges(before: Evidence, after: Evidence): readonly Change[] {
  const changes: Change[] = [];
  const differ = (field: Change["field"], name: string, from: string | undefined, to: string | undefined): void => {
    if (from !== to) changes.push({ field, name, from, to });
  };
  differ("image", "", before.record.image, after.record.image);
  if (before.listing !== undefined && after.listing !== undefined)
    listingChanges(before.listing, after.listing, differ);
  if (changes.length === 0) differ("begat", "", before.record.ver, after.record.ver);
  const outputs = (evidence: Evidence) => new Map(evidence.record.out.map(({ p, d }) => [p, d as string]));
  if (after.record.kind === "exec" && before.record.kind === "exec") {
    byName(outputs(before), outputs(after), (name, from, to) => differ("output", name, from, to));
  }
  return changes;
}

type Differ = (field: Change["field"], name: string, from: string | undefined, to: string | undefined) => void;

function listingChanges(before: ActionListing, after: ActionListing, differ: Differ): void {
  const recipes = [recipePath(before), recipePath(after)];
  const files = (listing: ActionListing) => new Map(listing.inputs.map(({ path, digest }) => [path, digest as string]));
  differ("directory", "", before.directory, after.directory);
  differ("interpreter", "", before.argv.slice(0, -1).join(" "), after.argv.slice(0, -1).join(" "));
  byName(files(before), files(after), (name, from, to) => {
    differ(recipes.includes(name) ? "recipe" : "input", recipes.includes(name) ? "" : name, from, to);
  });
  byName(new Map(before.env), new Map(after.env), (name, from, to) => differ("variable", name, from, to));
  byName(new Map(before.platform), new Map(after.platform), (name, from, to) => {
    // The image is a platform property; it has its own line.
    if (name !== "container-image") differ("platform", name, from, to);
  });
}

/** The recipe is the last argument, a path as seen from the working directory. */
function recipePath({ argv, directory }: ActionListing): string {
  const segments = directory === "" ? [] : directory.split("/");
  for (const segment of (argv[argv.length - 1] ?? "").split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "." && segment !== "") segments.push(segment);
  }
  return segments.join("/");
}

function byName(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  each: (name: string, from: string | undefined, to: string | undefined) => void,
): void {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort(compareUtf8);
  for (const name of names) each(name, before.get(name), after.get(name));
}
