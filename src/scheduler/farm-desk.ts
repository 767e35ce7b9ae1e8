import { explain } from "../base/index.ts";
import type { ExecutionRequest, Executor } from "../executor/index.ts";
import type { EventListener } from "./events.ts";
import { boundHere, type Place } from "./place.ts";
import type { Plan } from "./plan.ts";
import type { BuildRooms, Farm } from "./rooms.ts";

/** Chores being staged or collected beyond those whose recipes run. */
export const STAGED_AHEAD = 2;
/**
 * What takes less than this, milliseconds, is not sent: telling a farm of it and taking what comes back keeps this machine
 * busy for longer than executing it does.
 */
const WORTH_SENDING_MS = 25;

/**
 * What a recipe would take on an idle machine, milliseconds. On a busy one most of a short one's wall time is waiting for a
 * processor, so half as much again as its processor time is allowed. One that waits for something else, as a download
 * does, is worth sending however little it computes.
 */
function effortOf(durationMs: number, cpuMs: number | undefined): number {
  return cpuMs === undefined ? durationMs : Math.min(durationMs, Math.max(1.5 * cpuMs, durationMs / 4));
}

/** Executions of one chore that the farm may spoil before it runs here. */
const TRIES = 2;

/**
 * Decides for one build where each chore runs. What may run elsewhere takes a free slot of this machine first, since its
 * inputs are here, and else goes to the farm; what neither has room for waits, so that who is free first takes it.
 */
export class FarmDesk {
  readonly #plan: Plan;
  readonly #rooms: Pick<BuildRooms, "farm">;
  readonly #jobs: number;
  readonly #listener: EventListener;
  readonly #recordedMs: ArrayLike<number>;
  /** By dictum: what its chores that ran here took so far in this build. */
  readonly #took = new Map<string, { wallMs: number; effortMs: number; count: number }>();
  readonly #traits = new Map<number, { readonly dictum: string; readonly because: string | undefined }>();
  readonly #spoilt = new Map<number, number>();
  /** Chores that are to run here, and why. */
  readonly #bound = new Map<number, string>();
  /** Kinds of chores that the farm does not isolate well enough, and how. */
  readonly #weak = new Map<string, string>();
  #farm: Farm | undefined;
  #opening: Promise<void> | undefined;
  #gone: string | undefined;
  #running = 0;
  #here = 0;

  /**
   * @param jobs Recipes at once on this machine; 0: only what cannot run elsewhere.
   * @param recordedMs What each chore took the last time; 0 where that is not known.
   */
  constructor(
    plan: Plan,
    rooms: Pick<BuildRooms, "farm">,
    jobs: number,
    recordedMs: ArrayLike<number>,
    listener: EventListener,
  ) {
    this.#plan = plan;
    this.#recordedMs = recordedMs;
    this.#rooms = rooms;
    this.#jobs = jobs;
    this.#listener = listener;
  }

