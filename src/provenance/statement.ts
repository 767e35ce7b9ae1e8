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

/** JSON text that needs no further rendering. */
class Rendered {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Json = string | number | boolean | Rendered | readonly Json[] | { readonly [member: string]: Json | undefined };

/** RFC 8785. Unlike in a record, members may have any name: environment variables are members here. */
function render(value: Json): string {
  if (value instanceof Rendered) return value.text;
  if (typeof value === "string") return JSON.stringify(value.toWellFormed());
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

/** Inputs outnumber everything else in a statement, so they are written without objects in between. */
function renderDependencies(image: string, inputs: ActionListing["inputs"]): Rendered {
  const digest = /(?:^|[:@])([0-9a-f]{64})$/.exec(image)?.[1];
  const pieces = [render({ name: "image", uri: image, digest: digest === undefined ? undefined : { sha256: digest } })];
  for (const { path, digest } of [...inputs].sort((a, b) => compareUtf8(a.path, b.path))) {
    pieces.push(`{"digest":{"sha256":"${digest}"},"name":${JSON.stringify(path.toWellFormed())}}`);
  }
  return new Rendered(`[${pieces.join(",")}]`);
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

const asObject = (pairs: readonly (readonly [string, string])[]): { readonly [name: string]: string } =>
  Object.fromEntries(pairs);

const isoTime = (ms: number): string => new Date(ms).toISOString();

/**
 * The in-toto statement with SLSA provenance v1 about one execution: RFC 8785 text, one line. A pure function of what the
 * ledger keeps for ever, so it is not stored: only its hash and signature are (docs/formats.md, "Statements").
 *
 * @param origin The ledger's; part of `invocationId`, which keeps a signed statement from counting in another ledger. A
 *   record with `from` was signed for another place, and says so: then the five members there stand in the statement.
 * @see https://slsa.dev/spec/v1.1/provenance
 */
export function slsaStatement(facts: ExecutionFacts, listing: ActionListing, origin: string): string {
  const files = facts.out.map((output) => ({
    name: output.p,
    digest: { sha256: output.d },
    annotations: output.m === undefined ? undefined : { begat_mode: output.m },
  }));
  const properties = Object.entries(facts.props ?? {})
    .sort((a, b) => compareUtf8(a[0], b[0]))
    .map(([name, value]) => ({ name: `property:${name}`, content: Buffer.from(value).toString("base64") }));
  const { log, build, chore, dictum, attempt } = facts.from ?? { ...facts, log: origin };
  return render({
    _type: "https://in-toto.io/Statement/v1",
    predicateType: "https://slsa.dev/provenance/v1",
    subject: files,
    predicate: {
      buildDefinition: {
        buildType: `${TYPE_BASE}/buildtypes/dictum/v1`,
        externalParameters: {
          dictum,
          chore,
          command: listing.argv,
          directory: listing.directory,
          env: asObject(listing.env),
          platform: asObject(listing.platform),
        },
        internalParameters: {
          actionDigest: facts.action,
          begat_complete: isComplete(facts) ? true : undefined,
          begat_level: facts.level,
          begat_sandbox: facts.sandbox as { readonly [name: string]: Json },
        },
        resolvedDependencies: renderDependencies(facts.image, listing.inputs),
      },
      runDetails: {
        builder: { id: builderId(facts), version: { begat: facts.ver } },
        byproducts: [
          { name: "stdout", digest: { sha256: facts.io.out } },
          { name: "stderr", digest: { sha256: facts.io.err } },
          ...(facts.used === undefined ? [] : [{ name: "used-inputs", digest: { sha256: facts.used.root } }]),
          ...properties,
        ],
        metadata: {
          invocationId: `${log}#${build}/${facts.action}/${attempt}`,
          startedOn: isoTime(facts.t0),
          finishedOn: isoTime(facts.t1),
          begat_exit: facts.exit,
          begat_rnode: facts.rnode,
          begat_verdict: facts.kind === "fail" ? facts.verdict : "ok",
          begat_cacheable: facts.kind === "exec" && facts.cacheable,
        },
      },
    },
  });
}
