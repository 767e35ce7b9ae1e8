import { type KeyObject, sign, X509Certificate } from "node:crypto";
import { type CanonicalValue, canonicalJson, sha256 } from "../../base/index.ts";
import {
  type AuthorityCertificate,
  alternativeNames,
  CERTIFICATE_LIFE_MS,
  CLOCK_LEEWAY_MS,
  clusterIdOf,
  createPrivateFile,
  cryptoKeys,
  ECDSA_SHA256,
  endorsementBody,
  FarmError,
  farmHome,
  isClusterId,
  loadX509,
  type Member,
  type MemberCertificate,
  makeNodeKey,
  makePrivateDirectory,
  memberUri,
  nodeKeyPem,
  parseNodeKey,
  publicCryptoKey,
  readAuthorityCertificate,
  readMemberCertificate,
  readPrivateFile,
  replacePrivateFile,
  type ServerAddresses,
  signedBytes,
} from "../../fulcrum-client/index.ts";
import { type Clock, type FileTree, FileTreeError, type Random } from "../../ports/index.ts";
import { MemberBook } from "./member-book.ts";
import { Revocations } from "./revocations.ts";
import { TokenBook } from "./token-book.ts";

export interface AuthorityPorts {
  readonly files: FileTree;
  readonly clock: Clock;
  readonly random: Random;
}

/** The authority's own certificate; what it is pinned by is its key, so another certificate may follow. */
const AUTHORITY_LIFE_MS = 10 * 365 * 24 * 3_600_000;

export const authorityDirectory = (stateHome: string, cluster: string): string =>
  `${farmHome(stateHome)}/${cluster}/authority`;

const keyPath = (directory: string): string => `${directory}/authority.key`;
const certificatePath = (directory: string): string => `${directory}/authority.pem`;

/** Who says who belongs to a farm. Its key is where the leader is, and nowhere else. */
export class Authority {
  readonly cluster: string;
  readonly certificate: AuthorityCertificate;
  readonly tokens: TokenBook;
  readonly members: MemberBook;
  readonly revocations: Revocations;
  readonly ports: AuthorityPorts;
  readonly #key: KeyObject;

