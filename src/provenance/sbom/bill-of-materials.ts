import { compareUtf8, type Sha256 } from "../../base/index.ts";
import { type Answer, type Evidence, type History, noAnswer } from "../questions/evidence.ts";
import { type ImageMaking, ImageMakings } from "../questions/image-makings.ts";
import { isOwnList } from "../questions/own-file.ts";
import {
  type ArtifactQuery,
  newestMaking,
  type Origin,
  OriginFinder,
  unknownArtifact,
} from "../questions/prov-show.ts";
import { builderId, isComplete } from "../statement.ts";
import type { Bill, BillPart, BillRecord, BillStep } from "./bill.ts";
import { FetchedSources } from "./fetched-sources.ts";
import { imagePackage, type PackageName, packageName } from "./purl.ts";

/** What stands in place of an image where begat itself makes one. */
const IMAGES_ARE_MADE_BY = "begat:hermetic";

/** Everything an artifact was made from, and in what, to the sources and packages. */
export function billOfArtifact(history: History, query: ArtifactQuery): Answer<Bill> {
  const making = newestMaking(history, query);
  if (making === undefined) return unknownArtifact(history, query);
  const { evidence, output } = making;
  if (evidence.listing === undefined) {
    return noAnswer(`record ${evidence.seq} names this artifact, but does not hold: ${evidence.because}`);
  }
  const collector = new Collector(history);
  const subject = collector.made(evidence, output.p, output.d, output.m === "t");
  return { found: true, answer: collector.finish(subject, evidence) };
}

/** What an image consists of: packages, files and bases. @param name Its name, or its config digest. */
export function billOfImage(history: History, name: string): Answer<Bill> {
  const images = new ImageMakings(history);
  const digest = name.replace(/^sha256:/, "");
  const making = images.newest(name.replace(/^image\((.*)\)$/s, "$1")) ?? images.of(digest as Sha256);
  if (making === undefined) return noAnswer(`no record made an image ${name}`);
  if (making.evidence.listing === undefined) {
    return noAnswer(`record ${making.evidence.seq} made image ${name}, but does not hold: ${making.evidence.because}`);
  }
  const collector = new Collector(history, images);
  return { found: true, answer: collector.finish(collector.image(making), making.evidence) };
}

class Collector {
  readonly #history: History;
  readonly #images: ImageMakings;
  readonly #origins: OriginFinder;
  readonly #sources: FetchedSources;
  readonly #parts = new Map<string, BillPart>();
  readonly #outputs = new Map<number, Set<string>>();
  readonly #evidence = new Map<number, Evidence>();
  readonly #waiting: Evidence[] = [];
  readonly #gaps = new Set<string>();

  constructor(history: History, images = new ImageMakings(history)) {
    this.#history = history;
    this.#images = images;
    this.#origins = new OriginFinder(history);
    this.#sources = new FetchedSources(history);
  }

