import type { PriorityClass } from "./events.ts";

/** Why a queued execution does not run yet. */
export type PendingReason =
  /** The leader was restarted and waits for these to tell what they hold. */
  | { readonly kind: "leader-restarted"; readonly rnodes: readonly string[]; readonly untilMs: number }
  | { readonly kind: "no-rnode" }
  | { readonly kind: "no-label"; readonly name: string; readonly value: string }
  | { readonly kind: "no-image"; readonly image: string }
  /** Each wish is met by some rnode, all together by none. */
  | { readonly kind: "no-rnode-has-all"; readonly labels: readonly string[] }
  | { readonly kind: "unreachable"; readonly rnodes: readonly string[] }
  | { readonly kind: "draining"; readonly rnodes: readonly string[] }
  | { readonly kind: "quarantined"; readonly rnodes: readonly string[]; readonly untilMs: number }
  | { readonly kind: "no-slot"; readonly rnodes: number; readonly slots: number }
  | { readonly kind: "behind-class"; readonly class: PriorityClass }
  /** Free slots are there, and kept for a build that somebody waits for. */
  | { readonly kind: "kept"; readonly slots: number }
  | { readonly kind: "fair-share"; readonly invocation: string; readonly running: number }
  /** Other chores of the same build have a longer way to its end. */
  | { readonly kind: "behind-rank"; readonly firstRankMs: number; readonly rankMs: number }
  /** Failed on the rnodes that are free, and goes there again then at the earliest. */
  | { readonly kind: "tried-there"; readonly rnodes: readonly string[]; readonly untilMs: number }
  /** They would not begin what they were given. */
  | { readonly kind: "refused-there"; readonly rnodes: readonly string[]; readonly untilMs: number };

/** Why an rnode was chosen among those with a free slot. */
export interface PlacementReason {
  readonly because: "only-one-free" | "least-missing-bytes" | "most-free-slots" | "fastest" | "first";
  readonly missingBytes: number;
  readonly inputBytes: number;
  /** Rnodes that had a free slot and what was asked for. */
  readonly candidates: number;
  readonly waitedMs: number;
  readonly rankMs: number;
}

const names = (rnodes: readonly string[]): string =>
  rnodes.length === 1
    ? `rnode ${rnodes[0]}`
    : `rnodes ${rnodes.slice(0, 5).join(", ")}${rnodes.length > 5 ? " ..." : ""}`;

const seconds = (ms: number): string => `${Math.max(0, Math.ceil(ms / 1000))} s`;

/** Completes "pending because ...". */
export function pendingText(reason: PendingReason, now: number): string {
  switch (reason.kind) {
    case "leader-restarted":
      return `the leader was restarted and waits up to ${seconds(reason.untilMs - now)} for ${names(reason.rnodes)} to say what runs there`;
    case "no-rnode":
      return "no rnode is connected";
    case "no-label":
      return `no rnode has label ${reason.name}=${reason.value}`;
    case "no-image":
      return `no rnode has image ${reason.image}`;
    case "no-rnode-has-all":
      return `no single rnode has all of ${reason.labels.join(", ")}`;
    case "unreachable":
      return `${names(reason.rnodes)} cannot be reached`;
    case "draining":
      return `${names(reason.rnodes)} ${reason.rnodes.length === 1 ? "takes" : "take"} no more work: draining`;
    case "quarantined":
      return `${names(reason.rnodes)} failed too often; next probe in ${seconds(reason.untilMs - now)}`;
    case "no-slot":
      if (reason.slots === 1) return "the one slot that could run it is taken";
      return `all ${reason.slots} slots of ${reason.rnodes === 1 ? "the rnode" : `the ${reason.rnodes} rnodes`} that could run it are taken`;
    case "kept":
      return `${reason.slots === 1 ? "the free slot is" : `the ${reason.slots} free slots are`} kept for interactive work`;
    case "behind-class":
      return `${reason.class} work goes first`;
    case "fair-share":
      return `it is another build's turn; ${reason.invocation} has ${reason.running} running`;
    case "behind-rank":
      return `chores of the same build with a longer way to its end go first (${seconds(reason.firstRankMs)}, this one ${seconds(reason.rankMs)})`;
    case "tried-there":
      return reason.untilMs > now
        ? `it failed on ${names(reason.rnodes)}; there again in ${seconds(reason.untilMs - now)}`
        : `it failed on ${names(reason.rnodes)} and waits for another one`;
    case "refused-there":
      return `${names(reason.rnodes)} refused what was assigned; asked again in ${seconds(reason.untilMs - now)}`;
  }
}

/** Completes "placed there because ...". */
export function placementText(reason: PlacementReason): string {
  const share = `${reason.missingBytes} of ${reason.inputBytes} input bytes are missing there`;
  switch (reason.because) {
    case "only-one-free":
      return `no other rnode had a free slot; ${share}`;
    case "least-missing-bytes":
      return `${share}, fewer than on ${reason.candidates - 1} other${reason.candidates === 2 ? "" : "s"} with a free slot`;
    case "most-free-slots":
      return `it had the most free slots; ${share}`;
    case "fastest":
      return `it is the fastest of ${reason.candidates}; ${share}`;
    case "first":
      return `${reason.candidates} rnodes were equally good; ${share}`;
  }
}
