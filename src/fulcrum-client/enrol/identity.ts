import type { KeyObject } from "node:crypto";
import { canonicalJson, parseCanonicalJson, sha256 } from "../../base/index.ts";
import { type FileTree, FileTreeError, type Random } from "../../ports/index.ts";
import {
  type AuthorityCertificate,
  type MemberCertificate,
  readAuthorityCertificate,
  readMemberCertificate,
} from "./certificate.ts";
import { FarmError } from "./farm-error.ts";
import { type FarmRole, isClusterId, isFarmRole, type Member, memberUri, type ServerAddresses } from "./member.ts";
import { makeNodeKey, nodeKeyPem, parseNodeKey, spkiOfKey } from "./node-key.ts";
import {
  createPrivateFile,
  farmHome,
  makePrivateDirectory,
  readPrivateFile,
  replacePrivateFile,
} from "./private-files.ts";

/** What a member knows of its membership beside key and certificate. */
interface MembershipNote {
  /** `host:port` of the leader. */
  readonly leader: string;
  readonly addresses: ServerAddresses;
  /** As the leader gave it; `undefined` for a member without a signing key. */
  readonly endorsement: Buffer | undefined;
}

export const identityDirectory = (stateHome: string, cluster: string, role: FarmRole): string =>
  `${farmHome(stateHome)}/${cluster}/${role}`;

/** A membership kept in the state home. Its certificate is replaced while it is used; its key stays. */
export class Identity implements MembershipNote {
  readonly directory: string;
  readonly authority: AuthorityCertificate;
  readonly key: KeyObject;
  readonly leader: string;
  readonly addresses: ServerAddresses;
  readonly endorsement: Buffer | undefined;
  readonly #files: FileTree;
  readonly #listeners = new Set<() => void>();
  #certificate: MemberCertificate;

  constructor(
    files: FileTree,
    directory: string,
    parts: { authority: AuthorityCertificate; key: KeyObject; certificate: MemberCertificate } & MembershipNote,
  ) {
    this.#files = files;
    this.directory = directory;
    this.authority = parts.authority;
    this.key = parts.key;
    this.leader = parts.leader;
    this.addresses = parts.addresses;
    this.endorsement = parts.endorsement;
    this.#certificate = parts.certificate;
  }

  get member(): Member {
    return this.#certificate.member;
  }

  get certificate(): MemberCertificate {
    return this.#certificate;
  }

  get keyPem(): string {
    return nodeKeyPem(this.key);
  }