  /** Takes in something an execution made, and the execution. */
  made(evidence: Evidence, path: string, digest: Sha256, tree: boolean): string {
    const { seq, leaf } = evidence;
    const id = this.#take({
      id: `file:${digest}:${path}`,
      kind: "file",
      name: path,
      ...(tree ? { tree: digest } : { sha256: digest }),
      files: [],
      from: "built",
      record: { seq, leaf },
    });
    this.#reach(evidence, id);
    return id;
  }

  image({ evidence, digest, name }: ImageMaking): string {
    const { seq, leaf } = evidence;
    const id = this.#take({
      id: `image:${digest}`,
      kind: "image",
      name,
      sha256: digest,
      files: [],
      from: "built",
      record: { seq, leaf },
    });
    this.#reach(evidence, id);
    return id;
  }

  finish(subject: string, top: Evidence): Bill {
    const steps: BillStep[] = [];
    for (let evidence = this.#waiting.pop(); evidence !== undefined; evidence = this.#waiting.pop()) {
      steps.push(this.#step(evidence));
    }
    return {
      subject,
      parts: [...this.#parts.values()].sort((a, b) => compareUtf8(orderOf(a), orderOf(b))),
      steps: steps
        .map((step) => ({ ...step, outputs: sorted(this.#outputs.get(step.seq) ?? []) }))
        .sort((a, b) => a.seq - b.seq),
      ledger: this.#history.ledger.identity,
      origin: this.#history.ledger.origin,
      atMs: top.record.t1,
      gaps: sorted(this.#gaps),
    };
  }

  #step(evidence: Evidence): BillStep {
    const { seq, leaf, record, listing, because } = evidence;
    if (listing === undefined) this.#gaps.add(`record ${seq} (${record.chore}) does not hold: ${because}`);
    // What begat does itself, such as making an image, runs no recipe that could see more.
    else if (!isComplete(record)) this.#gaps.add(`record ${seq} (${record.chore}) may have seen more than it declared`);
    const inputs: string[] = [];
    for (const { path, digest } of listing?.inputs ?? []) {
      if (isOwnList(path)) continue;
      const origin = this.#origins.find(path, digest, seq);
      inputs.push(this.#input(path, digest, origin, record.image === IMAGES_ARE_MADE_BY));
      const source = origin.kind === "source" ? this.#sources.of(path, seq) : undefined;
      if (source !== undefined) inputs.push(this.#package(source));
    }
    const surroundings = this.#surroundings(record.image);
    return {
      seq,
      leaf,
      chore: record.chore,
      action: record.action,
      builder: builderId(record),
      startMs: record.t0,
      endMs: record.t1,
      inputs: sorted(inputs),
      outputs: [],
      ...(surroundings === undefined ? {} : { surroundings }),
    };
  }

  #input(path: string, digest: Sha256, origin: Origin, ofImage: boolean): string {
    // Named by the record that made the image: a package may have come in for another ledger of this user.
    const named = ofImage && origin.kind !== "execution" ? imagePackage(path) : undefined;
    if (named !== undefined) return this.#received(named, digest, origin.kind === "ingest" ? origin : undefined);
    switch (origin.kind) {
      case "execution":
        // Of a tree some files may be used: each is a part, made by what made the tree.
        return this.made(origin.making.evidence, path, digest, false);
      case "ingest":
        return this.#package(origin);
      case "source":
        return this.#take({
          id: `file:${digest}:${path}`,
          kind: "file",
          name: path,
          sha256: digest,
          files: [],
          from: "source",
        });
    }
  }

  #received({ name, version, purl }: PackageName, sha256: Sha256, record: BillRecord | undefined): string {
    return this.#take({
      id: `package:${sha256}:${purl}`,
      kind: "package",
      name,
      version,
      purl,
      sha256,
      files: [],
      from: "ingested",
      ...(record === undefined ? {} : { record: { seq: record.seq, leaf: record.leaf } }),
    });
  }

  #package({ seq, leaf, record }: Extract<Origin, { kind: "ingest" }>): string {
    const [only, ...others] = record.files;
    const sha256 = others.length === 0 ? only?.d : undefined;
    const { name, version, purl } = packageName(record.uri, record.version, record.name, sha256);
    return this.#take({
      // A package of one version may be received in other bytes.
      id: `package:${sha256 ?? record.tree ?? leaf}:${purl}`,
      kind: "package",
      name,
      version,
      purl,
      ...(sha256 === undefined ? {} : { sha256 }),
      files: others.length === 0 ? [] : record.files.map(({ p, d }) => ({ name: p, sha256: d })),
      from: "ingested",
      record: { seq, leaf },
    });
  }

  #surroundings(image: string): string | undefined {
    if (image.startsWith("begat:")) return undefined;
    const [, digest] = /(?:^|[:@])([0-9a-f]{64})$/.exec(image) ?? [];
    const making = digest === undefined ? undefined : this.#images.of(digest as Sha256);
    if (making !== undefined) return this.image(making);
    const host = /^(begat-)?host:/.test(image);
    this.#gaps.add(
      host
        ? "tools of the machine took part, which are known by one digest only"
        : `no record says what image ${image} holds`,
    );
    return this.#take({
      id: `${host ? "host" : "image"}:${digest ?? image}`,
      kind: host ? "host" : "image",
      name: image,
      ...(digest === undefined || host ? {} : { sha256: digest as Sha256 }),
      files: [],
      from: "ingested",
    });
  }

  #take(part: BillPart): string {
    if (!this.#parts.has(part.id)) this.#parts.set(part.id, part);
    return part.id;
  }

  #reach(evidence: Evidence, output: string): void {
    if (!this.#evidence.has(evidence.seq)) {
      this.#evidence.set(evidence.seq, evidence);
      this.#outputs.set(evidence.seq, new Set());
      this.#waiting.push(evidence);
    }
    this.#outputs.get(evidence.seq)?.add(output);
  }
}

/** For whoever reads it: like beside like, by name. */
const orderOf = ({ kind, name, id }: BillPart): string => `${kind} ${name} ${id}`;

const sorted = (ids: Iterable<string>): string[] => [...new Set(ids)].sort(compareUtf8);
