import type { Sha256 } from "../base/index.ts";
import type { Ledger } from "./ledger.ts";

/** A manifest that a record names. */
interface Expected {
  readonly seq: number;
  readonly hash: Sha256;
  readonly what: string;
}

/** Manifests looked for at once. */
const BATCH = 256;

/** Looks whether the manifests that records name are there and of their hashes, many at a time. */
export class ManifestCheck {
  readonly #ledger: Ledger;
  readonly #oneByOne: (seq: number, hash: Sha256, what: string) => void;
  #expected: Expected[] = [];

  /** @param oneByOne Looks for each where it is not so that all are there. */
  constructor(ledger: Ledger, oneByOne: (seq: number, hash: Sha256, what: string) => void) {
    this.#ledger = ledger;
    this.#oneByOne = oneByOne;
  }

  expect(seq: number, hash: Sha256, what: string): void {
    this.#expected.push({ seq, hash, what });
    if (this.#expected.length === BATCH) this.finish();
  }

  /** Looks for those that were expected and not yet looked for. */
  finish(): void {
    const expected = this.#expected;
    this.#expected = [];
    if (expected.length === 0 || this.#areThere(expected)) return;
    for (const { seq, hash, what } of expected) this.#oneByOne(seq, hash, what);
  }

  #areThere(expected: readonly Expected[]): boolean {
    try {
      return this.#ledger.hasManifests(expected.map(({ hash }) => hash));
    } catch {
      // Whatever it is, it belongs to one of them.
      return false;
    }
  }
}
