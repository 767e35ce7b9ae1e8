import type { Sha256 } from "../../base/index.ts";
import { type Answer, type Evidence, type History, noAnswer } from "./evidence.ts";
import { type ImageMaking, ImageMakings } from "./image-makings.ts";
import { type ArtifactQuery, newestMaking, OriginFinder, unknownArtifact } from "./prov-show.ts";

/**
 * One step back: an execution, what it made on the way to X, and the input by which Y came in. An image it ran in is such an
 * input, with the config digest.
 */
export interface PathStep {
  readonly evidence: Evidence;
  readonly made: string;
  readonly input: { readonly path: string; readonly digest: Sha256 };
}

interface Visit {
  readonly evidence: Evidence;
  readonly made: string;
  readonly after: { readonly visit: Visit; readonly input: PathStep["input"] } | undefined;
}

/**
 * A shortest chain of executions by which `from` reached `to`, the execution that made `to` first. Breadth first over the
 * ancestors, each read from the ledger and its signature checked.
 */
export function provPath(history: History, to: ArtifactQuery, from: ArtifactQuery): Answer<readonly PathStep[]> {
  const making = newestMaking(history, to);
  if (making === undefined) return unknownArtifact(history, to);
  const origins = new OriginFinder(history);
  const images = new ImageMakings(history);
  const first: Visit = { evidence: making.evidence, made: making.output.p, after: undefined };
  const seen = new Set([first.evidence.seq]);
  let visits = [first];
  while (visits.length > 0) {
    const further: Visit[] = [];
    for (const visit of visits) {
      const { evidence } = visit;
      const image = imageOf(evidence, images);
      const inputs = [...(evidence.listing?.inputs ?? []), ...(image === undefined ? [] : [image.input])];
      const hit = inputs.find((input) => isAskedFor(input, from));
      if (hit !== undefined) return { found: true, answer: chain(visit, hit) };
      if (image !== undefined && !seen.has(image.making.evidence.seq)) {
        seen.add(image.making.evidence.seq);
        further.push({ evidence: image.making.evidence, made: image.input.path, after: { visit, input: image.input } });
      }
      for (const input of inputs) {
        const origin = origins.find(input.path, input.digest, evidence.seq);
        if (origin.kind !== "execution" || seen.has(origin.making.evidence.seq)) continue;
        seen.add(origin.making.evidence.seq);
        const next = origin.making;
        further.push({ evidence: next.evidence, made: next.output.p, after: { visit, input } });
      }
    }
    visits = further;
  }
  const what = from.path ?? from.digest ?? "";
  return noAnswer(`${what} is not among what ${making.output.p} was made from (${seen.size} executions looked at)`);
}

/** The image an execution ran in, where the ledger knows who made it. */
function imageOf(
  { record }: Evidence,
  images: ImageMakings,
): { input: PathStep["input"]; making: ImageMaking } | undefined {
  const digest = /^sha256:([0-9a-f]{64})$/.exec(record.image)?.[1] as Sha256 | undefined;
  const making = digest === undefined ? undefined : images.of(digest);
  if (digest === undefined || making === undefined || making.evidence.seq >= record.seq) return undefined;
  return { input: { path: `image ${making.name}`, digest }, making };
}

function isAskedFor(input: PathStep["input"], { digest, path }: ArtifactQuery): boolean {
  return digest === undefined ? input.path === path : input.digest === digest;
}

function chain(last: Visit, hit: PathStep["input"]): readonly PathStep[] {
  const steps: PathStep[] = [{ evidence: last.evidence, made: last.made, input: hit }];
  for (let { after } = last; after !== undefined; after = after.visit.after) {
    steps.push({ evidence: after.visit.evidence, made: after.visit.made, input: after.input });
  }
  return steps.reverse();
}
