import { canonicalJson, parseCanonicalJson } from "../../base/index.ts";
import {
  FARM_ROLES,
  FarmError,
  type FarmRole,
  type Member,
  type MemberCertificate,
  makePrivateDirectory,
  readPrivateFile,
  replacePrivateFile,
  type ServerAddresses,
} from "../../fulcrum-client/index.ts";
import { type FileTree, FileTreeError } from "../../ports/index.ts";

/** A member as the authority knows it. */
export interface BookEntry {
  readonly role: FarmRole;
  readonly name: string;
  readonly enrolment: string;
  readonly addresses: ServerAddresses;
  /** Milliseconds since 1970: of the join, and of the newest certificate. */
  readonly joinedMs: number;
  readonly issuedMs: number;
  readonly untilMs: number;
  /** Raw Ed25519, base64; rnodes have one. */
  readonly signingKey: string | undefined;
}

/** Whoever has joined: a file a member, `members/<role>/<name>.json`. The newest membership of a name stands. */
export class MemberBook {
  readonly #files: FileTree;
  readonly #directory: string;

  constructor(ports: { readonly files: FileTree }, directory: string) {
    this.#files = ports.files;
    this.#directory = `${directory}/members`;
  }

  write(
    certificate: MemberCertificate,
    entry: Pick<BookEntry, "addresses" | "joinedMs" | "issuedMs" | "signingKey">,
  ): void {
    const { member, enrolment, notAfterMs } = certificate;
    const { addresses, joinedMs, issuedMs, signingKey } = entry;
    const text = canonicalJson({
      addresses: { dns: addresses.dns, ip: addresses.ip },
      enrolment,
      issued: Math.floor(issuedMs),
      joined: Math.floor(joinedMs),
      key: signingKey,
      until: notAfterMs,
      v: 1,
    });
    makePrivateDirectory(this.#files, this.#directory);
    makePrivateDirectory(this.#files, `${this.#directory}/${member.role}`);
    replacePrivateFile(this.#files, this.#path(member), text);
  }

  get(member: Pick<Member, "role" | "name">): BookEntry | undefined {
    const path = this.#path(member);
    if (this.#files.lstat(path) === undefined) return undefined;
    try {
      const found = parseCanonicalJson(readPrivateFile(this.#files, path)) as unknown as {
        addresses: ServerAddresses;
        enrolment: string;
        issued: number;
        joined: number;
        key?: string;
        until: number;
      };
      const { addresses, enrolment, issued, joined, key, until } = found;
      const { role, name } = member;
      return { role, name, enrolment, addresses, joinedMs: joined, issuedMs: issued, untilMs: until, signingKey: key };
    } catch (cause) {
      throw new FarmError("FARM_STATE_MALFORMED", `cannot read ${path}`, { cause });
    }
  }

  /** By role, then name. */
  list(): BookEntry[] {
    return FARM_ROLES.flatMap((role) =>
      this.#names(role).flatMap((name) => {
        const entry = this.get({ role, name });
        return entry === undefined ? [] : [entry];
      }),
    );
  }

  #names(role: FarmRole): string[] {
    try {
      const names = this.#files.readDirectory(`${this.#directory}/${role}`).map(({ name }) => name);
      // A name being replaced has a temporary one beside it.
      return names.filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -".json".length));
    } catch (error) {
      if (error instanceof FileTreeError && error.code === "FILE_NOT_FOUND") return [];
      throw error;
    }
  }

  #path({ role, name }: Pick<Member, "role" | "name">): string {
    return `${this.#directory}/${role}/${name}.json`;
  }
}
