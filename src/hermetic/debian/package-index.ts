import { parseSha256, type Sha256 } from "../../base/index.ts";
import { parseRelations, type Relation } from "./relation.ts";
import { compareDebianVersions, satisfies } from "./version.ts";

/** One version of a binary package as an archive's index lists it. */
export interface IndexedPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly sizeBytes: number;
  readonly sha256: Sha256;
  /** A field of its stanza, folded to one line. */
  field(name: IndexedField): string | undefined;
}

export type IndexedField = (typeof KEPT)[number];

/** A package that offers a name other than its own. */
export interface Provider {
  readonly by: IndexedPackage;
  /** Only a provider that says which version it stands for meets a bound. @see Debian policy 7.5 */
  readonly version: string | undefined;
}

const KEPT = [
  "Version",
  "Architecture",
  "Essential",
  "Important",
  "Priority",
  "Provides",
  "Pre-Depends",
  "Depends",
  "Conflicts",
  "Breaks",
  "Size",
  "SHA256",
] as const;
const KEPT_FIELD = new RegExp(`^(${KEPT.join("|")}):`);

interface Stanza {
  /** `Package: name`, then the kept fields, a line each. A string of its own: a slice would keep the index in memory. */
  readonly text: string;
  /** apt's pin priority of the archive it comes from. */
  readonly priority: number;
  /** Position among all stanzas. */
  readonly order: number;
  parsed?: IndexedPackage;
}

/**
 * The binary packages that a machine's archives offer, by name and by what they provide. Of each stanza only what a
 * resolution needs is kept: an index of 66,000 packages takes some 50 MB here.
 */
export class PackageIndex {
  readonly #architecture: string;
  readonly #packages = new Map<string, Stanza[]>();
  readonly #provides = new Map<string, Stanza[]>();
  #count = 0;

  constructor(architecture: string) {
    this.#architecture = architecture;
  }

  get packageCount(): number {
    return this.#packages.size;
  }

  /** A reader for one `Packages` file; pieces may be cut anywhere. */
  reader(priority: number): { take(chunk: Uint8Array): void; end(): void } {
    let rest = "";
    return {
      take: (chunk) => {
        // Names, versions and hashes are ASCII; latin1 spares the decoding of descriptions that are dropped anyway.
        const text = rest + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("latin1");
        const last = text.lastIndexOf("\n\n");
        if (last < 0) {
          rest = text;
          return;
        }
        for (const stanza of text.slice(0, last).split("\n\n")) this.#add(stanza, priority);
        rest = text.slice(last + 2);
      },
      end: () => {
        this.#add(rest, priority);
        rest = "";
      },
    };
  }

  /** What apt would install of this name: the highest priority, then the highest version. */
  candidate(name: string, version?: string): IndexedPackage | undefined {
    let best: Stanza | undefined;
    for (const stanza of this.#packages.get(name) ?? []) {
      if (version !== undefined && this.#parse(stanza).version !== version) continue;
      if (best === undefined || this.#isBetter(stanza, best)) best = stanza;
    }
    return best && this.#parse(best);
  }

  /** The versions there are of a package, newest first. */
  versions(name: string): readonly string[] {
    const versions = (this.#packages.get(name) ?? []).map((stanza) => this.#parse(stanza).version);
    return [...new Set(versions)].sort((a, b) => compareDebianVersions(b, a));
  }

  /** Candidates that provide `name`, those first that apt would take first. */
  providers(name: string): readonly Provider[] {
    const found: { provider: Provider; order: number }[] = [];
    for (const stanza of this.#provides.get(name) ?? []) {
      const by = this.#parse(stanza);
      if (this.candidate(by.name) !== by) continue;
      for (const { name: provided, bound } of relations(by.field("Provides"))) {
        if (provided !== name) continue;
        found.push({ provider: { by, version: bound?.version }, order: stanza.order });
      }
    }
    const rank = ({ by }: Provider) => [flag(by.field("Essential")), flag(by.field("Important")), priorityOf(by)];
    found.sort((a, b) => {
      const x = rank(a.provider);
      const y = rank(b.provider);
      const differing = x.findIndex((value, index) => value !== y[index]);
      // Where nothing tells them apart apt takes the one it read last.
      return differing < 0 ? b.order - a.order : (x[differing] as number) - (y[differing] as number);
    });
    return found.map(({ provider }) => provider);
  }

  #add(text: string, priority: number): void {
    const start = text.indexOf("Package:");
    if (start < 0) return;
    let name = "";
    const kept: string[] = [];
    let keeps = false;
    for (const line of text.split("\n")) {
      const first = line.charCodeAt(0);
      if (first === 0x20 || first === 0x09) {
        if (keeps) kept[kept.length - 1] += ` ${line.trim()}`;
        continue;
      }
      keeps = KEPT_FIELD.test(line);
      if (keeps) kept.push(line);
      else if (line.startsWith("Package:")) name = line.slice(8).trim();
    }
    // Joining makes a new string, which does not hold on to the whole piece that was read.
    const own = [`Package: ${name}`, ...kept, ""].join("\n");
    const architecture = fieldOf(own, "Architecture");
    if (architecture !== this.#architecture && architecture !== "all") return;
    const stanza: Stanza = { text: own, priority, order: this.#count++ };
    push(this.#packages, own.slice(9, own.indexOf("\n")), stanza);
    for (const provided of new Set(relations(fieldOf(own, "Provides")).map((relation) => relation.name))) {
      push(this.#provides, provided, stanza);
    }
  }

  #isBetter(a: Stanza, b: Stanza): boolean {
    if (a.priority !== b.priority) return a.priority > b.priority;
    return compareDebianVersions(this.#parse(a).version, this.#parse(b).version) > 0;
  }

  #parse(stanza: Stanza): IndexedPackage {
    const { text } = stanza;
    stanza.parsed ??= {
      name: text.slice(9, text.indexOf("\n")),
      version: fieldOf(text, "Version") ?? "",
      architecture: fieldOf(text, "Architecture") ?? "",
      sizeBytes: Number(fieldOf(text, "Size")),
      // An index without SHA-256 is one nobody publishes any more; a hash of zeros matches no file.
      sha256: parseSha256(fieldOf(text, "SHA256")) ?? ("0".repeat(64) as Sha256),
      field: (name) => fieldOf(text, name),
    };
    return stanza.parsed;
  }
}

/** Whether `found`, a package of the relation's name or one that provides it, is meant by it. */
export function meets(relation: Relation, found: IndexedPackage): boolean {
  const { name, bound } = relation;
  if (found.name === name) return bound === undefined || satisfies(found.version, bound.relation, bound.version);
  return relations(found.field("Provides")).some(
    (provided) =>
      provided.name === name &&
      (bound === undefined ||
        (provided.bound !== undefined && satisfies(provided.bound.version, bound.relation, bound.version))),
  );
}

function relations(field: string | undefined): readonly Relation[] {
  return parseRelations(field).flat();
}

function fieldOf(text: string, name: IndexedField): string | undefined {
  const at = text.indexOf(`\n${name}:`);
  if (at < 0) return undefined;
  const start = at + name.length + 2;
  return text.slice(start, text.indexOf("\n", start)).trim();
}

function flag(value: string | undefined): number {
  return value === "yes" ? 0 : 1;
}

function priorityOf(found: IndexedPackage): number {
  const at = ["required", "important", "standard", "optional", "extra"].indexOf(found.field("Priority") ?? "");
  return at < 0 ? 9 : at;
}

function push(map: Map<string, Stanza[]>, key: string, stanza: Stanza): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [stanza]);
  else list.push(stanza);
}
