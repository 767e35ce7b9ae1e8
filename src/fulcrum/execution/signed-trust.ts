import { join } from "node:path/posix";
import { type Digest, parseCanonicalJson, sha256 } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import { UP_PATH } from "../../executor/index.ts";
import {
  type AuthorityCertificate,
  type Endorsement,
  readMemberCertificate,
  verifyEndorsement,
} from "../../fulcrum-client/index.ts";
import { farm, type reapi, unpackAny } from "../../protocol/index.ts";
import { choreKey, type ExecOutput, readTravail, type TravailBody, travailProblem } from "../../provenance/index.ts";
import type { MemberBook } from "../authority/index.ts";
import { type ListedAction, listAction } from "./action-listing.ts";
import type { AssignedWork, Belief, RnodeTrust } from "./rnode-trust.ts";

export interface SignedTrustOptions {
  readonly authority: AuthorityCertificate;
  readonly members: Pick<MemberBook, "get">;
  readonly isRevoked: (enrolment: string) => boolean;
  readonly blobs: Pick<BlobStore, "has" | "read">;
  /** What actions run in that ask for no image; results that were made in another one are not kept for others. */
  readonly defaultImage?: string | undefined;
}

/** Endorsements whose signatures have been checked: each rnode has one. */
const REMEMBERED = 1_000;

