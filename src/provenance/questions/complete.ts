import type { Sha256 } from "../../base/index.ts";
import { BuildAccounts } from "../build-accounts.ts";
import { sawOnlyRecorded } from "./affected.ts";
import { type Answer, type Evidence, type History, leafAt, noAnswer } from "./evidence.ts";
import { ImageMakings } from "./image-makings.ts";
import { isOwnList } from "./own-file.ts";
import type { ArtifactQuery } from "./prov-show.ts";
import { type ProvNode, provTree } from "./prov-tree.ts";

export interface BuildCompleteness {
  readonly build: string;
  readonly begin: { readonly seq: number; readonly leaf: Sha256 };
  /** `undefined`: it never ended. */
  readonly end: { readonly seq: number; readonly leaf: Sha256 } | undefined;
  readonly planned: number;
  /** Its records; every one was read and matches its leaf hash. */
  readonly records: number;
  /** What does not add up; empty: each planned chore has exactly one end. */
  readonly holes: readonly { readonly seq: number; readonly problem: string }[];
}

/** Whether the books of a build balance: all that `build.begin` committed to must have come to one end. */
export function completeBuild(history: History, build: string): Answer<BuildCompleteness> {
  const { ledger, index } = history;
  const place = index.build(build);
  const began = place && ledger.record(place.begin);
  if (place === undefined || began?.kind !== "build.begin" || began.build !== build) {
    return noAnswer(`no build ${build} is recorded`, "`begat log --kind build.begin` lists builds");
  }
  const accounts = new BuildAccounts();
  const holes: { seq: number; problem: string }[] = [];
  let end: number | undefined;
  let records = 0;
  for (let seq = place.begin; seq < ledger.size() && end === undefined; seq++) {
    const record = ledger.record(seq);
    if (record === undefined || !("build" in record) || record.build !== build) continue;
    records++;
    const problem = accounts.enter(record);
    if (problem !== undefined) holes.push({ seq, problem });
    if (record.kind === "build.end") end = seq;
  }
  const at = (seq: number) => ({ seq, leaf: leafAt(ledger, seq) as Sha256 });
  if (end === undefined) holes.push({ seq: place.begin, problem: `build ${build} never ended` });
  return {
    found: true,
    answer: {
      build,
      begin: at(place.begin),
      end: end === undefined ? undefined : at(end),
      planned: began.plan.n,
      records,
      holes,
    },
  };
}

export interface ArtifactCompleteness {
  readonly root: ProvNode;
  readonly executions: readonly Evidence[];
  readonly sources: number;
  readonly ingests: number;
  /** Executions that could see more than is recorded, or whose records do not hold. */
  readonly holes: readonly { readonly evidence: Evidence; readonly problem: string }[];
}

/** Whether all that an artifact was made from is recorded: each of its ancestors must have been shown nothing else. */
export function completeArtifact(history: History, query: ArtifactQuery): Answer<ArtifactCompleteness> {
  const tree = provTree(history, query);
  if (!tree.found) return tree;
  const executions = new Map<number, Evidence>();
  const leaves = { source: new Set<string>(), ingest: new Set<string>() };
  const waiting = [tree.answer];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (node.origin.kind === "execution") {
      executions.set(node.origin.making.evidence.seq, node.origin.making.evidence);
      waiting.push(...node.inputs);
    } else if (!isOwnList(node.path)) leaves[node.origin.kind].add(`${node.digest} ${node.path}`);
  }
  // What an image holds took part as much as what was declared.
  const images = new ImageMakings(history);
  for (const { record } of [...executions.values()]) {
    const image = images.of(record.image.replace(/^sha256:/, "") as Sha256);
    if (image === undefined || executions.has(image.evidence.seq)) continue;
    executions.set(image.evidence.seq, image.evidence);
    for (const { path, digest } of image.evidence.listing?.inputs ?? []) {
      if (!isOwnList(path)) leaves.ingest.add(`${digest} ${path}`);
    }
  }
  const sorted = [...executions.values()].sort((a, b) => a.seq - b.seq);
  const holes = sorted.flatMap((evidence) => {
    const problem = holeOf(evidence);
    return problem === undefined ? [] : [{ evidence, problem }];
  });
  return {
    found: true,
    answer: {
      root: tree.answer,
      executions: sorted,
      sources: leaves.source.size,
      ingests: leaves.ingest.size,
      holes,
    },
  };
}

function holeOf(evidence: Evidence): string | undefined {
  if (evidence.signature !== "holds") return `its record does not hold: ${evidence.because}`;
  if (sawOnlyRecorded(evidence)) return undefined;
  const { level, sandbox } = evidence.record;
  if (level === "hermetic") return `its network was open (${String(sandbox.network)})`;
  return `level ${level} does not enforce that inputs are all declared`;
}
