import { compareUtf8, type Sha256 } from "../base/index.ts";
import type { ExecBody, FailBody } from "./record.ts";
import { TYPE_BASE } from "./type-base.ts";

/** What an Action says, decoded: the part of a statement that the record does not repeat. */
export interface ActionListing {
  readonly argv: readonly string[];
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly directory: string;
  readonly platform: readonly (readonly [name: string, value: string])[];
  /** Every file of the input root, in any order. A symlink counts with the digest of its target's text. */
  readonly inputs: readonly { readonly path: string; readonly digest: Sha256 }[];
}

/**
 * Decodes a REAPI Action, its Command and its input root, kept as manifests. Offered by whoever wires the rooms, since
 * this one does not know the protocol.
 */
export type InputLister = (action: Sha256, manifest: (hash: Sha256) => Buffer | undefined) => ActionListing;

type WithoutSignature<T> = T extends unknown ? Omit<T, "stmt" | "key" | "sig" | "more"> : never;

/** An execution as observed, before it is signed. */
export type ExecutionFacts = WithoutSignature<ExecBody | FailBody>;

type Json = string | number | boolean | readonly Json[] | { readonly [member: string]: Json | undefined };

const quoted = (text: string): string => JSON.stringify(text.toWellFormed());

/** RFC 8785. Unlike in a record, members may have any name: environment variables are members here. */
function render(value: Json): string {
  if (typeof value === "string") return quoted(value);
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map(render).join(",")}]`;
  const members = value as { readonly [member: string]: Json | undefined };
  let text = "";
  for (const name of Object.keys(members).sort()) {
    const member = members[name];
    if (member !== undefined) text += `${text === "" ? "" : ","}${JSON.stringify(name)}:${render(member)}`;
  }
  return `{${text}}`;
}

/** Names and values as an object; of two values for one name the later. */
function renderPairs(pairs: readonly (readonly [name: string, value: string])[]): string {
  let text = "";
  let before: string | undefined;
  for (const [name, value] of pairs) {
    // Actions have them in order of their bytes, which is this one as long as nobody goes beyond 16 bits.
    if (before !== undefined && before >= name) return render(Object.fromEntries(pairs));
    text += `${before === undefined ? "" : ","}${JSON.stringify(name)}:${quoted(value)}`;
    before = name;
  }
  return `{${text}}`;
}

const IMAGE_DIGEST = /(?:^|[:@])([0-9a-f]{64})$/;

/** Inputs outnumber everything else in a statement. */
function renderDependencies(image: string, inputs: ActionListing["inputs"]): string {
  const digest = IMAGE_DIGEST.exec(image)?.[1];
  const uri = quoted(image);
  let text = digest === undefined ? '[{"name":"image"' : `[{"digest":{"sha256":"${digest}"},"name":"image"`;
  text += `,"uri":${uri}}`;
  for (const { path, digest } of [...inputs].sort((a, b) => compareUtf8(a.path, b.path))) {
    text += `,{"digest":{"sha256":"${digest}"},"name":${quoted(path)}}`;
  }
  return `${text}]`;
}

/**
 * `builder.id`: SLSA asks that modes of different strength have different ids, and consumers accept (signer, id) pairs.
 * So back end, level and an open network each show: `.../builder/bubblewrap-contained/v1`.
 */
export function builderId(facts: Pick<ExecutionFacts, "sandbox" | "level">): string {
  const backend = String(facts.sandbox.backend ?? "unknown");
  const network = facts.sandbox.network === "none" || facts.sandbox.network === undefined ? "" : "-network";
  return `${TYPE_BASE}/builder/${backend}-${facts.level}${network}/v1`;
}

/** Whether the sandbox showed the recipe nothing but what the statement lists: all inputs, and an image of pinned bytes. */
export function isComplete(facts: Pick<ExecutionFacts, "sandbox" | "level">): boolean {
  return facts.level === "hermetic" && facts.sandbox.network === "none";
}

const isoTime = (ms: number): string => new Date(ms).toISOString();

function renderSubjects(outputs: ExecutionFacts["out"]): string {
  let text = "";
  for (const { p, d, m } of outputs) {
    const mode = m === undefined ? "" : `"annotations":{"begat_mode":${quoted(m)}},`;
    text += `${text === "" ? "" : ","}{${mode}"digest":{"sha256":${quoted(d)}},"name":${quoted(p)}}`;
  }
  return `[${text}]`;
}

/** What was printed, what was used of the inputs, and the properties a recipe gave. */
function renderByproducts({ io, used, props = {} }: ExecutionFacts): string {
  const blob = (name: string, digest: Sha256) => `{"digest":{"sha256":${quoted(digest)}},"name":"${name}"}`;
  let text = `[${blob("stdout", io.out)},${blob("stderr", io.err)}`;
  if (used !== undefined) text += `,${blob("used-inputs", used.root)}`;
  for (const [name, value] of Object.entries(props).sort((a, b) => compareUtf8(a[0], b[0]))) {
    text += `,{"content":"${Buffer.from(value).toString("base64")}","name":${quoted(`property:${name}`)}}`;
  }
  return `${text}]`;
}

/**
 * The in-toto statement with SLSA provenance v1 about one execution: RFC 8785 text, one line. A pure function of what the
 * ledger keeps for ever, so it is not stored: only its hash and signature are (docs/formats.md, "Statements").
 *
 * @param origin The ledger's; part of `invocationId`, which keeps a signed statement from counting in another ledger. A
 *   record with `from` was signed for another place, and says so: then the five members there stand in the statement.
 * Written out with its members in order: one for every execution, and sorting them each time took two thirds of it.
 *
 * @see https://slsa.dev/spec/v1.1/provenance
 */
export function slsaStatement(facts: ExecutionFacts, listing: ActionListing, origin: string): string {
  const { log, build, chore, dictum, attempt } = facts.from ?? { ...facts, log: origin };
  const externalParameters =
    `{"chore":${quoted(chore)},"command":${render(listing.argv)},"dictum":${quoted(dictum)},` +
    `"directory":${quoted(listing.directory)},"env":${renderPairs(listing.env)},"platform":${renderPairs(listing.platform)}}`;
  const internalParameters =
    `{"actionDigest":${quoted(facts.action)},${isComplete(facts) ? '"begat_complete":true,' : ""}` +
    `"begat_level":${quoted(facts.level)},"begat_sandbox":${render(facts.sandbox as { readonly [name: string]: Json })}}`;
  const buildDefinition =
    `{"buildType":"${TYPE_BASE}/buildtypes/dictum/v1","externalParameters":${externalParameters},` +
    `"internalParameters":${internalParameters},"resolvedDependencies":${renderDependencies(facts.image, listing.inputs)}}`;
  const builder = `{"id":${quoted(builderId(facts))},"version":{"begat":${quoted(facts.ver)}}}`;
  const metadata =
    `{"begat_cacheable":${facts.kind === "exec" && facts.cacheable},"begat_exit":${facts.exit},` +
    `"begat_rnode":${quoted(facts.rnode)},"begat_verdict":${quoted(facts.kind === "fail" ? facts.verdict : "ok")},` +
    `"finishedOn":"${isoTime(facts.t1)}",` +
    `"invocationId":${quoted(`${log}#${build}/${facts.action}/${attempt}`)},"startedOn":"${isoTime(facts.t0)}"}`;
  const runDetails = `{"builder":${builder},"byproducts":${renderByproducts(facts)},"metadata":${metadata}}`;
  return (
    `{"_type":"https://in-toto.io/Statement/v1","predicate":{"buildDefinition":${buildDefinition},` +
    `"runDetails":${runDetails}},"predicateType":"https://slsa.dev/provenance/v1","subject":${renderSubjects(facts.out)}}`
  );
}
