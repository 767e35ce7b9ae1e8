import { sha256 } from "../../src/base/index.ts";
import {
  type ControlBody,
  type ExecBody,
  NO_RECORD,
  type RecordBody,
  signExecution,
  signerFromSeed,
} from "../../src/provenance/index.ts";
import { failed, sketchChore } from "./recorded-chore.ts";

/** Where the records below stand, each as if it were the only one. */
export const frame = { log: "shire/ledger/1", seq: 7, prev: NO_RECORD, atMs: 1_767_225_600_123 };
export const signer = signerFromSeed(Buffer.alloc(32, 2), "rnode", "frodo");

/** A travail of the kind most records are. */
export function execBody(): ExecBody {
  const chore = sketchChore({ props: { VERSION: "1.0" }, why: { r: "input changed", was: 3, what: "a.h" } });
  return signExecution(chore.facts, chore.listing, frame.log, signer);
}

/** One record of each kind that builds make, and two of executions. */
export function buildRecords(): readonly RecordBody[] {
  const failure = failed(sketchChore());
  return [
    { kind: "genesis", cluster: "shire", keys: [signer.entry], policy: "" },
    {
      kind: "build.begin",
      build: "b",
      goal: ["all"],
      plan: { n: 1, root: sha256("") },
      vars: { "C++": "g++", CC: "gcc" },
      who: "me",
      source: { git: "abc" },
    },
    execBody(),
    signExecution(failure.facts, failure.listing, frame.log, signer),
    { kind: "hits", build: "b", n: 0, root: sha256("[]") },
    {
      kind: "build.end",
      build: "b",
      begin: 1,
      n: { exec: 1, hit: 0, fail: 0, skip: 0, settled: 0 },
      outcome: "ok",
      artifacts: [{ p: "a", d: sha256("a") }],
    },
    {
      kind: "ingest",
      name: "lua",
      uri: "deb-src:lua5.4",
      version: "5.4",
      files: [{ p: "f", d: sha256("f"), n: 1 }],
      by: "me",
    },
  ];
}

/** Members that say who decided; the signature is none. */
export const authority = {
  by: signer.key,
  at: 7,
  before: 0,
  nonce: "00112233445566778899aabbccddeeff",
  bysig: Buffer.alloc(64, 1).toString("base64"),
} satisfies Partial<ControlBody>;

/** One record of each kind that tells of no build. */
export function controlRecords(): readonly RecordBody[] {
  const pop = Buffer.alloc(64, 2).toString("base64");
  const digest = sha256("x");
  return [
    { kind: "key.endorse", subject: signer.entry, pop, ...authority },
    { kind: "key.rotate", role: "rnode", old: digest, new: signer.entry, pop, until: 9, ...authority },
    { kind: "key.revoke", id: digest, fromSeq: 3, reason: "lost", ...authority },
    {
      kind: "quarantine",
      target: { t: "image", is: "sha256:9f86" },
      fromSeq: 0,
      toSeq: 9,
      reason: "bad",
      ...authority,
    },
    { kind: "release", of: 3, reason: "good again", ...authority },
    { kind: "property", subject: "frodo", name: "may", value: "walk", evidence: digest, ...authority },
    {
      kind: "restore",
      lost: { size: 9, root: digest },
      size: 7,
      root: digest,
      reason: "the disk broke",
      ...authority,
    },
    { kind: "recovery", size: 7, reason: "a torn record" },
  ];
}
