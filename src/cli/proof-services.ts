import type { ProofFacts } from "../provenance/index.ts";

/** What `prov prove` is asked for. */
export interface ProveRequest {
  /** Absolute; paths are taken from there. */
  readonly directory: string;
  /** A path, a SHA-256, or the number of a record. */
  readonly artifact: string;
  /** Absolute. Made if it is not there. */
  readonly output: string;
}

export interface ProveView {
  readonly path: string;
  readonly hash: string;
  readonly seq: number;
  /** Records in the ledger when its checkpoint was signed. */
  readonly size: number;
  readonly directory: string;
  readonly files: readonly string[];
  /** The file that says it all, and its size. */
  readonly proof: string;
  readonly proofBytes: number;
  readonly ledger: string;
  /** Seq of the attestation's own leaf, and whether it was put there now. */
  readonly attestation: { readonly seq: number; readonly appended: boolean };
  /** Whether somebody else holds this ledger's size and root. */
  readonly witnessed: boolean;
}

export interface VerifyRequest {
  /** Absolute: a `.proof` file, or the directory of one. */
  readonly bundle: string;
  /** Absolute; the file to be proven. */
  readonly artifact: string;
  readonly policy: string | undefined;
  /** Where to write a verification summary. */
  readonly vsa: string | undefined;
  readonly trustBundleKeys: boolean;
}

export interface VerifyView {
  readonly verdict: "holds" | "not proven" | "tampered" | "rolled back" | "could not check";
  /** What is wrong; empty where it holds. */
  readonly problems: readonly string[];
  /** Absent where nothing is shown. */
  readonly shown: ProofFacts | undefined;
  readonly vouchedBy: "policy" | "own ledger" | "bundle keys" | undefined;
  /** The summary that was written, and the key that signed it; `undefined` for one without a signature. */
  readonly vsa: { readonly path: string; readonly signedBy: string | undefined } | undefined;
}

/** The page that checks proofs in a browser, as it was written. */
export interface PageView {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  /** Of begat: the same version writes the same bytes. */
  readonly version: string;
}

export type SbomFormat = "cyclonedx" | "spdx";

export interface SbomRequest {
  /** Absolute; paths are taken from there. */
  readonly directory: string;
  /** A path, a SHA-256, or an image: its name, `image(NAME)` or its digest. */
  readonly subject: string;
  readonly format: SbomFormat;
  /** Absolute: where to write it; `undefined`: nowhere. */
  readonly output: string | undefined;
}

/** A bill of materials, and what is in it. */
export interface SbomView {
  readonly subject: string;
  readonly hash: string;
  readonly format: SbomFormat;
  readonly packages: number;
  readonly files: number;
  readonly images: number;
  readonly executions: number;
  /** Why it may not be all. */
  readonly gaps: readonly string[];
  readonly path: string | undefined;
  /** The document itself. */
  readonly text: string;
}

export interface ProofServices {
  sbom(request: SbomRequest): Promise<SbomView>;
  prove(request: ProveRequest): Promise<ProveView>;
  /** @param output Absolute. */
  verifyPage(output: string): Promise<PageView>;
  verify(request: VerifyRequest): Promise<VerifyView>;
}