  /** The certificate, then the authority's: whoever has the authority's pin only can check both. */
  get chainPem(): string {
    return chainPem(this.#certificate, this.authority);
  }

  /** Calls back after each change of the certificate; answers how to stop that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Takes a newer certificate for the same key, writes it and hands it to whoever listens.
   *
   * @throws {FarmError} `FARM_REPLY_MALFORMED` when it is not one for this member; the old one then stays.
   */
  replaceCertificate(der: Uint8Array): void {
    const read = readMemberCertificate(der, this.authority);
    if (!read.ok) throw new FarmError("FARM_REPLY_MALFORMED", read.because);
    const { certificate } = read;
    if (
      memberUri(certificate.member) !== memberUri(this.member) ||
      certificate.enrolment !== this.#certificate.enrolment ||
      certificate.publicKey !== this.#certificate.publicKey
    ) {
      throw new FarmError(
        "FARM_REPLY_MALFORMED",
        `a certificate for ${memberUri(this.member)} was renewed with another's`,
      );
    }
    replacePrivateFile(this.#files, certificatePath(this.directory), chainPem(certificate, this.authority));
    this.#take(certificate);
  }

  /** Takes the certificate that another process wrote, if it is newer; answers whether it was. */
  reload(): boolean {
    const certificate = readCertificate(this.#files, this.directory, this.authority);
    if (certificate.serial === this.#certificate.serial || certificate.notAfterMs <= this.#certificate.notAfterMs) {
      return false;
    }
    this.#take(certificate);
    return true;
  }

  #take(certificate: MemberCertificate): void {
    this.#certificate = certificate;
    for (const listener of [...this.#listeners]) listener();
  }
}

const keyPath = (directory: string): string => `${directory}/key.pem`;
const certificatePath = (directory: string): string => `${directory}/certificate.pem`;
const authorityPath = (directory: string): string => `${directory}/authority.pem`;
const notePath = (directory: string): string => `${directory}/member.json`;

export function chainPem(certificate: MemberCertificate, authority: AuthorityCertificate): string {
  const body = certificate.der.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n${authority.pem}`;
}

/**
 * The key to join with: the one an interrupted join left, so that repeating it gets the same answer, or a new one.
 *
 * @throws {FarmError} `FARM_EXISTS` where a membership stands already.
 */
export function prepareIdentityKey(
  files: FileTree,
  random: Random,
  stateHome: string,
  cluster: string,
  role: FarmRole,
): KeyObject {
  const directory = identityDirectory(stateHome, cluster, role);
  if (files.lstat(notePath(directory)) !== undefined) {
    throw new FarmError("FARM_EXISTS", `this state home is a member of farm ${cluster} already, as ${role}`, {
      hint: `to join anew, move ${directory} away first`,
    });
  }
  makePrivateDirectory(files, farmHome(stateHome));
  makePrivateDirectory(files, `${farmHome(stateHome)}/${cluster}`);
  makePrivateDirectory(files, directory);
  createPrivateFile(files, random, keyPath(directory), nodeKeyPem(makeNodeKey(random)));
  return parseNodeKey(readPrivateFile(files, keyPath(directory)), keyPath(directory));
}

/** Writes a membership; the note last, since it is what makes the folder one. */
export function saveIdentity(
  files: FileTree,
  stateHome: string,
  authority: AuthorityCertificate,
  certificate: MemberCertificate,
  note: MembershipNote,
): Identity {
  const { cluster, role } = certificate.member;
  const directory = identityDirectory(stateHome, cluster, role);
  replacePrivateFile(files, authorityPath(directory), authority.pem);
  replacePrivateFile(files, certificatePath(directory), chainPem(certificate, authority));
  const { leader, addresses, endorsement } = note;
  const text = canonicalJson({
    addresses: { dns: addresses.dns, ip: addresses.ip },
    leader,
    v: 1,
    ...(endorsement === undefined ? {} : { endorsement: endorsement.toString("base64") }),
  });
  replacePrivateFile(files, notePath(directory), text);
  return loadIdentity(files, stateHome, cluster, role);
}

/** @throws {FarmError} `FARM_NOT_JOINED`, `FARM_KEY_EXPOSED`, `FARM_STATE_MALFORMED`. */
export function loadIdentity(files: FileTree, stateHome: string, cluster: string, role: FarmRole): Identity {
  const directory = identityDirectory(stateHome, cluster, role);
  if (files.lstat(notePath(directory)) === undefined) {
    throw new FarmError("FARM_NOT_JOINED", `this state home is no member of farm ${cluster} as ${role}`, {
      hint: "`begat farm join ADDRESS --token TOKEN` makes it one",
    });
  }
  const authority = readAuthorityCertificate(readPrivateFile(files, authorityPath(directory)));
  if (authority.cluster !== cluster) {
    throw new FarmError("FARM_STATE_MALFORMED", `${authorityPath(directory)} is of farm ${authority.cluster}`);
  }
  const key = parseNodeKey(readPrivateFile(files, keyPath(directory)), keyPath(directory));
  const certificate = readCertificate(files, directory, authority);
  if (certificate.publicKey !== sha256(spkiOfKey(key)) || certificate.member.role !== role) {
    throw new FarmError("FARM_STATE_MALFORMED", `${certificatePath(directory)} is not for the key beside it`);
  }
  return new Identity(files, directory, { authority, key, certificate, ...readNote(files, directory) });
}

/** Every membership of a state home, in order of cluster and role. */
export function listIdentities(files: FileTree, stateHome: string): { cluster: string; role: FarmRole }[] {
  const inside = (path: string): string[] => {
    try {
      return files.readDirectory(path).map(({ name }) => name);
    } catch (error) {
      if (error instanceof FileTreeError && error.code === "FILE_NOT_FOUND") return [];
      throw error;
    }
  };
  const found: { cluster: string; role: FarmRole }[] = [];
  for (const cluster of inside(farmHome(stateHome)).filter(isClusterId)) {
    for (const role of inside(`${farmHome(stateHome)}/${cluster}`).filter(isFarmRole)) {
      if (files.lstat(notePath(identityDirectory(stateHome, cluster, role))) !== undefined)
        found.push({ cluster, role });
    }
  }
  return found;
}

function readCertificate(files: FileTree, directory: string, authority: AuthorityCertificate): MemberCertificate {
  const path = certificatePath(directory);
  const read = readMemberCertificate(readPrivateFile(files, path), authority);
  if (!read.ok) throw new FarmError("FARM_STATE_MALFORMED", `${path}: ${read.because}`);
  return read.certificate;
}

function readNote(files: FileTree, directory: string): MembershipNote {
  try {
    const note = parseCanonicalJson(readPrivateFile(files, notePath(directory))) as unknown as {
      leader: string;
      addresses: ServerAddresses;
      endorsement?: string;
      v: number;
    };
    if (note.v !== 1) throw new FarmError("FARM_STATE_MALFORMED", `version ${note.v} is unknown; this begat reads 1`);
    const endorsement = note.endorsement === undefined ? undefined : Buffer.from(note.endorsement, "base64");
    return { leader: note.leader, addresses: note.addresses, endorsement };
  } catch (cause) {
    if (cause instanceof FarmError && cause.code === "FARM_KEY_EXPOSED") throw cause;
    throw new FarmError("FARM_STATE_MALFORMED", `cannot read ${notePath(directory)}`, { cause });
  }
}
