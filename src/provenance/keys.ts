import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { BegatError, type Sha256, sha256 } from "../base/index.ts";
import { type FileTree, FileTreeError, type Random } from "../ports/index.ts";
import type { PublicKeyEntry } from "./record.ts";

export type KeyErrorCode = "KEY_MISSING" | "KEY_EXPOSED" | "KEY_MALFORMED" | "KEY_NOT_WRITABLE";

export class KeyError extends BegatError<KeyErrorCode> {}

/**
 * `log` makes the ledger's statements about itself; `rnode` signs what this machine executed; `root` decides which keys
 * count, and `admin` does in its place. A root key is needed seldom and may be kept elsewhere.
 */
export type KeyRole = "admin" | "log" | "rnode" | "root";

/** A private key that signs and is never seen. */
export interface Signer {
  /** SHA-256 of the public key's SPKI DER. */
  readonly key: Sha256;
  readonly entry: PublicKeyEntry;
  /** Ed25519 over `bytes`: 64 bytes. */
  sign(bytes: Uint8Array): Buffer;
}

/** PKCS#8 and SPKI are these bytes before the 32 of an Ed25519 seed or public key (RFC 8410). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** The SPKI DER of a raw 32-byte Ed25519 public key. */
export function spkiOf(raw: Uint8Array): Buffer {
  return Buffer.concat([SPKI_PREFIX, raw]);
}

function signerOf(privateKey: KeyObject, role: KeyRole, rnode?: string): Signer {
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  const key = sha256(spki);
  const pub = spki.subarray(SPKI_PREFIX.length).toString("base64");
  return {
    key,
    entry: { alg: "ed25519", id: key, pub, role, ...(rnode === undefined ? {} : { rnode }) },
    sign: (bytes) => sign(null, bytes, privateKey),
  };
}

/** A signer from its 32-byte seed. */
export function signerFromSeed(seed: Uint8Array, role: KeyRole, rnode?: string): Signer {
  return signerOf(privateKeyOf(seed), role, rnode);
}

function privateKeyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" });
}

export const keysDirectory = (stateHome: string): string => `${stateHome}/keys`;

/** Where the private key of `role` is kept: PKCS#8 PEM, 0600. Its public half stands beside it as `.pub`. */
export function keyPath(stateHome: string, role: KeyRole): string {
  return `${keysDirectory(stateHome)}/${role}.key`;
}

/**
 * The signer kept in the state home.
 *
 * @throws {KeyError} `KEY_MISSING`; `KEY_EXPOSED` when others than its owner may read it; `KEY_MALFORMED`.
 */
export function loadSigner(files: FileTree, stateHome: string, role: KeyRole, rnode?: string): Signer {
  const directory = files.lstat(keysDirectory(stateHome));
  if (directory !== undefined && (directory.mode & 0o022) !== 0) {
    throw new KeyError(
      "KEY_EXPOSED",
      `${keysDirectory(stateHome)} has mode ${octal(directory.mode)}; others may replace keys`,
      {
        hint: `run: chmod 700 ${keysDirectory(stateHome)}`,
      },
    );
  }
  return loadSignerAt(files, keyPath(stateHome, role), role, rnode);
}

/**
 * The signer in a file, wherever that is: a root key may be kept apart.
 *
 * @throws {KeyError} as `loadSigner`.
 */
export function loadSignerAt(files: FileTree, path: string, role: KeyRole, rnode?: string): Signer {
  const stat = files.lstat(path);
  if (stat === undefined) throw new KeyError("KEY_MISSING", `the ${role} key ${path} is missing`);
  if (stat.kind !== "file") throw new KeyError("KEY_MALFORMED", `${path} is not a file but a ${stat.kind}`);
  if ((stat.mode & 0o077) !== 0) {
    throw new KeyError("KEY_EXPOSED", `${path} has mode ${octal(stat.mode)}; others than its owner may use the key`, {
      hint: `if nobody else had it, run: chmod 600 ${path}`,
    });
  }
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(files.readFile(path));
  } catch (cause) {
    throw new KeyError("KEY_MALFORMED", `${path} holds no private key`, { cause });
  }
  if (privateKey.asymmetricKeyType !== "ed25519") {
    throw new KeyError("KEY_MALFORMED", `${path} holds a ${privateKey.asymmetricKeyType} key, not an ed25519 one`);
  }
  return signerOf(privateKey, role, rnode);
}

