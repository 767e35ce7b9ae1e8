import { canonicalJson, parseCanonicalJson, sha256 } from "../../base/index.ts";
import {
  createPrivateFile,
  FarmError,
  type FarmRole,
  instant,
  type JoinToken,
  joinTokenText,
  makePrivateDirectory,
  readPrivateFile,
} from "../../fulcrum-client/index.ts";
import type { Clock, FileTree, Random } from "../../ports/index.ts";

/** Default life of a join token. */
export const TOKEN_LIFE_MS = 3_600_000;

interface TokenNote {
  readonly role: FarmRole;
  /** Milliseconds since 1970. */
  readonly until: number;
  readonly v: 1;
}

/** What a token that has been used was used for. */
export interface TokenUse {
  /** SHA-256 of the SPKI of the key that the certificate was for. */
  readonly key: string;
  readonly enrolment: string;
}

/**
 * The join tokens of a farm, each in a file named for the hash of its secret, so that what lies here lets nobody in.
 * Its use is a file beside it that is created exclusively: of two that use one token, whichever process serves them,
 * one does.
 */
export class TokenBook {
  readonly #ports: { readonly files: FileTree; readonly clock: Clock; readonly random: Random };
  readonly #directory: string;
  readonly #cluster: string;

  constructor(
    ports: { readonly files: FileTree; readonly clock: Clock; readonly random: Random },
    directory: string,
    cluster: string,
  ) {
    this.#ports = ports;
    this.#directory = `${directory}/tokens`;
    this.#cluster = cluster;
  }

  /** A new token, which is nowhere but in the answer. */
  create(role: FarmRole, lifeMs: number): { readonly text: string; readonly untilMs: number } {
    const { files, clock, random } = this.#ports;
    const secret = Buffer.from(random.bytes(16)).toString("hex");
    const note: TokenNote = { role, until: Math.floor(clock.nowMs() + lifeMs), v: 1 };
    makePrivateDirectory(files, this.#directory);
    createPrivateFile(files, random, this.#path(secret), canonicalJson({ ...note }));
    return { text: joinTokenText({ pin: this.#cluster, secret, role }), untilMs: note.until };
  }

  /**
   * Whether the token may be used for `key`; a use with the same key before is answered, so that a joiner who lost the
   * reply may ask again while the token lives.
   *
   * @throws {FarmError} `FARM_TOKEN_WRONG_CLUSTER`, `_UNKNOWN`, `_WRONG_ROLE`, `_EXPIRED`, `_USED`.
   */
  check(token: JoinToken, role: string, key: string): TokenUse | undefined {
    if (token.pin !== this.#cluster) {
      throw new FarmError("FARM_TOKEN_WRONG_CLUSTER", `the token is for farm ${token.pin}; this is ${this.#cluster}`);
    }
    const { files, clock } = this.#ports;
    if (files.lstat(this.#path(token.secret)) === undefined) {
      throw new FarmError("FARM_TOKEN_UNKNOWN", "this farm gave no such join token", { hint: ANOTHER });
    }
    const note = read<TokenNote>(files, this.#path(token.secret));
    if (note.role !== token.role || note.role !== role) {
      throw new FarmError("FARM_TOKEN_WRONG_ROLE", `the join token is for the role ${note.role}`, { hint: ANOTHER });
    }
    if (clock.nowMs() >= note.until) {
      throw new FarmError("FARM_TOKEN_EXPIRED", `the join token was good until ${instant(note.until)}`, {
        hint: ANOTHER,
      });
    }
    return this.#earlierUse(token, key);
  }

  /**
   * Spends the token; answers the use that counts, which is an earlier one of the same key where there was one.
   *
   * @throws {FarmError} `FARM_TOKEN_USED`.
   */
  spend(token: JoinToken, use: TokenUse): TokenUse {
    const { files, random } = this.#ports;
    if (createPrivateFile(files, random, this.#pathOfUse(token.secret), canonicalJson({ ...use, v: 1 }))) return use;
    return this.#earlierUse(token, use.key) ?? use;
  }

  #earlierUse(token: JoinToken, key: string): TokenUse | undefined {
    const path = this.#pathOfUse(token.secret);
    if (this.#ports.files.lstat(path) === undefined) return undefined;
    const use = read<TokenUse>(this.#ports.files, path);
    if (use.key === key) return use;
    throw new FarmError("FARM_TOKEN_USED", "the join token has been used; each lets one member join", {
      hint: ANOTHER,
    });
  }

  #path(secret: string): string {
    return `${this.#directory}/${sha256(Buffer.from(secret, "hex"))}.json`;
  }

  #pathOfUse(secret: string): string {
    return `${this.#directory}/${sha256(Buffer.from(secret, "hex"))}.used`;
  }
}

const ANOTHER = "`begat farm token` at the leader makes another";

function read<T>(files: FileTree, path: string): T {
  try {
    return parseCanonicalJson(readPrivateFile(files, path)) as unknown as T;
  } catch (cause) {
    throw new FarmError("FARM_STATE_MALFORMED", `cannot read ${path}`, { cause });
  }
}
