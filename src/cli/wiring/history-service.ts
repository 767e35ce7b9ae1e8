import { join } from "node:path/posix";
import {
  BegatError,
  digestOf,
  parseSha256,
  parseWorkspacePath,
  type Sha256,
  type WorkspacePath,
} from "../../base/index.ts";
import { isOwnFile, OWN_VARIABLES } from "../../executor/index.ts";
import {
  type Answer,
  type ArtifactQuery,
  provShow as askShow,
  provTree as askTree,
  why as askWhy,
  type Change,
  digestsStarting,
  type Evidence,
  type ExecOutput,
  evidenceAt,
  type History,
  historyAt,
  type Ledger,
  type LedgerRecord,
  ledgerLog,
  newestMaking,
  type Origin,
  otherPins,
  provSources,
  type ProvNode as RecordedNode,
  readKeyHistory,
  usedBy,
  type WhyBody,
  witnessNames,
} from "../../provenance/index.ts";
import type {
  ChangeView,
  ExecutionView,
  LogRequest,
  LogView,
  OutputView,
  Proven,
  ProvNode,
  ProvRequest,
  ProvTreeRequest,
  ProvView,
  WhyView,
  WorkspaceOptions,
} from "../services.ts";
import { controlLine } from "./control-line.ts";
import { openHistory } from "./history.ts";
import { keptResult } from "./kept-result.ts";
import type { Machine } from "./machine.ts";

const iso = (ms: number): string => new Date(ms).toISOString();

function outputView(output: ExecOutput): OutputView {
  const kind = output.m === "t" ? "tree" : output.m === "l" ? "symlink" : output.m === "x" ? "executable" : "file";
  return { path: output.p, hash: output.d, sizeBytes: output.n, kind };
}

/** `input changed: include/x.h (3f2a… -> 9c41…)`. */
export function whyText(why: WhyBody): string {
  const short = (text: string): string => (parseSha256(text) ? `${text.slice(0, 12)}` : text);
  const what = why.what === undefined ? "" : `: ${why.what}`;
  const change = why.from === undefined || why.to === undefined ? "" : ` (${short(why.from)} -> ${short(why.to)})`;
  return `${why.r}${what}${change}`;
}

function executionView(evidence: Evidence): ExecutionView {
  const { record, seq, leaf, signature } = evidence;
  return {
    seq,
    leaf,
    kind: record.kind,
    build: record.build,
    chore: record.chore,
    action: record.action,
    image: record.image,
    rnode: record.rnode,
    level: record.level,
    exit: record.exit,
    detail: record.kind === "fail" ? `${record.verdict}: ${record.detail}` : undefined,
    startedAt: iso(record.t0),
    durationMs: record.ms,
    why: whyText(record.why),
    on: record.why.on,
    outputs: record.out.map(outputView),
    signature: signature === "holds" ? "holds" : signature === "unendorsed-key" ? "unknown key" : "broken",
  };
}

const proven = <A, B>(answer: Answer<A>, view: (value: A) => B): Proven<B> =>
  answer.found ? { found: true, answer: view(answer.answer) } : answer;

/** A path as the user wrote it, from where the user stands; else as it is. */
function pathIn(machine: Machine, directory: string, begatfiles: readonly string[], text: string): string {
  try {
    const workspace = machine.workspace(directory, begatfiles);
    const parsed = parseWorkspacePath(text, workspace.directory as WorkspacePath);
    return parsed.ok ? parsed.path : text;
  } catch {
    return text;
  }
}

export async function why(machine: Machine, options: WorkspaceOptions, about: string): Promise<Proven<WhyView>> {
  const history = await openHistory(machine);
  const path = pathIn(machine, options.directory, options.begatfiles, about);
  const isChore = history.index.executionsOf(about, 1).length > 0 || about.includes("(");
  const answer = askWhy(history, isChore ? { chore: about } : { path });
  return proven(answer, ({ execution, reason, previous, changes }) => ({
    execution: executionView(execution),
    reason: whyText(reason),
    previous: previous && { seq: previous.seq, leaf: previous.leaf, startedAt: iso(previous.record.t0) },
    changes: changeViews(changes),
    kept: keptResult(history, execution),
    now: undefined,
  }));
}

/** Differences in the words of the begatfile, without what is begat's own. */
export function changeViews(changes: readonly Change[]): ChangeView[] {
  return changes
    .filter(({ field, name }) => !(field === "variable" && OWN_VARIABLES.has(name)))
    .map(({ field, name, from, to }) => ({
      field: field === "interpreter" || field === "begat" ? "recipe" : field,
      name: field === "interpreter" || field === "begat" ? field : name,
      from,
      to,
    }));
}

