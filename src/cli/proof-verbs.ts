import { OPTIONS } from "./option.ts";
import type { VerbSpec } from "./verb-table.ts";

/** Verbs about proofs that leave this machine. */
export const PROOF_VERBS = {
  "prov prove": {
    summary: "write a proof of an artifact that others can check",
    usage: "ARTIFACT -o DIR",
    text: [
      "ARTIFACT is a path, a SHA-256, or the number of a record. DIR gets one file for `begat verify`, a page that checks it in a browser, the same facts for openssl, signify, minisign, Go, Sigstore and in-toto, and a README with their commands.",
      "The attestation gets a leaf of its own in the ledger, once, and a checkpoint is signed.",
    ],
    options: [
      { name: "output", short: "o", kind: "text", value: "DIR", text: "where to write; made if it is not there" },
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: { least: 1, most: 1, what: "ARTIFACT" },
    overrides: false,
    examples: [["begat prov prove prog -o prog-proof", ""]],
    verifies: true,
  },
  "prov sbom": {
    summary: "list what an artifact or an image consists of and was made from",
    usage: "ARTIFACT|IMAGE",
    text: [
      "ARTIFACT is a path or a SHA-256, IMAGE a name, image(NAME) or a config digest. A software bill of materials, from the records alone: packages, files, the executions between them, each with its record. The same records give the same bytes.",
      "What the records cannot tell is said on standard error and in the document: tools of the machine, recipes that might have seen more than they declared.",
    ],
    options: [
      {
        name: "format",
        kind: { oneOf: ["cyclonedx", "spdx"] },
        text: "CycloneDX 1.6 (default) or SPDX 3.0.1 JSON-LD",
      },
      { name: "output", short: "o", kind: "text", value: "FILE", text: "write it there, and say what is in it" },
      { name: "json", kind: "flag", text: "with -o: say what is in it as JSON" },
      ...OPTIONS.every,
    ],
    words: { least: 1, most: 1, what: "ARTIFACT or IMAGE" },
    overrides: false,
    examples: [
      ["begat prov sbom prog -o prog.cdx.json", ""],
      ["begat prov sbom 'image(gcc)' --format spdx", "of an image"],
    ],
    verifies: true,
  },
  verify: {
    summary: "check an artifact by its proof; needs no ledger",
    usage: "PROOF ARTIFACT | --page FILE",
    text: [
      "PROOF is a `.proof` file or the directory `begat prov prove` wrote. Works offline, without a checkout.",
      "A proof shows what a ledger says. Whether that ledger and its keys are to be believed, a policy says (docs/formats.md, Policies), or this user's own pin of the ledger; else nothing is proven, unless --trust-bundle-keys asks for it.",
    ],
    options: [
      { name: "policy", kind: "text", value: "FILE", text: "whom to believe, and what to ask for" },
      { name: "trust-bundle-keys", kind: "flag", text: "believe the keys in the proof, whoever they are of" },
      {
        name: "vsa",
        kind: "text",
        value: "FILE",
        text: "write a SLSA verification summary, signed by this user's key",
      },
      {
        name: "page",
        kind: "text",
        value: "FILE",
        text: "write the page that checks proofs in a browser, offline",
      },
      ...OPTIONS.json,
      ...OPTIONS.every,
    ],
    words: { least: 0, most: 2, what: "PROOF and ARTIFACT" },
    overrides: false,
    examples: [
      ["begat verify prog.proof prog --policy release.policy", ""],
      ["begat verify prog-proof/ prog --trust-bundle-keys", "trust at first use"],
      ["begat verify --page check.html", "for those without begat"],
    ],
    verifies: true,
  },
} as const satisfies Readonly<Record<string, VerbSpec>>;
