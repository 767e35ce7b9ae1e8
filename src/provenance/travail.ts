import { type CanonicalValue, parseCanonicalJson, sha256 } from "../base/index.ts";
import { IN_TOTO_PAYLOAD, publicKeyFrom, verifyDsse } from "./dsse.ts";
import { clipWhy } from "./execution-signing.ts";
import { choreKey } from "./long-lists.ts";
import type { ExecBody, FailBody, PublicKeyEntry, WhyBody } from "./record.ts";
import { canonicalText, fromWire, NO_RECORD, RecordError, toWire, type Wire } from "./record-codec.ts";
import { shapeProblem } from "./record-shape.ts";
import { type ActionListing, slsaStatement } from "./statement.ts";

/** An execution as the rnode that did it signed it: an `exec` or `fail` record that stands in no ledger yet. */
export type TravailBody = ExecBody | FailBody;

/** Under which names an execution stands in a build. */
export interface TravailNames {
  /** Origin of the ledger. */
  readonly log: string;
  readonly build: string;
  readonly chore: string;
  readonly dictum: string;
  readonly attempt: number;
}

/** Above what any recipe's outputs need, and far below what a peer could do harm with. */
export const TRAVAIL_LIMIT_BYTES = 8 * 1024 * 1024;

/** Of a record that has no place yet. */
const NO_FRAME = { v: 1, log: "", seq: 0, prev: NO_RECORD, time: "" } as const;

/** What travels: canonical JSON of the body, members as in a record (docs/formats.md, "Travails on the wire"). */
export function travailBytes(body: TravailBody): Buffer {
  return Buffer.from(canonicalText(toWire(body, {})));
}

/** @throws {RecordError} `RECORD_MALFORMED`, `RECORD_TOO_LARGE`, whatever a peer sends. */
export function readTravail(bytes: Uint8Array): TravailBody {
  if (bytes.length > TRAVAIL_LIMIT_BYTES) {
    throw new RecordError(
      "RECORD_TOO_LARGE",
      `travail has ${bytes.length} bytes; one has at most ${TRAVAIL_LIMIT_BYTES}`,
    );
  }
  let wire: CanonicalValue;
  try {
    wire = parseCanonicalJson(bytes);
  } catch (cause) {
    throw new RecordError("RECORD_MALFORMED", "travail does not parse", { cause });
  }
  if (typeof wire !== "object" || Array.isArray(wire)) {
    throw new RecordError("RECORD_MALFORMED", "travail is not an object");
  }
  const members = wire as Wire;
  const { kind } = members;
  if (kind !== "exec" && kind !== "fail") {
    throw new RecordError("RECORD_MALFORMED", `travail is of kind ${JSON.stringify(kind)}, not exec or fail`);
  }
  const problem = shapeProblem(kind, { ...members, ...NO_FRAME });
  if (problem !== undefined) throw new RecordError("RECORD_MALFORMED", `travail: ${problem}`);
  return fromWire(kind, members) as unknown as TravailBody;
}

/**
 * Why `body` is not what `key` signed about this action for ledger `log`; `undefined` when it is. Whether the key may is
 * another question.
 */
export function travailProblem(
  body: TravailBody,
  listing: ActionListing,
  log: string,
  key: Pick<PublicKeyEntry, "id" | "pub">,
): string | undefined {
  if (body.key !== key.id) return `it names key ${body.key.slice(0, 12)} and comes with key ${key.id.slice(0, 12)}`;
  const statement = slsaStatement(body, listing, log);
  if (body.stmt !== sha256(statement)) return "it does not imply the statement it names";
  if (!verifyDsse(publicKeyFrom(key.pub), IN_TOTO_PAYLOAD, statement, body.sig)) {
    return `the signature is not by key ${key.id.slice(0, 12)}`;
  }
  return undefined;
}

/**
 * The record of a travail in a ledger: under this build's names, with this build's reason, and with `from` where the rnode
 * signed other names.
 *
 * @param signedLog Origin of the ledger that the rnode signed for.
 * @param cached It was not executed for this build.
 */
export function adoptTravail(
  body: TravailBody,
  signedLog: string,
  here: TravailNames,
  why: WhyBody,
  cached: boolean,
): TravailBody {
  const signed = body.from ?? {
    log: signedLog,
    build: body.build,
    chore: body.chore,
    dictum: body.dictum,
    attempt: body.attempt,
  };
  const names = { build: here.build, chore: choreKey(here.chore), dictum: here.dictum, attempt: here.attempt };
  const isSame =
    signed.log === here.log &&
    signed.build === names.build &&
    signed.chore === names.chore &&
    signed.dictum === names.dictum &&
    signed.attempt === names.attempt;
  const { from: _, ...rest } = body;
  const context = { log: signed.log, build: signed.build, chore: signed.chore, dictum: signed.dictum };
  return {
    ...rest,
    ...names,
    why: clipWhy(why),
    ...(isSame && !cached
      ? {}
      : { from: { ...context, attempt: signed.attempt, ...(cached ? { cached: true } : {}) } }),
  };
}
