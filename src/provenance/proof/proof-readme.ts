/** What the README of an exported proof says. */
export interface ReadmeFacts {
  /** Beginning of the names of files about this artifact. */
  readonly name: string;
  /** Workspace path and file name of the artifact. */
  readonly path: string;
  readonly fileName: string;
  readonly sha256: string;
  readonly origin: string;
  readonly identity: string;
  readonly size: number;
  readonly seq: number;
  readonly rnodeKey: string;
  readonly builder: string;
  readonly level: string;
  readonly complete: boolean;
  /** Whether layout and link were made: only where both keys are at hand. */
  readonly classic: boolean;
  /** Names of files: bills of materials. */
  readonly bills: readonly string[];
  /** The page that checks proofs in a browser. */
  readonly page: { readonly name: string; readonly sha256: string } | undefined;
}

/** One word of a shell, whatever is in it. */
const quoted = (word: string): string =>
  /^[A-Za-z0-9_./+-]+$/.test(word) && !word.startsWith("-") ? word : `'${word.replaceAll("'", "'\\''")}'`;

const shell = (...lines: readonly string[]): string => `\`\`\`sh\n${lines.join("\n")}\n\`\`\`\n`;

/** In Markdown code: backticks and line feeds would end it. */
const code = (text: string): string => `\`${text.replace(/[`\r\n]/g, "?")}\``;

/**
 * How to check the proof without begat, each tool with its command. Every `sh` block is run as it stands by the tests, in
 * the directory of the proof and with ARTIFACT set.
 */
export function proofReadme(facts: ReadmeFacts): string {
  const { name, fileName } = facts;
  const complete = facts.complete
    ? "The sandbox showed the recipe nothing but the inputs that are listed."
    : "The inputs listed may not be all: the sandbox did not enforce it.";
  const sections = [
    `# Proof of ${code(facts.path)}

SHA-256 ${code(facts.sha256)}, made by the execution at record ${facts.seq} of ledger ${code(facts.origin)}, which had
${facts.size} records when its checkpoint was signed. Builder ${code(facts.builder)}, level ${facts.level}. ${complete}

Everything below works offline. What no tool can tell from these files is whether the keys are the right ones: compare
them with what you know from elsewhere.

| | |
|---|---|
| identity of the ledger | ${code(facts.identity)} |
| key of the rnode that executed | ${code(facts.rnodeKey)} (SHA-256 of the SPKI DER of ${code("rnode.pub")}) |
| key of the ledger | ${code("log.vkey")}, the same as ${code("log.pub")} |

A single user's own ledger is SLSA Build L1, whatever is signed. A proof cannot show that a key was not revoked after its
checkpoint was signed; ask the ledger.

The commands run in this directory. Say first which file is meant:

\`\`\`
export ARTIFACT=/where/you/have/${fileName.replace(/[`\r\n]/g, "?")}
\`\`\`
`,
    `## begat

${code("begat.policy")} accepts this ledger, key and builder; read it before you use it.

${shell(`begat verify ${quoted(`${name}.proof`)} "$ARTIFACT" --policy begat.policy`)}`,
    ...(facts.page === undefined ? [] : [browserSection(facts.page, name)]),
    `## openssl

The statement (in-toto, SLSA provenance v1) as it was signed, and that it names the artifact; then the ledger's checkpoint.

${shell(
  `openssl pkeyutl -verify -rawin -pubin -inkey rnode.pub -in ${quoted(`${name}.pae`)} -sigfile ${quoted(`${name}.sig`)}`,
  `sed 's/.*"subject"://' ${quoted(`${name}.pae`)} | grep -qF "\\"sha256\\":\\"$(sha256sum < "$ARTIFACT" | cut -c1-64)\\""`,
  `head -n 3 checkpoint | cmp - checkpoint.text`,
  `openssl pkeyutl -verify -rawin -pubin -inkey log.pub -in checkpoint.text -sigfile checkpoint.text.ed25519`,
)}`,
    `## signify, minisign

The ledger's checkpoint again.

${shell("signify-openbsd -V -p log.signify.pub -m checkpoint.text -x checkpoint.text.sig")}
${shell("minisign -V -p log.minisign.pub -m checkpoint.text")}`,
    `## Go

That the record of the execution stands in the ledger. ${code("check.go")} uses golang.org/x/mod/sumdb (Debian:
golang-go, golang-golang-x-mod-dev).

${shell(
  `GO111MODULE=off GOPATH=/usr/share/gocode go run check.go log.vkey ${quoted(`${name}.tlog-proof`)} ${quoted(`${name}.record`)}`,
)}`,
    `## Sigstore

The statement, its entry in the ledger and the checkpoint, after ${code("npm install @sigstore/bundle@4.0.0 @sigstore/verify@3.1.1")}.

${shell(`node check.mjs ${quoted(`${name}.sigstore.json`)} trusted-root.json rnode.pub "$ARTIFACT"`)}`,
  ];
  if (facts.bills.length > 0) sections.push(billsSection(facts.bills));
  if (facts.classic) {
    sections.push(`## in-toto

A layout that accepts one step by the rnode's key, and the artifact as its product. The inspection wants a directory with
nothing else in it.

${shell(
  "here=$PWD",
  "alone=$(mktemp -d)",
  `cp "$ARTIFACT" "$alone"/${quoted(fileName)}`,
  'cd "$alone"',
  'in-toto-verify --layout "$here"/root.layout --layout-keys "$here"/layout-key.json --key-types ed25519 --link-dir "$here"',
)}`);
  } else {
    sections.push(`## in-toto

There is no in-toto layout: the key of the rnode that executed is not on the machine that wrote this.
`);
  }
  return sections.join("\n");
}

const billsSection = (names: readonly string[]): string => `## Bill of materials

${names.map(code).join(" (CycloneDX 1.6) and ")} (SPDX 3.0.1) list what the artifact was made from and in which images, down to
sources and packages. They carry no signature: each part names the record of the ledger that vouches for it.
`;

/** A page that came with the proof can be as false as the proof: it is worth what its SHA-256 is compared with. */
const browserSection = (page: { readonly name: string; readonly sha256: string }, name: string): string => `## A browser

Open ${code(page.name)} and drop ${code(`${name}.proof`)}, the artifact and a policy on it. It connects to nothing. Everybody's
begat of this version has the same page: where it matters, take yours from ${code("begat verify --page FILE")}, or compare

${code(`${page.sha256}  ${page.name}`)}
`;
