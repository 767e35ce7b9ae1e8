import type { Sha256 } from "../../base/index.ts";

/** What something consists of and what it was made from, by the records alone and in nobody's format yet. */
export interface Bill {
  /** Of `parts`, the one the bill is about. */
  readonly subject: string;
  /** Sorted by kind and name. */
  readonly parts: readonly BillPart[];
  /** Executions that made parts of it, by seq. */
  readonly steps: readonly BillStep[];
  /** Identity of the ledger. */
  readonly ledger: Sha256;
  readonly origin: string;
  /** When the subject was made, milliseconds since 1970. */
  readonly atMs: number;
  /** Why it may not be all; empty where every recipe saw nothing but what is listed. */
  readonly gaps: readonly string[];
}

/** A record that vouches for something. */
export interface BillRecord {
  readonly seq: number;
  readonly leaf: Sha256;
}

export interface BillPart {
  /** Unique in the bill, and the same in every bill that has this part. */
  readonly id: string;
  /** `host`: tools of a machine, known by one digest only. */
  readonly kind: "file" | "host" | "image" | "package";
  /** A path, a package's name, an image's. */
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
  /** Of the bytes. Of an image the config digest. A tree has none: what it is known by is no hash of any file. */
  readonly sha256?: Sha256;
  /** Where it is a directory: the digest of its REAPI Tree message. */
  readonly tree?: Sha256;
  /** Files it was received as, where these are several. */
  readonly files: readonly { readonly name: string; readonly sha256: Sha256 }[];
  readonly from: "built" | "ingested" | "source";
  /** Absent for sources: no record made them, the one that used them names them. */
  readonly record?: BillRecord;
}

/** One execution. Inputs and outputs are ids of parts, sorted. */
export interface BillStep extends BillRecord {
  readonly chore: string;
  readonly action: Sha256;
  readonly builder: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Id of the image or the host's tools it ran in; absent for what begat itself does. */
  readonly surroundings?: string;
}
