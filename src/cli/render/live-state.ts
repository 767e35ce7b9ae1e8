import type { BuildEvent } from "../../scheduler/index.ts";
import { formatCount, formatDuration } from "../quantity.ts";
import { placeText, reasonText } from "./reason.ts";
import { oneLine } from "./sanitise.ts";
import { position, type Tally } from "./tally.ts";

/** A line of the live view: pieces with a tone each; the view cuts what does not fit. */
export interface LiveRow {
  readonly key: string;
  readonly pieces: readonly { readonly text: string; readonly tone: "plain" | "dim" | "bold" | "bad" | "warn" }[];
}

interface Running {
  readonly label: string;
  readonly reason: string;
  readonly startedMs: number;
  readonly expectedMs: number | undefined;
  readonly isAtFarm: boolean;
}

/** Rows at most, however high the terminal is: nobody reads more at ten pictures a second. */
const MOST_ROWS = 16;
const ELAPSED_WIDTH = 6;

/** What is going on right now. Cheap to feed (10,000 events a second); laid out only when a picture is due. */
export class LiveState {
  readonly #running = new Map<number, Running>();
  readonly #fetching = new Map<string, { readonly what: string; readonly startedMs: number }>();
  readonly #tally: Tally;
  readonly #startedMs: number;
  #remaining: { readonly ms: number; readonly atMs: number } | undefined;
  #waitingFor: string | undefined;
  #cancelling = false;

  /** @param nowMs Monotonic, as every time here. */
  constructor(tally: Tally, nowMs: number) {
    this.#tally = tally;
    this.#startedMs = nowMs;
  }

