import { compareUtf8 } from "../../base/index.ts";
import { ImageError } from "../image-error.ts";
import { type IndexedPackage, meets, type PackageIndex } from "./package-index.ts";
import { formatRelation, parseRelations, type Relation, type RelationGroup } from "./relation.ts";

/** A package asked for: `gcc`, `gcc=4:12.2.0-3`. */
export interface AskedPackage {
  readonly name: string;
  readonly version: string | undefined;
}

const DEB_WORD = /^([a-z0-9][a-z0-9+.-]*)(?:=([0-9][A-Za-z0-9.+:~-]*))?$/;

/** @throws {ImageError} `IMAGE_MALFORMED`. */
export function parseDebWord(word: string): AskedPackage {
  const match = DEB_WORD.exec(word);
  if (match === null) {
    const hint = "write deb [ name ] or deb [ name=version ]";
    throw new ImageError("IMAGE_MALFORMED", `expected a Debian package, found ${JSON.stringify(word)}`, { hint });
  }
  return { name: match[1] as string, version: match[2] };
}

/**
 * Everything the packages need on an empty root, sorted by name: the set that
 * `apt-get install --no-install-recommends` would install there. Essential packages come only where something needs
 * them. Words are taken in the order of their names, so that the order they are written in means nothing.
 *
 * @throws {ImageError} `IMAGE_PACKAGE_NOT_FOUND` with everything that is missing and what needs it,
 *   `IMAGE_PACKAGES_CONFLICT`.
 */
export function resolveClosure(index: PackageIndex, words: readonly string[]): readonly IndexedPackage[] {
  const asked = words.map(parseDebWord).sort((a, b) => compareUtf8(a.name, b.name));
  const resolution = new Resolution(index, new Map(asked.map(({ name, version }) => [name, version])));
  for (const { name, version } of asked) resolution.ask(name, version);
  return resolution.finish();
}

class Resolution {
  readonly #index: PackageIndex;
  readonly #asked: ReadonlyMap<string, string | undefined>;
  readonly #chosen = new Map<string, IndexedPackage>();
  readonly #problems: string[] = [];
  #hint: string | undefined;

  constructor(index: PackageIndex, asked: ReadonlyMap<string, string | undefined>) {
    this.#index = index;
    this.#asked = asked;
  }

  ask(name: string, version: string | undefined): void {
    const found = this.#candidate(name) ?? this.#onlyProvider(name);
    if (found !== undefined) {
      this.#install(found);
      return;
    }
    const versions = this.#index.versions(name);
    const providers = this.#index.providers(name).map(({ by }) => by.name);
    if (version !== undefined && versions.length > 0) {
      this.#problems.push(`no package ${name} ${version}, the machine's archives have ${versions.join(", ")}`);
    } else if (providers.length > 1) {
      this.#problems.push(`no package ${name} of its own`);
      this.#hint = `name one that provides it: ${[...new Set(providers)].sort(compareUtf8).slice(0, 8).join(", ")}`;
    } else {
      this.#problems.push(`no package ${name}`);
    }
  }

  finish(): readonly IndexedPackage[] {
    if (this.#problems.length > 0) {
      const message = `the machine's package index has ${this.#problems.join("; ")}`;
      throw new ImageError("IMAGE_PACKAGE_NOT_FOUND", message, { hint: this.#hint });
    }
    const all = [...this.#chosen.values()].sort((a, b) => compareUtf8(a.name, b.name));
    for (const one of all) this.#checkConflicts(one, all);
    return all;
  }

  #install(found: IndexedPackage): void {
    if (this.#chosen.has(found.name)) return;
    this.#chosen.set(found.name, found);
    for (const field of ["Pre-Depends", "Depends"] as const) {
      for (const group of parseRelations(found.field(field))) this.#satisfy(found, group);
    }
  }

  #satisfy(by: IndexedPackage, group: RelationGroup): void {
    if (group.some((relation) => this.#isMet(relation))) return;
    for (const relation of group) {
      const found = this.#choose(relation);
      if (found === undefined) continue;
      this.#install(found);
      return;
    }
    const wanted = group.map(formatRelation).join(" or ");
    const there = group.flatMap(({ name }) => {
      const candidate = this.#candidate(name);
      return candidate === undefined ? [] : [`${name} is ${candidate.version}`];
    });
    this.#problems.push(
      `nothing for ${by.name} ${by.version}, which needs ${wanted}${there.length === 0 ? "" : ` (${there.join(", ")})`}`,
    );
  }

  #isMet(relation: Relation): boolean {
    const own = this.#chosen.get(relation.name);
    if (own !== undefined && meets(relation, own)) return true;
    return this.#index
      .providers(relation.name)
      .some(({ by }) => this.#chosen.get(by.name) === by && meets(relation, by));
  }

  #choose(relation: Relation): IndexedPackage | undefined {
    const own = this.#candidate(relation.name);
    if (own !== undefined && meets(relation, own)) return own;
    const providers = this.#index.providers(relation.name);
    return providers.find(({ by }) => meets(relation, by) && this.#candidate(by.name) === by)?.by;
  }

  #candidate(name: string): IndexedPackage | undefined {
    return this.#index.candidate(name, this.#asked.get(name));
  }

  #onlyProvider(name: string): IndexedPackage | undefined {
    const [only, ...others] = this.#index.providers(name);
    return others.length === 0 ? only?.by : undefined;
  }

  #checkConflicts(one: IndexedPackage, all: readonly IndexedPackage[]): void {
    for (const field of ["Conflicts", "Breaks"] as const) {
      for (const relation of parseRelations(one.field(field)).flat()) {
        // A package may conflict with what it provides itself: it then stands alone for that name.
        const other = all.find((found) => found !== one && meets(relation, found));
        if (other === undefined) continue;
        const verb = field === "Conflicts" ? "conflicts with" : "breaks";
        const message = `${one.name} ${one.version} ${verb} ${formatRelation(relation)}, and ${other.name} ${other.version} is needed too`;
        throw new ImageError("IMAGE_PACKAGES_CONFLICT", message);
      }
    }
  }
}