export async function log(machine: Machine, request: LogRequest): Promise<LogView> {
  const history = await openHistory(machine);
  const { ledger } = history;
  const about = request.about === undefined ? undefined : pathIn(machine, request.directory, [], request.about);
  const found = ledgerLog(ledger, request.limit, {
    ...(about === undefined ? {} : { about }),
    kinds: request.kinds,
  });
  // A question about one thing is answered with its newest execution whole, what it printed included.
  const newest = found.findLast(({ record }) => record.kind === "exec" || record.kind === "fail");
  const evidence = newest !== undefined && about !== undefined ? evidenceAt(history, newest.seq) : undefined;
  return {
    lines: found.map(({ seq, leaf, record }) => ({
      seq,
      leaf,
      time: record.time,
      kind: record.kind,
      ...lineOf(record),
    })),
    execution: evidence && executionView(evidence),
    printed: evidence && printedBy(machine, evidence),
    ledgerSize: ledger.size(),
  };
}

/** What a recipe printed, as kept; `undefined` where the store has let it go. */
function printedBy(machine: Machine, { record }: Evidence): LogView["printed"] {
  const blobs = machine.blobs(undefined);
  const text = (hash: Sha256): string => {
    const size = machine.fs.stat(blobs.layout.blob(hash))?.sizeBytes;
    if (hash === digestOf("").hash) return "";
    return size === undefined ? "(no longer in the cache)\n" : blobs.read({ hash, sizeBytes: size }).toString();
  };
  return { stdout: text(record.io.out), stderr: text(record.io.err) };
}

function lineOf(record: LedgerRecord): { subject: string; detail: string } {
  switch (record.kind) {
    case "genesis":
      return { subject: record.cluster, detail: `${record.keys.length} keys` };
    case "build.begin":
      return {
        subject: record.goal.join(" "),
        detail: `build ${record.build}, ${record.plan.n} chores, by ${record.who}`,
      };
    case "exec":
      return { subject: record.chore, detail: `${(record.ms / 1000).toFixed(2)}s, ${whyText(record.why)}` };
    case "fail":
      return { subject: record.chore, detail: `${record.detail} after ${(record.ms / 1000).toFixed(2)}s` };
    case "hits":
      return { subject: `build ${record.build}`, detail: `${record.n} results used again` };
    case "build.end": {
      const { exec, hit, fail, skip, settled } = record.n;
      const counts = `${exec} executed, ${hit} cached, ${fail} failed, ${skip} skipped, ${settled} unchanged`;
      return { subject: `build ${record.build}`, detail: `${record.outcome}: ${counts}` };
    }
    case "challenge":
      return { subject: record.chore, detail: `record ${record.of} checked: ${record.verdict}` };
    case "ingest":
      return { subject: record.name, detail: `${record.uri} ${record.version}` };
    default:
      return controlLine(record);
  }
}

async function historyFor(machine: Machine, request: ProvRequest): Promise<History> {
  const history = await openHistory(machine);
  if (request.at === undefined) return history;
  const { sizeOf } = await import("./question-service.ts");
  return historyAt(history, sizeOf(history, request.at));
}

export class AmbiguousDigestError extends BegatError<"DIGEST_AMBIGUOUS"> {}

/** Digits that may be the beginning of a digest: fewer are too often a word. */
const BEGINNING = /^[0-9a-f]{8,63}$/;

/**
 * Digest of what the user asks about: as written, of the file in the checkout, or the one that begins so.
 *
 * @throws {AmbiguousDigestError} where several begin so.
 */
export function artifactQuery(
  machine: Machine,
  request: ProvRequest,
  history: History,
): { path?: string; digest?: Sha256; inCheckout: Sha256 | undefined } {
  const word = request.artifact.replace(/^sha256:/, "");
  const asDigest = parseSha256(word);
  if (asDigest !== undefined) return { digest: asDigest, inCheckout: undefined };
  const path = pathIn(machine, request.directory, [], request.artifact);
  const inCheckout = checkoutHash(machine, request.directory, path);
  if (inCheckout !== undefined || !BEGINNING.test(word)) return { path, inCheckout };
  const [digest, ...others] = digestsStarting(history, word);
  if (others.length > 0) {
    const all = [digest, ...others].map((one) => one?.slice(0, 16));
    throw new AmbiguousDigestError("DIGEST_AMBIGUOUS", `${word} begins ${all.length} digests: ${all.join(", ")}`, {
      hint: "write more of its digits",
    });
  }
  return digest === undefined ? { path, inCheckout } : { digest, inCheckout };
}

/**
 * What is asked about: the bytes in the checkout where the ledger knows them, else the newest of that name. With nothing
 * made of that name either it is these bytes: they may be known as a source.
 *
 * @throws {AmbiguousDigestError} as `artifactQuery`.
 */
