// begat and its peer, each with the same three questions: build here, forget everything, is that so.

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

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
  /** @param {import("./measured-process.mjs").MeasuredProcesses} processes */
  constructor(processes, workspace, outputs) {
    this.processes = processes;
    this.workspace = workspace;
    this.outputs = outputs;
  }

  removeOutputs() {
    for (const name of this.outputs) rmSync(join(this.workspace, name), { recursive: true, force: true });
  }

  removeFromWorkspace(...names) {
    for (const name of names) rmSync(join(this.workspace, name), { recursive: true, force: true });
  }
}

/** begat with a state home and a cache home of its own. */
export class Begat extends Contestant {
  #command;
  #homes;

  /** @param command How this begat is started, e.g. `["node", ".../begat.cjs"]`. */
  constructor(processes, workspace, outputs, command) {
    super(processes, workspace, outputs);
    this.#command = command;
    this.#homes = `${workspace}.homes`;
    mkdirSync(this.#homes, { recursive: true });
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
    this.removeOutputs();
    this.removeFromWorkspace(".begat");
    rmSync(this.#homes, { recursive: true, force: true });
    mkdirSync(this.#homes, { recursive: true });
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
    this.removeOutputs();
    this.removeFromWorkspace(".ninja_log", ".ninja_deps");
  }
}
