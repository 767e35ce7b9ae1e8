export type { LeaderConnection } from "./leader-session.ts";
export { LeaseJournal } from "./lease-journal.ts";
export { Memoir } from "./memoir.ts";
export { memoirService } from "./memoir-service.ts";
export { type BringBlobs, Placing, type PlacingOptions, RefusedError, type RnodeImages } from "./placing.ts";
export { Rnode, type RnodeFigures, type RnodeOptions } from "./rnode.ts";
export type { TravailSigner } from "./travail.ts";
