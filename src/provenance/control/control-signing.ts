import { type CanonicalValue, canonicalJson } from "../../base/index.ts";
import { publicKeyFrom, signDsse, verifyDsse } from "../dsse.ts";
import type { Signer } from "../keys.ts";
import type { PublicKeyEntry } from "../record.ts";
import type { Authority, ControlBody } from "./control-record.ts";

/** Payload type of a decision. */
export const CONTROL_PAYLOAD = "application/vnd.begat.control+json";
/** Payload type of what a key says about itself. */
export const KEY_PAYLOAD = "application/vnd.begat.key+json";

type Undecided<T> = T extends unknown ? Omit<T, keyof Authority> : never;

/** What is decided, before anybody signed it. */
export type Decided = Undecided<ControlBody>;

type Members = { readonly [member: string]: CanonicalValue | undefined };

/** Members of a record that the ledger adds or that are the signature itself; all others are signed. */
const NOT_SIGNED: ReadonlySet<string> = new Set(["bysig", "seq", "prev", "time", "v", "log"]);

/** Canonical JSON of all that is decided, with the ledger it is decided for. Members this begat does not know count too. */
function statement(body: Members, log: string): string {
  const signed = Object.entries(body).filter(([name]) => !NOT_SIGNED.has(name));
  return canonicalJson({ ...Object.fromEntries(signed), log } as CanonicalValue);
}

/** Text as a record can hold it, so that what is signed is what stands there. */
const wellFormed = (decided: Decided): Members =>
  JSON.parse(JSON.stringify(decided, (_name, part) => (typeof part === "string" ? part.toWellFormed() : part)));

/**
 * A decision with its authority.
 *
 * @param place `at` and `before` as the ledger stands now: `KeyHistory.lastControl`. When another decision comes in
 *   between, this one may not count; see `KeyHistory`.
 * @param nonce 16 random bytes.
 */
export function signControl(
  decided: Decided,
  place: { readonly at: number; readonly before: number; readonly nonce: Uint8Array },
  log: string,
  signer: Signer,
): ControlBody {
  const body: Members = {
    ...wellFormed(decided),
    by: signer.key,
    at: place.at,
    before: place.before,
    nonce: Buffer.from(place.nonce).toString("hex"),
  };
  return { ...body, bysig: signDsse(signer, CONTROL_PAYLOAD, statement(body, log)) } as unknown as ControlBody;
}

/** Whether `entry` signed exactly this decision for this ledger. */
export function verifyControl(record: ControlBody, log: string, entry: PublicKeyEntry): boolean {
  const text = statement(record as unknown as Members, log);
  return verifyDsse(publicKeyFrom(entry.pub), CONTROL_PAYLOAD, text, record.bysig);
}

const claim = ({ pub, role, rnode }: PublicKeyEntry, log: string): string =>
  canonicalJson({ log, pub, role, ...(rnode === undefined ? {} : { rnode }) });

/** What a key signs to be endorsed: that it is there, for this role in this ledger. */
export function provePossession(signer: Signer, log: string): string {
  return signDsse(signer, KEY_PAYLOAD, claim(signer.entry, log));
}

export function verifyPossession(entry: PublicKeyEntry, pop: string, log: string): boolean {
  return verifyDsse(publicKeyFrom(entry.pub), KEY_PAYLOAD, claim(entry, log), pop);
}
