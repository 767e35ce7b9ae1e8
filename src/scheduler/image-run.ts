import { explain, parseSha256, type Sha256 } from "../base/index.ts";
import type { DescribedAction, ExecutionResult, Isolation } from "../executor/index.ts";
import type { IngestBody } from "../provenance/index.ts";
import type { RunContext } from "./chore-run.ts";
import { imageProperty } from "./plan.ts";
import type { BuiltImage } from "./rooms.ts";

/** An image is no recipe's work: begat itself puts pinned bytes together, and nothing else can flow in. */
const BUILDER: Isolation = {
  level: "hermetic",
  backend: "hermetic",
  backendVersion: "1",
  namespaces: [],
  network: "none",
  uidDropped: false,
  knownLeaks: [],
};

const PREFIX = "sha256:";

/** The digest in the value of an image's property. */
export function imageDigest(value: string | undefined): Sha256 | undefined {
  return value?.startsWith(PREFIX) ? parseSha256(value.slice(PREFIX.length)) : undefined;
}

/**
 * Builds the image of `chore`; what came of it has the shape of any execution, so it is recorded like any. What came in for it
 * is recorded here, built or not: it is not fetched a second time.
 */
export async function buildImage(
  context: RunContext,
  chore: number,
  described: DescribedAction,
): Promise<{
  readonly result: ExecutionResult;
  readonly properties: Readonly<Record<string, string>>;
  readonly built: BuiltImage | undefined;
}> {
  const { plan, rooms, signal, recorder } = context;
  const name = plan.imageName(chore);
  const spec = context.specs.find((candidate) => candidate.name === name);
  const startedAtMs = rooms.clock.nowMs();
  const began = rooms.clock.monotonicMs();
  const { request } = described;
  const result = (fields: Partial<ExecutionResult>): ExecutionResult => ({
    verdict: "ok",
    detail: "",
    exitCode: 0,
    signal: undefined,
    outputs: [],
    stdout: Buffer.alloc(0),
    stderr: Buffer.alloc(0),
    stdoutBytes: fields.stdout?.length ?? 0,
    stderrBytes: 0,
    undeclared: [],
    limitEvents: [],
    isolation: BUILDER,
    startedAtMs,
    finishedAtMs: rooms.clock.nowMs(),
    durationMs: rooms.clock.monotonicMs() - began,
    ...fields,
  });
  if (spec === undefined) {
    const detail = `image ${name} was not resolved`;
    return {
      result: result({ verdict: "executor-error", detail, exitCode: undefined }),
      properties: {},
      built: undefined,
    };
  }
  const ingested: IngestBody[] = [];
  try {
    const isContent = (path: string): boolean => !path.startsWith(".begat/") || path.startsWith(".begat/source/");
    const content = {
      files: request.inputs.filter(({ path }) => isContent(path)),
      links: request.links,
      emptyDirectories: request.emptyDirectories,
    };
    const built = await rooms.images.build(spec, content, signal, (body) => ingested.push(body));
    const properties = { [imageProperty(name)]: `${PREFIX}${built.digest}` };
    return { result: result({ stdout: Buffer.from(built.report) }), properties, built };
  } catch (error) {
    if (signal.aborted) throw error;
    return {
      result: result({ verdict: "executor-error", detail: explain(error), exitCode: undefined }),
      properties: {},
      built: undefined,
    };
  } finally {
    await recorder.entered(ingested);
  }
}

/** What the root of the chore's image is; `undefined` for the host's own tools, `"missing"` where it must be built. */
export function imageRootOf(context: Pick<RunContext, "plan" | "state" | "rooms">, chore: number): string | undefined {
  const { plan, state, rooms } = context;
  const name = plan.imageOf(chore);
  if (name === "host") return undefined;
  const digest = imageDigest(state.texts.get(plan.propertyId(imageProperty(name)) ?? -1));
  return (digest && rooms.images.root(digest)) ?? "missing";
}
