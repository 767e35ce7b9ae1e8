import { compareUtf8 } from "../base/index.ts";
import { type Answer, type Evidence, evidenceAt, type History, noAnswer } from "./evidence.ts";
import { choreKey } from "./long-lists.ts";
import type { WhyBody } from "./record.ts";
import type { ActionListing } from "./statement.ts";

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

/** How far back a failure is looked for: failures are not in the index. */
const FAILURE_REACH = 50_000;
const FAIL_KIND = Buffer.from('"kind":"fail"');

/** Why a chore was last executed. Asked by its label or by the path of an output. */
export function why(history: History, query: { readonly chore?: string; readonly path?: string }): Answer<WhyAnswer> {
  const { chore, path } = query;
  const indexed =
    chore === undefined
      ? history.index.producersOfPath(path ?? "", 1)[0]
      : history.index.history(choreKey(chore), 1)[0];
  const key = chore === undefined ? indexed?.chore : choreKey(chore);
  const failure = key === undefined ? undefined : newestFailure(history, key, indexed?.seq ?? -1);
  const execution = failure ?? (indexed && evidenceAt(history, indexed.seq));
  if (execution === undefined) return noAnswer(`no execution of ${chore ?? path ?? "that"} is recorded`);
  const { record, seq } = execution;
  const was = record.why.was ?? history.index.history(record.chore, 1_000).find((older) => older.seq < seq)?.seq;
  const previous = was === undefined || was >= seq ? undefined : evidenceAt(history, was);
  const changes = previous === undefined ? [] : executionChanges(previous, execution);
  return { found: true, answer: { execution, reason: record.why, previous, changes } };
}

/** Newest failure of a chore after record `after`. */
function newestFailure(history: History, chore: string, after: number): Evidence | undefined {
  const size = history.ledger.size();
  for (let to = size; to > after + 1 && size - to < FAILURE_REACH; ) {
    const from = Math.max(after + 1, to - 512);
    const rows = [...history.ledger.read(from, to)].reverse();
    for (const { seq, bytes } of rows) {
      if (!bytes.includes(FAIL_KIND)) continue;
      const record = history.ledger.record(seq);
      if (record?.kind === "fail" && record.chore === chore) return evidenceAt(history, seq);
    }
    to = from;
  }
  return undefined;
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