export function namedArtifact(
  machine: Machine,
  history: History,
  { directory }: { readonly directory: string },
  artifact: string,
): ArtifactQuery & { readonly inCheckout: Sha256 | undefined } {
  const named = artifactQuery(machine, { directory, artifact }, history);
  if (named.inCheckout === undefined) return named;
  const here = { ...named, digest: named.inCheckout };
  return newestMaking(history, here) === undefined && newestMaking(history, named) !== undefined ? named : here;
}

function checkoutHash(machine: Machine, directory: string, path: string): Sha256 | undefined {
  try {
    const { root } = machine.workspace(directory, []);
    const full = join(root, path);
    return machine.fs.stat(full)?.kind === "file" ? digestOf(machine.fs.readFile(full)).hash : undefined;
  } catch {
    return undefined;
  }
}

export async function provShow(machine: Machine, request: ProvRequest): Promise<Proven<ProvView>> {
  const history = await historyFor(machine, request);
  const { inCheckout, ...asked } = namedArtifact(machine, history, request, request.artifact);
  return proven(askShow(history, asked), ({ path, digest, making, inputs }) => {
    const { evidence } = making;
    const used = usedBy(evidence.record, history.ledger);
    return {
      path,
      hash: digest,
      checkout: inCheckout === undefined ? "absent" : inCheckout === digest ? "same" : "different",
      execution: executionView(evidence),
      slsa: SLSA_LEVEL,
      witnesses: witnessesOf(machine, history.ledger, evidence.seq),
      recipe: recipeText(history, evidence),
      argv: evidence.listing?.argv ?? [],
      env: evidence.listing?.env ?? [],
      inputs: inputs.map((input) => ({
        path: input.path,
        hash: input.digest,
        madeBy: input.madeBy,
        used: used && (isOwnFile(input.path) || used.has(input.path)),
      })),
    };
  });
}

/** "Hosted" is what the second level asks for, and a ledger of one user on one machine is not (slsa.dev, Build levels). */
const SLSA_LEVEL = "SLSA_BUILD_LEVEL_1";

/** Whoever else can tell when the record is changed or goes: witnesses by name, and pins that came from elsewhere. */
function witnessesOf(machine: Machine, ledger: Ledger, seq: number): readonly string[] {
  const { stateHome, cacheHome } = machine.directories;
  const pins = otherPins(machine.fs, stateHome, cacheHome, ledger.identity).flatMap(({ path, imported, read }) =>
    imported && read.state === "present" && read.pin.size > seq ? [path] : [],
  );
  const entries = readKeyHistory(ledger)
    .keys()
    .map(({ entry }) => entry);
  // Few ledgers have any, and one of many builds has many checkpoints.
  if (!entries.some(({ role }) => role === "witness")) return pins;
  const cosigned = ledger.checkpoints().filter(({ size }) => size > seq);
  return [...new Set([...pins, ...cosigned.flatMap(({ note }) => witnessNames(note, entries))])];
}

function recipeText(history: History, evidence: Evidence): string {
  const recipe = evidence.listing?.inputs.find(({ path }) => path === ".begat/recipe");
  return (recipe && history.ledger.manifest(recipe.digest)?.toString()) ?? "";
}

export async function provTree(machine: Machine, request: ProvTreeRequest): Promise<Proven<ProvNode>> {
  const history = await historyFor(machine, request);
  const options = request.depth === undefined ? {} : { depth: request.depth };
  return proven(askTree(history, namedArtifact(machine, history, request, request.artifact), options), (root) => {
    if (!request.sourcesOnly) return treeView(root);
    return { ...nodeView(root), inputs: provSources(root).map((source) => ({ ...nodeView(source), inputs: [] })) };
  });
}

/** begat's own lists and recipes are inputs too, but nobody asks where those came from. */
const isOwn = (path: string): boolean => /^\.begat\/(recipe|in|out)$/.test(path);

function nodeView(node: RecordedNode): Omit<ProvNode, "inputs"> & { inputs: ProvNode[] } {
  return { path: node.path, hash: node.digest, origin: originView(node.origin), inputs: [], repeated: node.repeated };
}

/** Without recursion: a chain of thousands of executions is deeper than the stack. */
function treeView(root: RecordedNode): ProvNode {
  const top = nodeView(root);
  const waiting = [{ from: root, to: top }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const input of next.from.inputs) {
      if (isOwn(input.path)) continue;
      const view = nodeView(input);
      next.to.inputs.push(view);
      waiting.push({ from: input, to: view });
    }
  }
  return top;
}

function originView(origin: Origin): ProvNode["origin"] {
  if (origin.kind === "source") return { kind: "source" };
  if (origin.kind === "ingest") return { kind: "ingest", seq: origin.seq, name: origin.record.name };
  const { evidence } = origin.making;
  return { kind: "execution", seq: evidence.seq, chore: evidence.record.chore, level: evidence.record.level };
}
