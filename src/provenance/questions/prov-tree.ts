import type { Sha256 } from "../../base/index.ts";
import { type Answer, type History, noAnswer } from "./evidence.ts";
import { type ArtifactQuery, newestMaking, type Origin, OriginFinder, unknownArtifact } from "./prov-show.ts";

/** An artifact or source, and what it was made from. */
export interface ProvNode {
  readonly path: string;
  readonly digest: Sha256;
  readonly origin: Origin;
  /** Sorted as the action lists them; empty for sources, below the depth asked for, and where `repeated`. */
  readonly inputs: readonly ProvNode[];
  /** Stands further up already, with its inputs. */
  readonly repeated: boolean;
}

export interface ProvTreeOptions {
  /** Executions to go back, at least 1; absent: to the sources. */
  readonly depth?: number;
}

interface GrowingNode extends ProvNode {
  readonly inputs: GrowingNode[];
}

/**
 * Everything an artifact was made from. Every edge is a signed travail: what made an input is the newest execution before
 * the one that used it whose record has exactly these bytes.
 */
export function provTree(history: History, query: ArtifactQuery, options: ProvTreeOptions = {}): Answer<ProvNode> {
  const making = newestMaking(history, query);
  if (making === undefined) return unknownArtifact(history, query);
  const { evidence, output } = making;
  if (evidence.listing === undefined) {
    return noAnswer(`record ${evidence.seq} names this artifact, but does not hold: ${evidence.because}`);
  }
  const origins = new OriginFinder(history);
  const deepest = options.depth ?? Number.POSITIVE_INFINITY;
  const root = grow(output.p, output.d, { kind: "execution", making }, false);
  const expanded = new Set<string>();
  // A stack of its own: a chain of thousands of executions is deeper than the machine's. Depth first, so that a node is
  // expanded where a reader first meets it.
  const stack = [{ node: root, evidence, next: 0 }];
  expanded.add(keyOf(root));
  for (let frame = stack[stack.length - 1]; frame !== undefined; frame = stack[stack.length - 1]) {
    const input = frame.evidence.listing?.inputs[frame.next++];
    if (input === undefined) {
      stack.pop();
      continue;
    }
    const origin = origins.find(input.path, input.digest, frame.evidence.seq);
    const repeated = origin.kind === "execution" && expanded.has(keyOf({ ...input, origin }));
    const child = grow(input.path, input.digest, origin, repeated);
    frame.node.inputs.push(child);
    if (origin.kind !== "execution" || repeated || stack.length >= deepest) continue;
    expanded.add(keyOf(child));
    stack.push({ node: child, evidence: origin.making.evidence, next: 0 });
  }
  return { found: true, answer: root };
}

const grow = (path: string, digest: Sha256, origin: Origin, repeated: boolean): GrowingNode => ({
  path,
  digest,
  origin,
  inputs: [],
  repeated,
});

function keyOf({ path, digest, origin }: Pick<ProvNode, "path" | "digest" | "origin">): string {
  return `${origin.kind === "execution" ? origin.making.evidence.seq : ""} ${digest} ${path}`;
}

/** The leaves: files of the checkout and outside inputs, each once, in the order met. */
export function provSources(root: ProvNode): readonly ProvNode[] {
  const sources = new Map<string, ProvNode>();
  const waiting = [root];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (node.origin.kind === "execution") for (const input of [...node.inputs].reverse()) waiting.push(input);
    else if (!sources.has(`${node.digest} ${node.path}`)) sources.set(`${node.digest} ${node.path}`, node);
  }
  return [...sources.values()];
}
