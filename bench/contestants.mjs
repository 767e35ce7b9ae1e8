// begat and its peer, each with the same three questions: build here, forget everything, is that so.

import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";

/** Both tools run this many chores at once. */
export const JOBS = 2;

const PATH = "/usr/local/bin:/usr/bin:/bin";

/**
 * How begat is asked to build. Naming an executor means having it looked at, so begat cannot answer from stats alone that
 * there is nothing to do; `usual` is what a user types, and `any` is that for results made without a sandbox.
 */
const HOW = {
  process: ["--executor", "process"],
  bubblewrap: ["--executor", "bubblewrap"],
  usual: [],
  any: ["--min-isolation", "none"],
};

/** A tool in one workspace. */
class Contestant {
  #moved = 0;
  /** Few files that take much room are really removed when they are put aside. */
  isLarge = false;

  /** @param {import("./measured-process.mjs").MeasuredProcesses} processes */
  constructor(processes, workspace, outputs) {
    this.processes = processes;
    this.workspace = workspace;
    this.outputs = outputs;
  }

  /**
   * Moves `names` out of the workspace instead of removing them. ext4 does not use the inode of a file again within
   * minutes of its removal, and looks at every such inode whenever it makes a file: after thousands of removals making
   * one takes 0.5 ms instead of 0.03 ms, and what is measured is the benchmark's own tidiness.
   */
  putAside(...names) {
    const grave = join(this.grave, `${this.#moved++}`);
    mkdirSync(grave, { recursive: true });
    for (const name of names) {
      const full = join(this.workspace, name);
      if (existsSync(full)) renameSync(full, join(grave, basename(full)));
    }
    if (this.isLarge) rmSync(grave, { recursive: true, force: true });
  }

  get grave() {
    return `${this.workspace}.aside`;
  }

  removeOutputs() {
    this.putAside(...this.outputs);
  }
}

/** begat with a state home and a cache home of its own. */
export class Begat extends Contestant {
  #command;
  #homes;
  #lives = 0;

  /** @param command How this begat is started, e.g. `["node", ".../begat.cjs"]`. */
  constructor(processes, workspace, outputs, command) {
    super(processes, workspace, outputs);
    this.#command = command;
    this.#homes = `${workspace}.homes0`;
    mkdirSync(this.#homes);
  }

  get env() {
    return {
      PATH,
      HOME: join(this.#homes, "home"),
      BEGAT_STATE_HOME: join(this.#homes, "state"),
      BEGAT_CACHE_HOME: join(this.#homes, "cache"),
    };
  }

  /** @param {"process" | "bubblewrap" | "usual" | "any"} how */
  build(how, ...words) {
    const command = [...this.#command, "build", `-j${JOBS}`, ...HOW[how], ...words];
    const measured = this.processes.run(command, { directory: this.workspace, env: this.env });
    return { ...measured, counts: () => countsOf(measured.output) };
  }

  version() {
    return this.processes.run([...this.#command, "--version"], { directory: this.workspace, env: this.env });
  }

  /** As if begat had never been on this machine. */
  forget() {
    this.putAside(...this.outputs, ".begat");
    if (this.isLarge) rmSync(this.#homes, { recursive: true, force: true });
    this.#homes = `${this.workspace}.homes${++this.#lives}`;
    mkdirSync(this.#homes);
  }
}

/** What the last line of a build says; `nothing` when there was nothing to do. */
function countsOf(output) {
  const last = output.trimEnd().split("\n").at(-1) ?? "";
  const count = (word) => Number(new RegExp(`([\\d,]+) ${word}`).exec(last)?.[1]?.replaceAll(",", "") ?? 0);
  return { nothing: last.startsWith("nothing to do"), executed: count("executed"), cached: count("cached"), last };
}

export class Ninja extends Contestant {
  #command;

  constructor(processes, workspace, outputs, command) {
    super(processes, workspace, outputs);
    this.#command = command;
  }

  build() {
    const command = [this.#command, `-j${JOBS}`];
    const measured = this.processes.run(command, { directory: this.workspace, env: { PATH, HOME: this.workspace } });
    return { ...measured, nothing: measured.output.includes("no work to do") };
  }

  forget() {
    this.putAside(...this.outputs, ".ninja_log", ".ninja_deps");
  }
}
