import type { VersionRelation } from "./version.ts";

/** `libc6 (>= 2.36)`, one name of a dependency. The architecture after a colon and build profiles are dropped. */
export interface Relation {
  readonly name: string;
  readonly bound: { readonly relation: VersionRelation; readonly version: string } | undefined;
}

/** Alternatives, the first that can be had counts: `default-mta | mail-transport-agent`. */
export type RelationGroup = readonly Relation[];

const RELATION = /^([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s)]+)\s*\))?/i;

/**
 * Reads a field like Depends: groups between commas, alternatives between bars. What cannot be read is left out.
 *
 * @see deb-control(5), Debian policy 7.1
 */
export function parseRelations(field: string | undefined): readonly RelationGroup[] {
  if (field === undefined || field.trim() === "") return [];
  const groups: Relation[][] = [];
  for (const group of field.split(",")) {
    const alternatives: Relation[] = [];
    for (const text of group.split("|")) {
      const match = RELATION.exec(text.trim());
      if (match === null) continue;
      const [, name = "", sign, version] = match;
      const bound = sign === undefined || version === undefined ? undefined : { relation: strict(sign), version };
      alternatives.push({ name, bound });
    }
    if (alternatives.length > 0) groups.push(alternatives);
  }
  return groups;
}

/** As it would be written: `libc6 (>= 2.36)`. */
export function formatRelation({ name, bound }: Relation): string {
  return bound === undefined ? name : `${name} (${bound.relation} ${bound.version})`;
}

/** `<` and `>` are ancient spellings of `<=` and `>=`. */
function strict(sign: string): VersionRelation {
  return sign === "<" ? "<=" : sign === ">" ? ">=" : (sign as VersionRelation);
}
