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
  /** How many members it lets join; absent: one. */
  readonly uses?: number;
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
 * Each use is a file beside it that is created exclusively: of two that use one token, whichever process serves them,
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
  create(role: FarmRole, lifeMs: number, uses = 1): { readonly text: string; readonly untilMs: number } {
    const { files, clock, random } = this.#ports;
    const secret = Buffer.from(random.bytes(16)).toString("hex");
    const note: TokenNote = { role, until: Math.floor(clock.nowMs() + lifeMs), v: 1, ...(uses > 1 && { uses }) };
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
    return this.#placeFor(token, note, key).use;
  }

  /**
   * Spends the token; answers the use that counts, which is an earlier one of the same key where there was one.
   *
   * @throws {FarmError} `FARM_TOKEN_USED`.
   */
  spend(token: JoinToken, use: TokenUse): TokenUse {
    const { files, random } = this.#ports;
    const note = read<TokenNote>(files, this.#path(token.secret));
    for (;;) {
      const { use: earlier, free } = this.#placeFor(token, note, use.key);
      if (earlier !== undefined) return earlier;
      if (createPrivateFile(files, random, this.#pathOfUse(token.secret, free), canonicalJson({ ...use, v: 1 }))) {
        return use;
      }
    }
  }

  /** What `key` used the token for, or else the number of the next use. */
  #placeFor(token: JoinToken, note: TokenNote, key: string): { readonly use?: TokenUse; readonly free: number } {
    const uses = note.uses ?? 1;
    for (let number = 0; number < uses; number++) {
      const path = this.#pathOfUse(token.secret, number);
      if (this.#ports.files.lstat(path) === undefined) return { free: number };
      const use = read<TokenUse>(this.#ports.files, path);
      if (use.key === key) return { use, free: number };
    }
    const text =
      uses === 1
        ? "the join token has been used; each lets one member join"
        : `the join token has been used ${uses} times, which is all it is good for`;
    throw new FarmError("FARM_TOKEN_USED", text, { hint: ANOTHER });
  }

  #path(secret: string): string {
    return `${this.#directory}/${sha256(Buffer.from(secret, "hex"))}.json`;
  }

  #pathOfUse(secret: string, number: number): string {
    const which = number === 0 ? "" : `-${number}`;
    return `${this.#directory}/${sha256(Buffer.from(secret, "hex"))}.used${which}`;
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