  /** Asks for the farm, once: when the first chore is to be executed. One that cannot be had is said, and done without. */
  open(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<void> {
    if (this.#rooms.farm === undefined) return;
    try {
      this.#farm = await this.#rooms.farm();
    } catch (error) {
      this.#lose(explain(error));
    }
  }

  /** Chores that may be decided beyond what runs here. */
  get places(): number {
    return this.#farm === undefined || this.#gone !== undefined ? 0 : this.#farm.slots;
  }

  get executor(): Executor | undefined {
    return this.#farm?.executor;
  }

  /** Why the chore can run nowhere: the farm is gone, and this machine was to execute nothing for it. */
  deadEnd(chore: number): string | undefined {
    return this.#jobs > 0 || this.#plan.has(chore, "image") ? undefined : this.#gone;
  }

  /** Where the chore runs if it is started now; `undefined`: it waits. */
  place(chore: number, request: ExecutionRequest): Place | undefined {
    const freeHere = (jobs: number) => this.#here < jobs + STAGED_AHEAD;
    if (this.#rooms.farm === undefined) return freeHere(this.#jobs) ? { on: "here", because: "" } : undefined;
    const because = this.#boundHere(chore, request);
    if (because !== undefined) return freeHere(Math.max(1, this.#jobs)) ? { on: "here", because } : undefined;
    if (this.#jobs > 0 && freeHere(this.#jobs)) return { on: "here", because: "a slot was free here" };
    if (this.#running >= this.places) return undefined;
    if (this.#jobs > 0 && this.#expectedMs(chore) < WORTH_SENDING_MS) return undefined;
    const reason = this.#jobs === 0 ? "nothing that can go there runs here" : "no slot was free here";
    return { on: "farm", because: reason };
  }

  #boundHere(chore: number, request: ExecutionRequest): string | undefined {
    const farm = this.#farm;
    if (farm === undefined || this.#gone !== undefined) return this.#gone ?? "there is no farm";
    return (
      this.#bound.get(chore) ??
      this.#traitsOf(chore, request).because ??
      this.#weak.get(this.#kindOf(chore)) ??
      farm.refuses(request)
    );
  }

  #traitsOf(chore: number, request: ExecutionRequest) {
    const known = this.#traits.get(chore);
    if (known !== undefined) return known;
    const facts = this.#plan.chore(chore);
    const traits = { dictum: facts.dictum, because: boundHere(this.#plan, chore, facts, request) };
    this.#traits.set(chore, traits);
    return traits;
  }

  /**
   * By its own record, of wall time, in so far as others of its dictum had a use for theirs in this build; without a record
   * by what those took. Unknown is long enough.
   */
  #expectedMs(chore: number): number {
    const recorded = this.#recordedMs[chore] ?? 0;
    const took = this.#took.get(this.#traits.get(chore)?.dictum ?? "");
    if (took === undefined) return recorded > 0 ? recorded : Number.POSITIVE_INFINITY;
    return recorded > 0 ? recorded * (took.effortMs / took.wallMs) : took.effortMs / took.count;
  }

  /**
   * Takes note of what a chore took: wall time and, where that is known, processor time of its recipe. What it takes elsewhere
   * says little of what it would take here.
   */
  took(chore: number, durationMs: number, cpuMs: number | undefined, isElsewhere: boolean): void {
    const traits = this.#traits.get(chore);
    this.#traits.delete(chore);
    if (traits === undefined || isElsewhere) return;
    const { wallMs, effortMs, count } = this.#took.get(traits.dictum) ?? { wallMs: 0, effortMs: 0, count: 0 };
    const effort = effortOf(durationMs, cpuMs);
    this.#took.set(traits.dictum, { wallMs: wallMs + durationMs, effortMs: effortMs + effort, count: count + 1 });
  }

  started({ on }: Place): void {
    if (on === "farm") this.#running++;
    else this.#here++;
  }

  ended({ on }: Place): void {
    if (on === "farm") this.#running--;
    else this.#here--;
  }

  /** The farm gave no result that counts: the chore is placed anew. */
  spoilt(chore: number, code: "gone" | "refused" | "untrusted" | "too-weak", because: string): void {
    const label = this.#plan.label(chore);
    switch (code) {
      case "gone":
        this.#lose(because);
        return;
      case "too-weak":
        this.#weak.set(this.#kindOf(chore), because);
        this.#notice("FARM_TOO_WEAK", `${label} is executed again here: ${because}`);
        return;
      case "refused":
        this.#bound.set(chore, `the farm did not execute it: ${because}`);
        this.#notice("FARM_REFUSED", `${label} is executed here: ${because}`);
        return;
      case "untrusted": {
        const tries = (this.#spoilt.get(chore) ?? 0) + 1;
        this.#spoilt.set(chore, tries);
        this.#notice("FARM_UNTRUSTED", `${because}; the result is not used`);
        if (tries >= TRIES) this.#bound.set(chore, `the farm proved none of ${tries} results`);
      }
    }
  }

  #kindOf(chore: number): string {
    return this.#plan.runsOnHost(chore) ? "host" : "image";
  }

  #lose(because: string): void {
    if (this.#gone !== undefined) return;
    this.#gone = `the farm is gone: ${because}`;
    const rest = this.#jobs === 0 ? "nothing may run here instead" : "what is left runs here";
    this.#notice("FARM_GONE", `${because}; ${rest}`);
  }

  #notice(code: string, message: string): void {
    this.#listener({ type: "notice", severity: "warning", code, message, hint: undefined });
  }
}
