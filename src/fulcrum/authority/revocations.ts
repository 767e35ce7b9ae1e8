import { verify } from "node:crypto";
import { type CanonicalValue, canonicalJson, invariant, parseCanonicalJson, sha256 } from "../../base/index.ts";
import {
  type AuthorityCertificate,
  createPrivateFile,
  FarmError,
  type Member,
  makePrivateDirectory,
  memberUri,
  readPrivateFile,
  signedBytes,
} from "../../fulcrum-client/index.ts";
import type { Clock, FileTree, Random } from "../../ports/index.ts";

export interface Revocation {
  /** Its place in the list, from 1. */
  readonly number: number;
  readonly enrolment: string;
  /** As `memberUri` writes it. */
  readonly member: string;
  readonly reason: string;
  readonly atMs: number;
  /** Of its document. */
  readonly hash: string;
}

/**
 * The memberships that are over: a file each, `revoked/1.json`, `revoked/2.json` and so on. Each is signed by the
 * authority and names the hash of the one before. Whether there is a new one is whether the next file is there: one
 * look that finds nothing, so it is asked at every call, and what one process revokes another refuses at the next.
 */
export class Revocations {
  readonly #ports: { readonly files: FileTree; readonly clock: Clock; readonly random: Random };
  readonly #directory: string;
  readonly #authority: AuthorityCertificate;
  readonly #sign: ((body: CanonicalValue) => string) | undefined;
  readonly #list: Revocation[] = [];
  readonly #enrolments = new Set<string>();
  #last = "";

  /** @param sign Of the authority itself; without it the list grows by `take` alone. */
  constructor(
    ports: { readonly files: FileTree; readonly clock: Clock; readonly random: Random },
    directory: string,
    authority: AuthorityCertificate,
    sign?: (body: CanonicalValue) => string,
  ) {
    this.#ports = ports;
    this.#directory = `${directory}/revoked`;
    this.#authority = authority;
    this.#sign = sign;
  }

  /** @throws {FarmError} `FARM_REVOCATIONS_TAMPERED`: nobody is let in by a list that does not hold. */
  readonly isRevoked = (enrolment: string): boolean => {
    this.#catchUp();
    return this.#enrolments.has(enrolment);
  };

  /** @throws {FarmError} as `isRevoked`. */
  list(): readonly Revocation[] {
    this.#catchUp();
    return this.#list;
  }

  /** How many there are, and those after the first `from` as they stand on the disk. @throws {FarmError} as `isRevoked`. */
  documents(from: number): { readonly count: number; readonly documents: readonly Uint8Array[] } {
    this.#catchUp();
    const { files } = this.#ports;
    const documents = this.#list.slice(from).map(({ number }) => readPrivateFile(files, this.#path(number)));
    return { count: this.#list.length, documents };
  }

  /**
   * Takes over what the authority's own list goes on with, by the wire; what is there already is passed over. Durable when
   * it returns.
   *
   * @throws {FarmError} `FARM_REVOCATIONS_TAMPERED` for one that does not follow, or that the authority did not sign;
   *   those before it stay.
   */
  take(documents: readonly Uint8Array[]): void {
    const { files, random } = this.#ports;
    this.#catchUp();
    makePrivateDirectory(files, this.#directory);
    for (const bytes of documents) {
      const number = this.#list.length + 1;
      if (this.#list.some(({ hash }) => hash === sha256(bytes))) continue;
      this.#read(Buffer.from(bytes), number, `revocation ${number}`, "it is not taken");
      createPrivateFile(files, random, this.#path(number), Buffer.from(bytes));
      this.#catchUp();
    }
  }

  /** Ends a membership; one that is over stays as it is. Durable when it returns. */
  revoke(member: Member, enrolment: string, reason: string): Revocation {
    const { files, clock, random } = this.#ports;
    const sign = this.#sign;
    invariant(sign !== undefined, "only the authority revokes");
    makePrivateDirectory(files, this.#directory);
    for (;;) {
      this.#catchUp();
      const before = this.#list.find((revocation) => revocation.enrolment === enrolment);
      if (before !== undefined) return before;
      const number = this.#list.length + 1;
      const body = {
        at: Math.floor(clock.nowMs()),
        enrolment,
        kind: "farm.revocation",
        member: memberUri(member),
        number,
        prev: this.#last,
        reason,
        v: 1,
      };
      // Another process may take the number meanwhile; then this one takes the next.
      createPrivateFile(files, random, this.#path(number), canonicalJson({ body, sig: sign(body) }));
    }
  }

  #catchUp(): void {
    for (;;) {
      const number = this.#list.length + 1;
      const path = this.#path(number);
      if (this.#ports.files.lstat(path) === undefined) return;
      const bytes = readPrivateFile(this.#ports.files, path);
      const revocation = this.#read(bytes, number, path);
      this.#list.push(revocation);
      this.#enrolments.add(revocation.enrolment);
      this.#last = revocation.hash;
    }
  }

  #read(bytes: Buffer, number: number, path: string, until = "nobody is let in until it is put right"): Revocation {
    const tampered = (because: string, cause?: unknown) =>
      new FarmError("FARM_REVOCATIONS_TAMPERED", `${path} ${because}; ${until}`, { cause });
    let body: { [name: string]: CanonicalValue };
    let holds: boolean;
    try {
      const document = parseCanonicalJson(bytes) as unknown as { body: typeof body; sig: string };
      body = document.body;
      const signature = Buffer.from(document.sig, "base64");
      holds = verify("sha256", signedBytes("farm.revocation", body), this.#authority.publicKey, signature);
    } catch (cause) {
      throw tampered("cannot be read", cause);
    }
    if (!holds) throw tampered("is not signed by the farm's authority");
    if (body.number !== number || body.prev !== this.#last) throw tampered("does not follow the one before it");
    const { enrolment, member, reason, at } = body as unknown as Record<"enrolment" | "member" | "reason", string> & {
      at: number;
    };
    return { number, enrolment, member, reason, atMs: at, hash: sha256(bytes) };
  }

  #path(number: number): string {
    return `${this.#directory}/${number}.json`;
  }
}
