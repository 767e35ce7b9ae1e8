import { base64Of } from "../tree/byte-text.ts";
import { TYPE_BASE } from "../type-base.ts";
import { utf8 } from "./verify-bytes.ts";
import { isObject, type Json, type JsonObject, jsonText } from "./verify-json.ts";

/** What an attestation says that a record implies, and what only the attestation says. */
export interface StatedFacts {
  readonly dictum: string;
  readonly chore: string;
  readonly command: readonly string[];
  readonly image: string;
  /** Files of the input root. */
  readonly inputs: readonly { readonly path: string; readonly sha256: string }[];
  readonly outputs: readonly { readonly path: string; readonly sha256: string }[];
  readonly builder: string;
  readonly level: string;
  /** The sandbox showed the recipe nothing but what is listed. */
  readonly complete: boolean;
  readonly rnode: string;
  readonly startedOn: string;
  readonly finishedOn: string;
}

export type StatementVerdict =
  | { readonly ok: true; readonly facts: StatedFacts }
  | { readonly ok: false; readonly because: string };

const object = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});
const list = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);
const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");

/** Drops what is absent, so that an object with optional members can be written in one piece. */
const present = (members: { readonly [name: string]: Json | undefined }): JsonObject =>
  Object.fromEntries(Object.entries(members).filter((member): member is [string, Json] => member[1] !== undefined));

const isoTime = (ms: Json | undefined): string => {
  const date = new Date(typeof ms === "number" ? ms : Number.NaN);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
};

/** As docs/formats.md, "Statements", says what the record implies; the rest is taken from the statement itself. */
function impliedBy(record: JsonObject, statement: JsonObject): JsonObject {
  const context = isObject(record.from) ? record.from : record;
  const definition = object(object(statement.predicate).buildDefinition);
  const external = object(definition.externalParameters);
  const sandbox = object(record.sandbox);
  const { command, directory, env, platform } = external;
  const outputs = list(record.out).map((value) => {
    const output = object(value);
    const annotations = output.m === undefined ? undefined : { begat_mode: output.m };
    return present({ name: output.p, digest: { sha256: output.d ?? "" }, annotations });
  });
  const properties = list(record.props).map((pair) => {
    const [name, value] = list(pair);
    return { name: `property:${text(name)}`, content: base64Of(utf8(text(value))) };
  });
  const io = object(record.io);
  return {
    _type: "https://in-toto.io/Statement/v1",
    predicateType: "https://slsa.dev/provenance/v1",
    // Of a long list the record keeps only the hash; its statement, signed and hashed as a whole, has it all.
    subject: record.more === undefined ? outputs : list(statement.subject),
    predicate: {
      buildDefinition: {
        buildType: `${TYPE_BASE}/buildtypes/dictum/v1`,
        externalParameters: present({
          dictum: context.dictum,
          chore: context.chore,
          command,
          directory,
          env,
          platform,
        }),
        internalParameters: present({
          actionDigest: record.action,
          begat_complete: isComplete(record) ? true : undefined,
          begat_level: record.level,
          begat_sandbox: sandbox,
        }),
        resolvedDependencies: [imageOf(record), ...list(definition.resolvedDependencies).slice(1)],
      },
      runDetails: {
        builder: { id: builderOf(record), version: present({ begat: record.ver }) },
        byproducts: [
          { name: "stdout", digest: { sha256: text(io.out) } },
          { name: "stderr", digest: { sha256: text(io.err) } },
          ...properties,
        ],
        metadata: present({
          invocationId: `${text(context.log)}#${text(context.build)}/${text(record.action)}/${String(context.attempt)}`,
          startedOn: isoTime(record.t0),
          finishedOn: isoTime(record.t1),
          begat_exit: record.exit,
          begat_rnode: record.rnode,
          begat_verdict: "ok",
          begat_cacheable: record.cacheable,
        }),
      },
    },
  };
}

function imageOf(record: JsonObject): JsonObject {
  const uri = text(record.image);
  const sha256 = /(?:^|[:@])([0-9a-f]{64})$/.exec(uri)?.[1];
  return present({ name: "image", uri, digest: sha256 === undefined ? undefined : { sha256 } });
}

function builderOf(record: JsonObject): string {
  const sandbox = object(record.sandbox);
  const open = sandbox.network === "none" || sandbox.network === undefined ? "" : "-network";
  return `${TYPE_BASE}/builder/${String(sandbox.backend ?? "unknown")}-${text(record.level)}${open}/v1`;
}

const isComplete = (record: JsonObject): boolean =>
  record.level === "hermetic" && object(record.sandbox).network === "none";

const digestOf = (resource: JsonObject): string => text(object(resource.digest).sha256);

/** Whether every value is a member's text, and nothing else is there. */
const isTextMap = (value: Json | undefined): boolean =>
  isObject(value) && Object.values(value).every((member) => typeof member === "string");

/**
 * Whether `statement` is what the record of the execution implies: no member more, none less, none other. A parameter that
 * this format does not have is therefore refused.
 */
export function checkStatement(record: JsonObject, statement: JsonObject): StatementVerdict {
  if (record.kind !== "exec") return { ok: false, because: `the record is of kind ${text(record.kind)}, not exec` };
  const implied = impliedBy(record, statement);
  const definition = object(object(statement.predicate).buildDefinition);
  const external = object(definition.externalParameters);
  const known = object(object(object(implied.predicate).buildDefinition).externalParameters);
  const unknown = Object.keys(external).find((name) => !(name in known));
  if (unknown !== undefined) {
    return { ok: false, because: `the attestation has the external parameter ${unknown}, which begat does not know` };
  }
  if (jsonText(implied) !== jsonText(statement)) {
    return { ok: false, because: "the attestation says other things than the record" };
  }
  const command = list(external.command);
  const inputs = list(definition.resolvedDependencies).slice(1).map(object);
  const outputs = list(statement.subject).map(object);
  const wellFormed =
    command.every((word) => typeof word === "string") &&
    typeof external.directory === "string" &&
    isTextMap(external.env) &&
    isTextMap(external.platform) &&
    [...inputs, ...outputs].every((one) => typeof one.name === "string" && /^[0-9a-f]{64}$/.test(digestOf(one)));
  if (!wellFormed) return { ok: false, because: "the attestation has members of the wrong type" };
  const named = (one: JsonObject) => ({ path: text(one.name), sha256: digestOf(one) });
  const facts: StatedFacts = {
    dictum: text(external.dictum),
    chore: text(external.chore),
    command: command.map(text),
    image: text(record.image),
    inputs: inputs.map(named),
    outputs: outputs.map(named),
    builder: builderOf(record),
    level: text(record.level),
    complete: isComplete(record),
    rnode: text(record.rnode),
    startedOn: isoTime(record.t0),
    finishedOn: isoTime(record.t1),
  };
  return { ok: true, facts };
}
