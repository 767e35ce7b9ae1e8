/** Words that begin a statement. None of them can be the name of a func. */
export const STATEMENT_WORDS: readonly string[] = [
  "var",
  "include",
  "func",
  "dictum",
  "run",
  "apply",
  "cd",
  "mount",
  "image",
  "source",
  "group",
];

/** Words that begin a section of a dictum. */
export const SECTION_WORDS: readonly string[] = [
  "in",
  "out",
  "up",
  "down",
  "import",
  "image",
  "exec",
  "attr",
  "tools",
  "timeout",
  "resources",
  "network",
  "depfile",
];

export const IMAGE_PARTS: readonly string[] = ["deb", "npm", "file", "oci", "from", "link", "env", "user"];
export const SOURCE_KINDS = ["deb-src", "npm", "url", "git"] as const;
export const FUNCTION_NAMES: readonly string[] = ["glob", "without", "basename", "dirname", "env", "read"];

const statementWords = new Set(STATEMENT_WORDS);
const sectionWords = new Set(SECTION_WORDS);

export function isStatementWord(text: string): boolean {
  return statementWords.has(text);
}

export function isSectionWord(text: string): boolean {
  return sectionWords.has(text);
}

/** Names that begat itself puts into every recipe's environment. */
export function isReservedName(name: string): boolean {
  return name === "in" || name === "out" || name === "depfile" || name.startsWith("BEGAT_");
}

/** The environment every recipe starts from, whatever its dictum says. */
export const BASE_VARIABLES: ReadonlySet<string> = new Set([
  "PATH",
  "HOME",
  "TMPDIR",
  "TZ",
  "LANG",
  "SOURCE_DATE_EPOCH",
]);
