import { type CanonicalValue, canonicalJson, compareUtf8, digestOf, explain } from "../../base/index.ts";
import { type Isolation, UP_PATH, type Verdict } from "../../executor/index.ts";
import {
  type AuthorityCertificate,
  type ClaimedResult,
  type TravailCheck,
  type TravailVerdict,
  verifyEndorsement,
} from "../../fulcrum-client/index.ts";
import {
  choreKey,
  endorsedKeys,
  type KeyHistory,
  type Ledger,
  type PublicKeyEntry,
  readTravail,
  type TravailBody,
  toExecOutput,
  travailProblem,
  verifyPossession,
} from "../../provenance/index.ts";

export interface TravailCheckParts {
  readonly ledger: Ledger;
  /** Of the farm that was joined; `undefined`: only keys that the ledger knows already count. */
  readonly authority: AuthorityCertificate | undefined;
  /** Enters the key in the ledger; it counts in records from then on. Rejects where nobody at hand may decide that. */
  endorse(subject: PublicKeyEntry, pop: string): Promise<void>;
}

const refused = (because: string, again = false): TravailVerdict => ({ ok: false, because, again });

/** What a farm's result must prove before this ledger takes it (docs/formats.md, "Travails on the wire"). */
export function travailCheck({ ledger, authority, endorse }: TravailCheckParts): TravailCheck {
  let keys: KeyHistory = endorsedKeys(ledger);
  const endorsing = new Map<string, Promise<void>>();

  /** Why the key may not act as an rnode here; it is endorsed where it may and was not yet. */
  const keyProblem = async (key: PublicKeyEntry, { travail }: ClaimedResult, rnode: string) => {
    if (keys.get(key.id) === undefined) keys = endorsedKeys(ledger);
    const valid = keys.validAt(key.id, ledger.size(), "rnode");
    if (valid.ok) {
      const { entry } = valid.key;
      return entry.rnode === rnode ? undefined : refused(`key ${key.id.slice(0, 12)} is that of ${entry.rnode}`);
    }
    if (valid.reason !== "not-endorsed") return refused(valid.because);
    if (authority === undefined) return refused(`${valid.because}, and it is of no farm that was joined`);
    const { key: endorsed } = verifyEndorsement(travail.endorsement, authority);
    if (endorsed.id !== key.id || endorsed.pub !== key.pub || endorsed.rnode !== rnode) {
      return refused(`the endorsement is of key ${endorsed.id.slice(0, 12)} of ${endorsed.rnode}`);
    }
    if (travail.log !== ledger.origin) return refused(`${valid.because} yet`, true);
    if (!verifyPossession(key, travail.pop, ledger.origin)) return refused("the key does not say that it acts here");
    const entering = endorsing.get(key.id) ?? endorse(key, travail.pop);
    endorsing.set(key.id, entering);
    await entering;
    keys = endorsedKeys(ledger);
    const now = keys.validAt(key.id, ledger.size(), "rnode");
    return now.ok ? undefined : refused(now.because);
  };

  return async (claimed) => {
    const { travail, request, purpose, cached } = claimed;
    try {
      const body = readTravail(travail.body);
      const key = keyOf(travail.key);
      const mismatch = mismatchOf(body, claimed);
      if (mismatch !== undefined) return refused(mismatch);
      const problem = travailProblem(body, listingOf(claimed), travail.log, key);
      if (problem !== undefined) return refused(problem);
      const names = body.from ?? { ...body, log: travail.log };
      const isOurs =
        names.log === purpose.log && names.build === purpose.build && names.chore === choreKey(purpose.chore);
      // One that was signed for others may be of any time.
      if (!isOurs && !purpose.mayBeCached) return refused(`it was executed for ${names.chore} of build ${names.build}`);
      const unendorsed = await keyProblem(key, claimed, body.rnode);
      if (unendorsed !== undefined) return unendorsed;
      const isolation = isolationOf(body, request.network);
      const ending = body.kind === "fail" ? { verdict: body.verdict as Verdict, detail: body.detail } : OK;
      return {
        ok: true,
        facts: {
          ...ending,
          isolation,
          startedAtMs: body.t0,
          finishedAtMs: body.t1,
          durationMs: body.ms,
          rnode: body.rnode,
          isCacheable: body.kind === "exec" && body.cacheable,
          travail: { body: travail.body, log: travail.log },
        },
      };
    } catch (error) {
      return refused(cached ? `${explain(error)} (it was executed before)` : explain(error));
    }
  };
}