  /** Call after the tally has counted the event. */
  apply(event: BuildEvent, nowMs: number): void {
    switch (event.type) {
      case "waiting":
        this.#waitingFor = event.pid === undefined ? "another build" : `the build of process ${event.pid}`;
        return;
      case "build-started":
        this.#waitingFor = undefined;
        // What was fetched to make the plan.
        this.#fetching.clear();
        return;
      case "fetching":
        this.#fetching.set(event.name, { what: oneLine(event.what), startedMs: nowMs });
        return;
      case "fetched":
        this.#fetching.delete(event.name);
        return;
      case "chore-started":
        this.#running.set(event.chore.index, {
          label: event.chore.label,
          reason: reasonText(event.decision) + placeText(event.place),
          startedMs: nowMs,
          expectedMs: event.expectedMs,
          isAtFarm: event.place?.on === "farm",
        });
        return;
      case "chore-finished":
      case "chore-cached":
      case "chore-skipped":
        this.#ended(event.chore);
        return;
      case "chore-failed":
        this.#ended(event.failure.chore);
        return;
      case "progress":
        this.#remaining = event.remainingMs === undefined ? undefined : { ms: event.remainingMs, atMs: nowMs };
        return;
    }
  }

  #ended({ index, label }: { readonly index: number; readonly label: string }): void {
    this.#running.delete(index);
    // An image's packages are fetched while it is made, and nobody says when that is done.
    const [, image] = /^image\((.+)\)$/.exec(label) ?? [];
    if (image !== undefined) this.#fetching.delete(image);
  }

  cancel(): void {
    this.#cancelling = true;
  }

  /**
   * The picture: what runs, longest first, then one line of counts. Never higher than `rows - 1`, so that nothing
   * begat wrote above is ever scrolled away by redrawing; no line is wider than `columns - 1`.
   */
  layout(nowMs: number, columns: number, rows: number): readonly LiveRow[] {
    const width = Math.max(10, columns - 1);
    const room = Math.max(0, Math.min(MOST_ROWS, rows - 3));
    const all: LiveRow[] = [];
    for (const [name, { what, startedMs }] of this.#fetching) {
      all.push(workRow(`fetch ${name}`, `fetching ${oneLine(name)}`, what, nowMs - startedMs, undefined, width));
      if (all.length > room) break;
    }
    // Insertion order is starting order: the oldest stay on top and do not jump about.
    for (const [index, chore] of this.#running) {
      if (all.length > room) break;
      const label = oneLine(chore.label);
      all.push(workRow(`chore ${index}`, label, chore.reason, nowMs - chore.startedMs, chore.expectedMs, width));
    }
    const shown = all.slice(0, room);
    const hidden = this.#running.size + this.#fetching.size - shown.length;
    return [...shown, this.#status(nowMs, width, hidden)];
  }

  #status(nowMs: number, width: number, hidden: number): LiveRow {
    if (this.#waitingFor !== undefined) {
      const text = `waiting for ${this.#waitingFor}  ${formatDuration(nowMs - this.#startedMs)}`;
      return { key: "status", pieces: [{ text, tone: "bold" }] };
    }
    const tally = this.#tally;
    const head = tally.planned === 0 ? (this.#fetching.size > 0 ? "fetching" : "planning") : position(tally);
    const pieces: LiveRow["pieces"][number][] = [{ text: head, tone: "bold" }];
    let left = width - head.length;
    // In the order of their worth: a narrow terminal loses the last ones.
    const add = (text: string, tone: LiveRow["pieces"][number]["tone"], join: string) => {
      left -= text.length + join.length;
      if (left >= 0) pieces.push({ text: join + text, tone });
    };
    if (this.#cancelling) add("cancelling", "warn", " ");
    if (tally.failures.length > 0) add(`${formatCount(tally.failures.length)} failed`, "bad", " ");
    if (this.#running.size > 0) {
      const more = hidden > 0 ? ` (${formatCount(hidden)} not shown)` : "";
      add(`${this.#whereText()}${more}`, "plain", pieces.length > 1 ? ", " : " ");
    }
    add(formatDuration(nowMs - this.#startedMs), "plain", "  ");
    const remaining = this.#remainingMs(nowMs);
    if (remaining !== undefined && !this.#cancelling) add(`about ${formatDuration(remaining)} left`, "plain", ", ");
    if (tally.cached > 0) add(`${formatCount(tally.cached)} cached`, "dim", ", ");
    return { key: "status", pieces };
  }

  /** Those at a farm apart: it says nothing of which of them are still queued there. */
  #whereText(): string {
    const { size } = this.#running;
    let away = 0;
    for (const { isAtFarm } of this.#running.values()) if (isAtFarm) away++;
    const here = size > away ? [`${formatCount(size - away)} running`] : [];
    return [...here, ...(away > 0 ? [`${formatCount(away)} at the farm`] : [])].join(", ");
  }

  /** The scheduler's estimate less the time since; a second at least, since "0.00s left" would be a lie. */
  #remainingMs(nowMs: number): number | undefined {
    if (this.#remaining === undefined) return undefined;
    const ms = this.#remaining.ms - (nowMs - this.#remaining.atMs);
    return Math.max(1000, Math.round(ms / 1000) * 1000);
  }
}

function workRow(
  key: string,
  label: string,
  reason: string,
  elapsedMs: number,
  expectedMs: number | undefined,
  width: number,
): LiveRow {
  const elapsed = `${formatDuration(elapsedMs).padStart(ELAPSED_WIDTH)}  `;
  const pieces: LiveRow["pieces"][number][] = [
    { text: elapsed, tone: "plain" },
    { text: cutInside(label, width - elapsed.length), tone: "plain" },
  ];
  // Worth a word only when it is out of the ordinary.
  if (expectedMs !== undefined && elapsedMs > 5000 && elapsedMs > 2 * expectedMs) {
    pieces.push({ text: `  usually ${formatDuration(expectedMs)}`, tone: "warn" });
  }
  if (reason !== "") pieces.push({ text: `  ${reason}`, tone: "dim" });
  return { key, pieces };
}

/** A label loses its middle: the dictum stands at its start, the file's name at its end. */
function cutInside(label: string, width: number): string {
  if (label.length <= width) return label;
  const start = Math.max(1, Math.floor((width - 1) / 3));
  return `${label.slice(0, start)}…${label.slice(label.length - Math.max(0, width - 1 - start))}`;
}