/** A result counts by what is signed: by a key the farm's authority endorsed, about this action, saying what the result says. */
export function signedTrust(options: SignedTrustOptions): RnodeTrust {
  const { authority, members, isRevoked, blobs } = options;
  const endorsements = new Map<string, Endorsement>();

  return {
    nameOf({ certificate }) {
      if (certificate === undefined) return undefined;
      const verdict = readMemberCertificate(certificate, authority);
      return verdict.ok ? verdict.certificate.member.name : undefined;
    },

    belief(rnode, work, result) {
      try {
        return judge(rnode, work, result);
      } catch (error) {
        return disbelief(`its travail cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
  };

  function judge(rnode: string | undefined, work: AssignedWork, result: reapi.ActionResult): Belief {
    const { auxiliaryMetadata = [] } = result.executionMetadata ?? {};
    const travail = unpackAny(auxiliaryMetadata, "radix.farm.v1.Travail", farm.Travail);
    if (travail === undefined) return disbelief("its result is not signed");
    const endorsement = endorsementOf(travail.endorsement);
    const body = readTravail(travail.body);
    const listed = listAction(blobs, work.action);
    const problem =
      signerProblem(rnode, endorsement, parseCanonicalJson(travail.key) as { id?: string }) ??
      namesProblem(work, travail.log, body) ??
      actionProblem(work.action, listed, travail.log, body, endorsement) ??
      resultProblem(result, body, listed.listing.directory);
    return problem === undefined
      ? {
          holds: true,
          isCacheable:
            body.kind === "exec" &&
            body.cacheable &&
            body.image === (imageOf(listed.listing) ?? options.defaultImage ?? body.image),
          isRevoked: () => isRevoked(endorsement.enrolment),
        }
      : disbelief(problem);
  }

  function endorsementOf(bytes: Uint8Array): Endorsement {
    const key = sha256(bytes);
    const known = endorsements.get(key);
    if (known !== undefined) return known;
    const endorsement = verifyEndorsement(bytes, authority);
    if (endorsements.size >= REMEMBERED) endorsements.clear();
    endorsements.set(key, endorsement);
    return endorsement;
  }

  function signerProblem(
    rnode: string | undefined,
    endorsement: Endorsement,
    key: { id?: string },
  ): string | undefined {
    const { name } = endorsement.member;
    if (rnode !== undefined && name !== rnode) return `its result is signed by rnode ${name}'s key`;
    if (key.id !== endorsement.key.id) return "its result is signed by a key that nobody endorsed";
    if (isRevoked(endorsement.enrolment)) return `the membership of rnode ${name} was revoked`;
    // Of what is brought now, the key must be that of the membership that stands; what was kept was signed by one before.
    if (rnode === undefined) return undefined;
    const entry = members.get({ role: "rnode", name });
    if (entry?.enrolment === endorsement.enrolment && entry.signingKey === endorsement.key.pub) return undefined;
    return `its result is signed by a key of an earlier membership of rnode ${name}`;
  }

  function actionProblem(
    action: Digest,
    { listing, inputRoot }: ListedAction,
    log: string,
    body: TravailBody,
    endorsement: Endorsement,
  ): string | undefined {
    if (body.action !== action.hash || body.asize !== action.sizeBytes) {
      return `its result is of action ${body.action.slice(0, 12)}, not of ${action.hash.slice(0, 12)}`;
    }
    if (body.rnode !== endorsement.member.name) return `its result names ${body.rnode} as the rnode`;
    if (body.in.root !== inputRoot.hash) return "its result is of another input root";
    const image = imageOf(listing);
    if (image !== undefined && body.image !== image) return `its result was made in ${body.image}, not in ${image}`;
    const problem = travailProblem(body, listing, log, endorsement.key);
    return problem === undefined ? undefined : `its result is not what was signed: ${problem}`;
  }
}

const imageOf = ({ platform }: ListedAction["listing"]): string | undefined =>
  platform.find(([name]) => name === "container-image")?.[1];

const disbelief = (because: string): Belief => ({ holds: false, because });

/** Names are the client's; another's under the same key would be a travail of something else. */
function namesProblem({ context }: AssignedWork, log: string, body: TravailBody): string | undefined {
  if (context === undefined) return undefined;
  const { build, chore, dictum, attempt } = context;
  const isSame =
    log === context.log &&
    body.build === build &&
    body.chore === choreKey(chore) &&
    body.dictum === dictum &&
    body.attempt === attempt &&
    body.from === undefined;
  return isSame
    ? undefined
    : `its result is signed for ${log}#${body.build} ${body.chore}, not for ${context.log}#${build} ${chore}`;
}

/** What the client gets must be what was signed: outputs by path, digest and kind, what was printed, and the exit status. */
function resultProblem(result: reapi.ActionResult, body: TravailBody, directory: string): string | undefined {
  const given = new Set(outputLines(result, directory));
  const signed = new Set(body.out.map(signedLine));
  for (const line of given) if (!signed.has(line)) return `the output ${line} of its result is not what was signed`;
  for (const line of signed) if (!given.has(line)) return `the output ${line} that was signed is not in its result`;
  if (body.exit !== result.exitCode) return `it signed exit status ${body.exit}, and its result has ${result.exitCode}`;
  const streams = [
    ["stdout", body.io.out, result.stdoutDigest, result.stdoutRaw],
    ["stderr", body.io.err, result.stderrDigest, result.stderrRaw],
  ] as const;
  for (const [name, signedHash, digest, raw] of streams) {
    if ((digest?.hash ?? sha256(raw)) !== signedHash) return `${name} of its result is not what was signed`;
  }
  return undefined;
}

const signedLine = ({ p, d, m, l }: ExecOutput): string => JSON.stringify(m === "l" ? [p, "l", l] : [p, m ?? "", d]);

/** Outputs are named from the working directory; what is signed, from the input root. Properties are signed as such. */
function outputLines(result: reapi.ActionResult, directory: string): string[] {
  const at = (path: string): string => join(directory, path);
  const links = [...result.outputSymlinks, ...result.outputFileSymlinks, ...result.outputDirectorySymlinks];
  return [
    ...result.outputFiles
      .filter(({ path }) => at(path) !== UP_PATH)
      .map(({ path, digest, isExecutable }) => JSON.stringify([at(path), isExecutable ? "x" : "", digest?.hash])),
    ...result.outputDirectories.map(({ path, treeDigest }) => JSON.stringify([at(path), "t", treeDigest?.hash])),
    ...links.map(({ path, target }) => JSON.stringify([at(path), "l", target])),
  ];
}
