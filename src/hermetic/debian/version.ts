/**
 * Orders two Debian versions: `[epoch:]upstream[-revision]`. Negative when `a` is the older.
 *
 * @see deb-version(7)
 */
export function compareDebianVersions(a: string, b: string): number {
  const x = split(a);
  const y = split(b);
  return x.epoch - y.epoch || compareParts(x.upstream, y.upstream) || compareParts(x.revision, y.revision);
}

export type VersionRelation = "<<" | "<=" | "=" | ">=" | ">>";

/** Whether `version` stands in `relation` to `bound`. */
export function satisfies(version: string, relation: VersionRelation, bound: string): boolean {
  const order = compareDebianVersions(version, bound);
  switch (relation) {
    case "<<":
      return order < 0;
    case "<=":
      return order <= 0;
    case "=":
      return order === 0;
    case ">=":
      return order >= 0;
    case ">>":
      return order > 0;
  }
}

function split(version: string): { readonly epoch: number; readonly upstream: string; readonly revision: string } {
  const colon = version.indexOf(":");
  const dash = version.lastIndexOf("-");
  const start = colon < 0 ? 0 : colon + 1;
  return {
    epoch: colon < 0 ? 0 : Number(version.slice(0, colon)),
    upstream: version.slice(start, dash < start ? undefined : dash),
    // No revision and revision 0 are equal, and so they are here: "" and "0" compare as equal numbers.
    revision: dash < start ? "" : version.slice(dash + 1),
  };
}

/** Takes turns: a stretch without digits, compared by `weight`, then a number, leading zeros not counted. */
function compareParts(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a, i)) || (j < b.length && !isDigit(b, j))) {
      const order = weight(a, i) - weight(b, j);
      if (order !== 0) return order;
      i++;
      j++;
    }
    while (a[i] === "0") i++;
    while (b[j] === "0") j++;
    let first = 0;
    for (; isDigit(a, i) && isDigit(b, j); i++, j++) first ||= a.charCodeAt(i) - b.charCodeAt(j);
    if (isDigit(a, i)) return 1;
    if (isDigit(b, j)) return -1;
    if (first !== 0) return first;
  }
  return 0;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

/** `~` before the end, the end (and a digit) before letters, letters before everything else. */
function weight(text: string, at: number): number {
  if (at >= text.length || isDigit(text, at)) return 0;
  const code = text.charCodeAt(at);
  if (code === 0x7e) return -1;
  const letter = (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
  return letter ? code : code + 256;
}
