import { digestOf, type Sha256, sha256 } from "../base/index.ts";
import type { RecordedOutput } from "../cache/index.ts";
import type { DescribedAction, ExecutionResult } from "../executor/index.ts";
import { isCacheable, pruneAction } from "../executor/index.ts";
import { type ReadySource, sourceUri } from "../hermetic/index.ts";
import {
  type Appended,
  type ArtifactColumns,
  adoptTravail,
  artifactManifests,
  type ChallengeFacts,
  choreKey,
  type Entry,
  type ExecBody,
  type ExecOutput,
  type Hit,
  hitsManifest,
  INLINE_LIMIT,
  type IngestBody,
  type ManifestBlob,
  readTravail,
  sandboxFacts,
  signChallenge,
  signExecution,
  usedManifest,
  type WhyBody,
} from "../provenance/index.ts";
import type { Decision } from "./events.ts";
import type { Place } from "./place.ts";
import type { BuildOptions, BuildRooms, Records } from "./rooms.ts";

/** How a chore that was planned came to its end; every one in exactly one. */
export interface Dispositions {
  exec: number;
  hit: number;
  fail: number;
  skip: number;
  settled: number;
}

export interface ExecutionReport {
  readonly dictum: string;
  readonly label: string;
  readonly described: DescribedAction;
  readonly result: ExecutionResult;
  readonly decision: Decision;
  readonly properties: Readonly<Record<string, string>>;
  readonly attempt: number;
  readonly cacheable: boolean;
  /** Where there was a farm to choose. */
  readonly place?: Place | undefined;
  /** Told what this machine signed. */
  readonly offer?: ((signed: ExecBody) => void) | undefined;
  /** Inputs the recipe read, sorted; absent where that is not known. */
  readonly used?: readonly string[] | undefined;
}

/** What `build.begin` says of what is intended. */
export interface PlanCommitment {
  readonly goal: readonly string[];
  /** How many chores, and `planRoot` of their labels. */
  readonly n: number;
  readonly root: Sha256;
}

/** Writes one build into the ledger: `build.begin` with its first entry, then what happens, then `build.end`. */
export class Recorder {
  readonly build: string;
  readonly #rooms: BuildRooms;
  readonly #options: BuildOptions;
  readonly #plan: () => PlanCommitment;
  /** By the action that was asked for. */
  readonly #hits = new Map<Sha256, Hit>();
  /** What hits on other actions need to be verified. */
  readonly #hitManifests: ManifestBlob[] = [];
  #records: Records | undefined;
  #begun: Promise<readonly Appended[]> | undefined;
  #failure: unknown;

  constructor(build: string, rooms: BuildRooms, options: BuildOptions, plan: () => PlanCommitment) {
    this.build = build;
    this.#rooms = rooms;
    this.#options = options;
    this.#plan = plan;
  }

  /** Opened at the first use: a build with nothing to look up does without. */
  async records(): Promise<Records> {
    this.#records ??= await this.#rooms.records();
    return this.#records;
  }

  get opened(): Records | undefined {
    return this.#records;
  }

  /** What went wrong when something was appended; the build cannot go on. */
  get failure(): unknown {
    return this.#failure;
  }