const OK = { verdict: "ok", detail: "" } as const;

function keyOf(json: Uint8Array): PublicKeyEntry {
  const key = JSON.parse(Buffer.from(json).toString()) as PublicKeyEntry;
  if (key.alg !== "ed25519" || key.role !== "rnode" || Buffer.from(key.pub, "base64").length !== 32) {
    throw new TypeError("it comes with a key that is no rnode's");
  }
  const { alg, id, pub, role, rnode } = key;
  return { alg, id, pub, role, ...(rnode === undefined ? {} : { rnode }) };
}

/** The Action as it was sent: what the statement says of it must be that. */
function listingOf({ request }: ClaimedResult) {
  return {
    argv: request.argv,
    env: request.env,
    directory: request.directory,
    platform: request.encoded?.platform ?? [],
    inputs: [
      ...request.inputs.map(({ path, digest }) => ({ path, digest: digest.hash })),
      ...request.links.map(({ path, target }) => ({ path, digest: digestOf(target).hash })),
    ],
  };
}

/** The first thing in which a travail is not of this action or not of this result. */
function mismatchOf(body: TravailBody, claimed: ClaimedResult): string | undefined {
  const { request, outputs, exitCode, stdout, stderr, properties } = claimed;
  const { actionDigest, encoded } = request;
  const image = encoded?.platform.find(([name]) => name === "container-image")?.[1] ?? "";
  if (body.action !== actionDigest.hash) {
    return `it is of action ${body.action.slice(0, 12)}, not ${actionDigest.hash.slice(0, 12)}`;
  }
  if (body.image !== image) return `it ran in ${body.image}, not ${image}`;
  if (body.in.root !== encoded?.inputRoot.hash) return `it had the inputs of ${body.in.root.slice(0, 12)}`;
  if (body.exit !== exitCode && body.exit !== -1) return `it exited ${body.exit}, the result says ${exitCode}`;
  if (body.io.out !== stdout.hash || body.io.err !== stderr.hash) return "it printed something else";
  const named = outputs.filter(({ path }) => path !== UP_PATH).map(toExecOutput);
  const byPath = (a: { p: string }, b: { p: string }) => compareUtf8(a.p, b.p);
  const text = (list: readonly { p: string }[]) => canonicalJson([...list].sort(byPath) as unknown as CanonicalValue);
  if (body.kind === "exec" && text(body.out) !== text(named)) return "it made other outputs than the result names";
  if (body.kind === "exec" && !isSame(body.props ?? {}, properties)) return "it gave other properties than it wrote";
  return undefined;
}

function isSame(props: Readonly<Record<string, string>>, written: string | undefined): boolean {
  const lines = (written ?? "").split("\n").filter((line) => line !== "");
  const expected = Object.entries(props).map(([name, value]) => `${name}=${value}`);
  return lines.length === expected.length && expected.every((line) => lines.includes(line));
}

const BACK_ENDS: readonly string[] = ["bubblewrap", "docker", "process", "server", "hermetic"];

/** As the record has it; what a later begat measures beyond that is in the record alone. */
function isolationOf({ level, sandbox }: TravailBody, network: Isolation["network"]): Isolation {
  const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
  const backend = String(sandbox.backend ?? "");
  return {
    level,
    backend: (BACK_ENDS.includes(backend) ? backend : "remote") as Isolation["backend"],
    backendVersion: String(sandbox.version ?? ""),
    namespaces: texts(sandbox.namespaces),
    network: sandbox.network === "none" ? "none" : network,
    uidDropped: sandbox.uidDropped === true,
    knownLeaks: texts(sandbox.leaks),
  };
}