const octal = (mode: number): string => `0${(mode & 0o777).toString(8)}`;

/**
 * The signer kept in the state home, made there if there is none. Of two processes that do so at once, both end with
 * the key of the one that came first.
 *
 * @throws {KeyError} as `loadSigner`, and `KEY_NOT_WRITABLE`.
 */
export function ensureSigner(
  files: FileTree,
  random: Random,
  stateHome: string,
  role: KeyRole,
  rnode?: string,
): Signer {
  const path = keyPath(stateHome, role);
  if (files.lstat(path) === undefined) {
    try {
      makeKey(files, random, stateHome, role);
    } catch (cause) {
      if (!(cause instanceof FileTreeError)) throw cause;
      throw new KeyError("KEY_NOT_WRITABLE", `cannot make the ${role} key in ${keysDirectory(stateHome)}`, { cause });
    }
  }
  return loadSigner(files, stateHome, role, rnode);
}

/** Where a key of `role` that came after the first is kept. */
export function laterKeyPath(stateHome: string, role: KeyRole, id: Sha256): string {
  return `${keysDirectory(stateHome)}/${role}-${id.slice(0, 12)}.key`;
}

/**
 * One more key of `role`, in a file of its own: the ones before go on counting for what they signed.
 *
 * @throws {KeyError} `KEY_NOT_WRITABLE`.
 */
export function makeLaterSigner(
  files: FileTree,
  random: Random,
  stateHome: string,
  role: KeyRole,
  rnode?: string,
): Signer {
  const privateKey = privateKeyOf(random.bytes(32));
  const signer = signerOf(privateKey, role, rnode);
  const path = laterKeyPath(stateHome, role, signer.key);
  try {
    writeKey(files, random, stateHome, path, privateKey);
  } catch (cause) {
    if (!(cause instanceof FileTreeError)) throw cause;
    throw new KeyError("KEY_NOT_WRITABLE", `cannot make the ${role} key ${path}`, { cause });
  }
  return signer;
}

function makeKey(files: FileTree, random: Random, stateHome: string, role: KeyRole): void {
  writeKey(files, random, stateHome, keyPath(stateHome, role), privateKeyOf(random.bytes(32)));
}

function writeKey(files: FileTree, random: Random, stateHome: string, path: string, privateKey: KeyObject): void {
  files.makeDirectory(keysDirectory(stateHome), 0o700);
  const pem = privateKey.export({ format: "pem", type: "pkcs8" }) as string;
  // Whole under a name of its own first, then linked: a link refuses an existing name, as O_EXCL does, and nobody who
  // finds the key finds half of it.
  const own = `${path}.${Buffer.from(random.bytes(8)).toString("hex")}`;
  files.replaceFile(own, pem, { mode: 0o600, durable: true });
  try {
    files.link(own, path);
  } catch (error) {
    if (!(error instanceof FileTreeError)) throw error;
    if (error.code === "FILE_EXISTS") return;
    // File systems without hard links: exclusive creation still picks one winner.
    files.writeFile(path, pem, { mode: 0o600, exclusive: true });
  } finally {
    files.remove(own);
  }
  const publicPem = createPublicKey(privateKey).export({ format: "pem", type: "spki" }) as string;
  // For openssl and its like; being durable, it also syncs the directory, and with it the private key's name.
  files.replaceFile(`${path.slice(0, -".key".length)}.pub`, publicPem, { mode: 0o644, durable: true });
}