  constructor(ports: AuthorityPorts, directory: string, key: KeyObject, certificate: AuthorityCertificate) {
    this.ports = ports;
    this.#key = key;
    this.certificate = certificate;
    this.cluster = certificate.cluster;
    this.tokens = new TokenBook(ports, directory, this.cluster);
    this.members = new MemberBook(ports, directory);
    this.revocations = new Revocations(ports, directory, certificate, (body) => this.#sign("farm.revocation", body));
  }

  /** 16 hex digits that the serials of one membership begin with; never 0, and positive as X.509 wants serials. */
  newEnrolment(): string {
    const bytes = Buffer.from(this.ports.random.bytes(8));
    bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
    return bytes.toString("hex");
  }

  /**
   * A certificate of 24 h for `publicKey` (SPKI DER, on P-256). It begins a little before now, for clocks that are
   * behind. rnodes serve too, so theirs is for both ends of a connection; the others' is for the client's end only.
   */
  async issue(options: {
    readonly member: Member;
    readonly enrolment: string;
    readonly publicKey: Uint8Array;
    readonly addresses: ServerAddresses;
  }): Promise<MemberCertificate> {
    const { member, enrolment, publicKey, addresses } = options;
    const x509 = await loadX509();
    const nowMs = wholeSecond(this.ports.clock.nowMs());
    const { clientAuth, serverAuth } = x509.ExtendedKeyUsage;
    const made = await x509.X509CertificateGenerator.create({
      serialNumber: enrolment + Buffer.from(this.ports.random.bytes(8)).toString("hex"),
      issuer: this.certificate.certificate.issuer.replaceAll("\n", ", "),
      subject: `CN=${member.name}`,
      notBefore: new Date(nowMs - CLOCK_LEEWAY_MS),
      notAfter: new Date(nowMs - CLOCK_LEEWAY_MS + CERTIFICATE_LIFE_MS),
      publicKey: await publicCryptoKey(publicKey),
      signingKey: (await cryptoKeys(this.#key)).privateKey,
      signingAlgorithm: ECDSA_SHA256,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(member.role === "rnode" ? [clientAuth, serverAuth] : [clientAuth]),
        new x509.SubjectAlternativeNameExtension([
          { type: "url", value: memberUri(member) },
          ...alternativeNames(addresses),
        ]),
        await x509.AuthorityKeyIdentifierExtension.create(await publicCryptoKey(spkiOf(this.certificate))),
        await x509.SubjectKeyIdentifierExtension.create(await publicCryptoKey(publicKey)),
      ],
    });
    const read = readMemberCertificate(new Uint8Array(made.rawData), this.certificate);
    if (!read.ok)
      throw new FarmError("FARM_STATE_MALFORMED", `the authority made what it does not accept: ${read.because}`);
    return read.certificate;
  }

  /** The authority's word for an rnode's signing key; the caller has checked the proof of possession. */
  endorse(options: {
    readonly certificate: MemberCertificate;
    readonly publicKey: Uint8Array;
    readonly pop: Uint8Array;
  }): Buffer {
    const { certificate, publicKey, pop } = options;
    const body = endorsementBody({
      member: certificate.member,
      enrolment: certificate.enrolment,
      publicKey,
      pop,
      nodeKey: certificate.publicKey,
      atMs: Math.floor(this.ports.clock.nowMs()),
    });
    return Buffer.from(canonicalJson({ body, sig: this.#sign("farm.endorsement", body) }));
  }

  /** ECDSA P-256 with SHA-256, DER, base64. */
  #sign(kind: "farm.endorsement" | "farm.revocation", body: CanonicalValue): string {
    return sign("sha256", signedBytes(kind, body), this.#key).toString("base64");
  }
}

const wholeSecond = (ms: number): number => Math.floor(ms / 1000) * 1000;

const spkiOf = ({ publicKey }: AuthorityCertificate): Buffer => publicKey.export({ format: "der", type: "spki" });

/** Makes the authority of a new farm in the state home. */
export async function createAuthority(ports: AuthorityPorts, stateHome: string): Promise<Authority> {
  const { files, random, clock } = ports;
  const x509 = await loadX509();
  const key = makeNodeKey(random);
  const cluster = clusterIdOf(key);
  const nowMs = wholeSecond(clock.nowMs());
  const keys = await cryptoKeys(key);
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: sha256(cluster).slice(0, 30).padStart(32, "40"),
    name: `CN=radix farm ${cluster}`,
    notBefore: new Date(nowMs - CLOCK_LEEWAY_MS),
    notAfter: new Date(nowMs + AUTHORITY_LIFE_MS),
    keys,
    signingAlgorithm: ECDSA_SHA256,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const directory = authorityDirectory(stateHome, cluster);
  makePrivateDirectory(files, farmHome(stateHome));
  makePrivateDirectory(files, `${farmHome(stateHome)}/${cluster}`);
  makePrivateDirectory(files, directory);
  replacePrivateFile(files, certificatePath(directory), new X509Certificate(Buffer.from(made.rawData)).toString());
  // The key last: with it the authority exists.
  createPrivateFile(files, random, keyPath(directory), nodeKeyPem(key));
  return openAuthority(ports, stateHome, cluster);
}

/** @throws {FarmError} `FARM_NOT_FOUNDED`, `FARM_KEY_EXPOSED`, `FARM_STATE_MALFORMED`. */
export function openAuthority(ports: AuthorityPorts, stateHome: string, cluster: string): Authority {
  const { files } = ports;
  const directory = authorityDirectory(stateHome, cluster);
  if (files.lstat(keyPath(directory)) === undefined) {
    throw new FarmError("FARM_NOT_FOUNDED", `the authority of farm ${cluster} is not in this state home`, {
      hint: "this is done where `begat farm init` was",
    });
  }
  const key = parseNodeKey(readPrivateFile(files, keyPath(directory)), keyPath(directory));
  const certificate = readAuthorityCertificate(readPrivateFile(files, certificatePath(directory)));
  if (clusterIdOf(key) !== cluster || certificate.cluster !== cluster) {
    throw new FarmError("FARM_STATE_MALFORMED", `${directory} holds the authority of another farm`);
  }
  return new Authority(ports, directory, key, certificate);
}

/** Clusters whose authority is in the state home, in order. */
export function listAuthorities(files: FileTree, stateHome: string): string[] {
  try {
    const names = files.readDirectory(farmHome(stateHome)).map(({ name }) => name);
    return names.filter(
      (name) => isClusterId(name) && files.lstat(keyPath(authorityDirectory(stateHome, name))) !== undefined,
    );
  } catch (error) {
    if (error instanceof FileTreeError && error.code === "FILE_NOT_FOUND") return [];
    throw error;
  }
}
