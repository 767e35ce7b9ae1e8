const PLACES: ReadonlySet<string> = new Set(["at", "end", "from", "to"]);

/** A syntax tree without its offsets: equal for two files that mean the same. */
export function withoutPlaces(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPlaces);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, member]) => !(PLACES.has(key) && typeof member === "number"))
      .map(([key, member]) => [key, withoutPlaces(member)]),
  );
}
