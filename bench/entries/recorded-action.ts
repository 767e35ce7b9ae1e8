import { readAction } from "../../src/executor/index.ts";
import type { InputLister } from "../../src/provenance/index.ts";

/** Reads actions back from the manifests a ledger keeps, as begat does. */
export const lister: InputLister = (action, manifest) => {
  const listing = readAction(action, manifest);
  if (listing === undefined) throw new Error(`action ${action} lacks a manifest`);
  return listing;
};
