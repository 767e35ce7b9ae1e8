import type { BuildEvent, Decision } from "../../scheduler/index.ts";
import { oneLine } from "./sanitise.ts";

export type PlannedDecision = Extract<BuildEvent, { type: "chore-planned" }>["decision"];

/** `input changed: include/x.h`: why a chore is executed, for the end of a line. */
export function reasonText(decision: PlannedDecision): string {
  return oneLine(reason(decision));
}

/** `, on the farm: no slot was free here`; nothing where there is no farm. */
export function placeText(place: Extract<BuildEvent, { type: "chore-started" }>["place"]): string {
  if (place === undefined) return "";
  return oneLine(`, ${place.on === "farm" ? "on the farm" : "here"}: ${place.because}`);
}

function reason(decision: PlannedDecision): string {
  switch (decision.reason) {
    case "settled":
      return "up to date";
    case "cached":
      return `cached (record ${decision.seq}${decision.rnode === undefined ? "" : `, from ${decision.rnode}`})`;
    case "input changed":
    case "unused input changed":
      return `${decision.reason}: ${decision.input}`;
    case "image changed":
      return "image changed";
    case "variable changed":
      return `variable changed: ${decision.name}`;
    case "declaration changed":
      return `declaration changed: ${decision.what}`;
    case "evicted":
      return `evicted: ${decision.output}`;
    case "untrusted":
    case "quarantined":
      return `${decision.reason}: ${decision.because}`;
    case "maybe":
      return `perhaps, after ${decision.after}`;
    case "new":
    case "recipe changed":
    case "forced":
    case "volatile":
    case "challenge":
      return decision.reason;
  }
}

/** The same with what it was and what it is, where that is known: for failures and `begat why`. */
export function reasonInFull(decision: Decision): string {
  const text = reasonText(decision);
  if ("from" in decision) {
    const change = `${shortValue(decision.from)} -> ${shortValue(decision.to)}`;
    return `${text} (${change}${sinceText("was" in decision ? decision.was : decision.seq)})`;
  }
  if ("was" in decision && decision.was !== undefined) return `${text} (since record ${decision.was})`;
  return text;
}

function sinceText(was: number | undefined): string {
  return was === undefined ? "" : `, since record ${was}`;
}

/** A digest is shown by its first 12 digits, a long value by its start, an empty one as `""`. */
export function shortValue(value: string): string {
  if (/^[0-9a-f]{64}$/.test(value)) return value.slice(0, 12);
  const line = oneLine(value);
  if (line === "") return '""';
  return line.length <= 60 ? line : `${line.slice(0, 57)}...`;
}