  /** @param now Does not wait for others to share its sync: somebody waits for this. */
  async #append(entries: Entry[], now = false): Promise<readonly Appended[]> {
    const { ledger } = await this.records();
    try {
      if (this.#begun === undefined) {
        const { goal, n, root } = this.#plan();
        const begin: Entry = {
          body: {
            kind: "build.begin",
            build: this.build,
            goal,
            plan: { n, root },
            vars: Object.fromEntries(
              Object.entries(this.#options.overrides).map(([name, value]) => [name, value.join(" ")]),
            ),
            who: this.#options.who,
          },
          manifests: [],
        };
        const both = ledger.append([begin, ...entries]);
        this.#begun = both.then((appended) => appended.slice(0, 1));
        this.#begun.catch(() => {});
        if (now) this.flush();
        return (await both).slice(1);
      }
      const appended = ledger.append(entries);
      if (now) this.flush();
      return await appended;
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }

  /** Resolves with the travail's place once it is durable. */
  async executed(report: ExecutionReport): Promise<Appended> {
    const records = await this.records();
    const { described, result, decision } = report;
    const failed = result.verdict !== "ok";
    // What was used again and then had to run after all counts as executed.
    this.#hits.delete(described.request.actionDigest.hash);
    const io = { out: this.#keep(result.stdout), err: this.#keep(result.stderr) };
    const used = usedFact(report);
    const why = { ...whyBody(decision), ...(report.place === undefined ? {} : { on: report.place.because }) };
    const facts = {
      build: this.build,
      action: described.request.actionDigest.hash,
      asize: described.request.actionDigest.sizeBytes,
      dictum: report.dictum,
      chore: report.label,
      image: described.listing.platform.find(([name]) => name === "container-image")?.[1] ?? "",
      in: { n: described.inputCount, root: described.inputRoot.hash },
      out: result.outputs.filter(({ path }) => !described.begatsOwn.includes(path)).map(outputBody),
      ...used?.fact,
      ...(Object.keys(report.properties).length === 0 ? {} : { props: report.properties }),
      io,
      exit: result.exitCode ?? -1,
      t0: result.startedAtMs,
      t1: result.finishedAtMs,
      ms: result.durationMs,
      rnode: result.elsewhere?.rnode ?? records.rnode,
      level: result.isolation.level,
      sandbox: sandboxFacts(result.isolation),
      ver: this.#options.version,
      why,
      attempt: report.attempt,
      ...foundElsewhere(report, this.build, records.ledger.origin),
    };
    const trees = this.#treeManifests(result.outputs);
    const proven = this.#proven(report, records, why);
    const body =
      proven ??
      (failed
        ? signExecution(
            { ...facts, kind: "fail" as const, verdict: result.verdict, detail: result.detail },
            described.listing,
            records.ledger.origin,
            records.signer,
          )
        : signExecution(
            { ...facts, kind: "exec" as const, cacheable: report.cacheable && isCacheable(result) },
            described.listing,
            records.ledger.origin,
            records.signer,
          ));
    if (proven === undefined && body.kind === "exec") report.offer?.(body);
    const lists = used === undefined ? [] : [used.manifest];
    const [appended] = await this.#append([{ body, manifests: [...described.manifests, ...trees, ...lists] }]);
    return appended as Appended;
  }

  /** What an rnode signed, as a record of this ledger; `undefined` where nobody did, or where begat judged otherwise. */
  #proven({ described, result, label, dictum, attempt }: ExecutionReport, records: Records, why: WhyBody) {
    const { travail, cached = false } = result.elsewhere ?? {};
    if (travail === undefined) return undefined;
    const signed = readTravail(travail.body);
    if ((signed.kind === "exec") !== (result.verdict === "ok")) return undefined;
    const here = { log: records.ledger.origin, build: this.build, chore: label, dictum, attempt };
    // Counts are not signed: these are as every other record of this ledger has them.
    const own = {
      asize: described.request.actionDigest.sizeBytes,
      in: { n: described.inputCount, root: described.inputRoot.hash },
    };
    return { ...adoptTravail(signed, travail.log, here, why, cached), ...own };
  }

  /** A travail of this build was checked by executing it again. */
  async challenged(facts: Omit<ChallengeFacts, "build" | "rnode">): Promise<Appended> {
    const { ledger, signer, rnode } = await this.records();
    const body = signChallenge({ ...facts, build: this.build, rnode }, ledger.origin, signer);
    const [appended] = await this.#append([{ body, manifests: [] }]);
    return appended as Appended;
  }

  /** Has what was appended made durable at once. What goes wrong shows where it was appended. */
  flush(): void {
    this.#records?.ledger.flush().catch(() => {});
  }

  /** @param of What the result is a result of, where that is another action: one that differs in unused inputs alone. */
  hit({ request, manifests }: DescribedAction, seq: number, of?: Sha256): void {
    const asked = request.actionDigest.hash;
    if (of === undefined || of === asked) this.#hits.set(asked, { action: asked, seq });
    else {
      this.#hits.set(asked, { action: of, for: asked, seq });
      this.#hitManifests.push(...manifests);
    }
  }

  /** Whether this build has written anything or has hits to write. */
  get hasNews(): boolean {
    return this.#begun !== undefined || this.#hits.size > 0;
  }

  async ingested(sources: readonly ReadySource[]): Promise<void> {
    await this.entered(
      sources.map(({ lock }) => ({
        kind: "ingest" as const,
        name: lock.name,
        uri: sourceUri(lock),
        version: lock.version,
        files: lock.files.map((file) => ({ p: file.name, d: file.sha256, n: file.sizeBytes })),
        tree: lock.tree,
        by: this.#options.who,
      })),
    );
  }

  /** Outside inputs that came in, however they did. */
  async entered(bodies: readonly IngestBody[]): Promise<void> {
    if (bodies.length === 0) return;
    const entries = bodies.map((body) => ({ body, manifests: [] }));
    await this.#append(entries, true);
  }

  async end(
    n: Dispositions,
    outcome: "ok" | "failed" | "cancelled",
    artifacts: ArtifactColumns | undefined,
  ): Promise<void> {
    const hits: Entry[] = [];
    if (this.#hits.size > 0) {
      const { n: count, manifest } = hitsManifest([...this.#hits.values()]);
      const manifests = [manifest, ...this.#hitManifests];
      hits.push({ body: { kind: "hits", build: this.build, n: count, root: manifest.hash }, manifests });
    }
    if (this.#begun === undefined) await this.#append(hits.splice(0), true);
    const begin = (await this.#begun)?.[0]?.seq ?? 0;
    await this.#append([...hits, this.#endEntry(begin, n, outcome, artifacts)], true);
  }

  #endEntry(
    begin: number,
    n: Dispositions,
    outcome: "ok" | "failed" | "cancelled",
    columns: ArtifactColumns | undefined,
  ): Entry {
    const body = { kind: "build.end" as const, build: this.build, begin, n: { ...n }, outcome };
    if (columns === undefined) return { body: { ...body, artifacts: [] }, manifests: [] };
    const { list, parts } = artifactManifests(columns);
    const count = columns.ids.length;
    if (count <= INLINE_LIMIT)
      return { body: { ...body, artifacts: JSON.parse(list.bytes.toString()) as [] }, manifests: [] };
    return { body: { ...body, artifacts: [], more: { n: count, root: list.hash } }, manifests: [...parts, list] };
  }

  #keep(bytes: Buffer): Sha256 {
    if (bytes.length === 0) return EMPTY;
    return this.#rooms.blobs.write(bytes, digestOf(bytes)).hash;
  }

  /** The list of files of a tree must outlive the cache: without it the record could not be verified. */
  #treeManifests(outputs: readonly RecordedOutput[]): ManifestBlob[] {
    return outputs
      .filter(({ kind, digest }) => kind === "tree" && digest.sizeBytes > 0)
      .map(({ digest }) => ({ hash: digest.hash, bytes: this.#rooms.blobs.read(digest) }));
  }
}

const EMPTY = sha256("");

/** A result of before that nobody signed is still a hit in the books. */
function foundElsewhere({ result, label, dictum, attempt }: ExecutionReport, build: string, log: string) {
  const { cached = false, travail } = result.elsewhere ?? {};
  if (!cached || travail !== undefined) return {};
  return { from: { log, build, chore: choreKey(label), dictum, attempt, cached } };
}

/** What the record says of the inputs that were read, with the list it names. */
function usedFact({ used, described }: ExecutionReport) {
  if (used === undefined) return undefined;
  const blobs = new Map(described.manifests.map(({ hash, bytes }) => [hash, bytes]));
  const key = pruneAction(described.request.actionDigest.hash, new Set(used), (hash) => blobs.get(hash));
  if (key === undefined) return undefined;
  const manifest = usedManifest(used);
  return { fact: { used: { n: used.length, root: manifest.hash, key } }, manifest };
}

function outputBody({ path, kind, digest, executable, target }: RecordedOutput): ExecOutput {
  const base = { p: path, d: digest.hash, n: digest.sizeBytes };
  if (kind === "tree") return { ...base, m: "t" };
  if (kind === "symlink") return { ...base, m: "l", l: target ?? "" };
  return executable ? { ...base, m: "x" } : base;
}

/** The decision as the ledger keeps it. */
export function whyBody(decision: Decision): WhyBody {
  const was = "was" in decision && decision.was !== undefined ? { was: decision.was } : {};
  switch (decision.reason) {
    case "input changed":
      return { r: decision.reason, ...was, what: decision.input, from: decision.from, to: decision.to };
    case "image changed":
      return { r: decision.reason, ...was, from: decision.from, to: decision.to };
    case "variable changed":
      return { r: decision.reason, ...was, what: decision.name, from: decision.from, to: decision.to };
    case "declaration changed":
      return { r: decision.reason, ...was, what: decision.what };
    case "evicted":
      return { r: decision.reason, what: decision.output };
    case "untrusted":
    case "quarantined":
      return { r: decision.reason, what: decision.because };
    default:
      return { r: decision.reason, ...was };
  }
}
