import { type Sha256, WeighedMemory } from "../base/index.ts";
import type { ActionListing } from "./statement.ts";

/** Inputs in all remembered listings together: some 20 MB. */
const MOST_INPUTS = 100_000;

/**
 * Executions whose signature held, by the leaf hash of their record, with what their action says. A leaf hash covers all
 * that was signed and the signature, so it holds again for as long as the keys are the same.
 */
export class ProvenSignatures {
  readonly #listings = new WeighedMemory<ActionListing>(MOST_INPUTS);

  get(leaf: Sha256): ActionListing | undefined {
    return this.#listings.get(leaf);
  }

  set(leaf: Sha256, listing: ActionListing): void {
    this.#listings.set(leaf, listing, 1 + listing.inputs.length);
  }
}
