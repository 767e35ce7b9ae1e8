// begat and its peer, each with the same three questions: build here, forget everything, is that so.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";

/** Both tools run this many chores at once. */
export const JOBS = 2;

/** What a user types. It starts what is built in its checkout: `setUpLauncher` first. */
export const LAUNCHER = join(import.meta.dirname, "../begat");

/** Builds what the launcher starts, where it is not up to date. */
export function setUpLauncher() {
  execFileSync("sh", [join(LAUNCHER, "../tools/setup.sh"), "bundle"], { stdio: ["ignore", "ignore", "inherit"] });
}

const PATH = "/usr/local/bin:/usr/bin:/bin";

/**
 * How begat is asked to build. Naming an executor means having it looked at, so begat cannot answer from stats alone that
 * there is nothing to do; `usual` is what a user types, and `any` is that for results made without a sandbox.
 */
const HOW = {
  process: ["--executor", "process"],
  bubblewrap: ["--executor", "bubblewrap"],
  server: ["--executor", "server"],
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
      BEGAT_DAEMON: "0",
    };
  }

  /** As a user has it: the launcher of the checkout, which asks the warm engine. */
  launch(...words) {
    const env = { ...this.env, BEGAT_DAEMON: "1" };
    const measured = this.processes.run([LAUNCHER, ...words], { directory: this.workspace, env });
    return { ...measured, counts: () => countsOf(measured.output) };
  }

  /** A build as a user has it. @param how A word of `HOW`. */
  launched(how) {
    return this.launch("build", `-j${JOBS}`, ...HOW[how]);
  }

  /** What the engine says of itself; one is started where there is none. */
  engine() {
    return JSON.parse(this.launch("daemon", "start", "--json").output).status;
  }

  /** What the checkout's builder says of itself; one is started where there is none. */
  builder() {
    return JSON.parse(this.launch("daemon", "start", "--builds", ".", "--json").output).builder;
  }

  /** Builds that a builder must do; the first time it gets to know the checkout. `change` calls for one. */
  builtByBuilder(how, change, check = () => {}) {
    const before = this.builder().built;
    for (let tries = 0; tries < 3; tries++) {
      change();
      this.launched(how);
    }
    if (this.builder().built < before + 3) throw new Error(`the builder does not build: ${this.builder().declined}`);
    return () => {
      change();
      const measured = this.launched(how);
      check(measured.counts());
      return measured;
    };
  }

  /** Builds, with nothing to do, until the engine has answered one; it may still be finding out. */
  warm(how) {
    const before = this.engine().answered;
    for (let tries = 0; tries < 200; tries++) {
      this.launch("build", ...HOW[how]);
      if (this.engine().answered > before) return;
    }
    throw new Error(`the engine answers nothing: ${this.engine().declined}`);
  }

  /** @param {keyof typeof HOW} how */
  build(how, ...words) {
    const jobs = words.some((word) => word.startsWith("-j")) ? [] : [`-j${JOBS}`];
    const command = [...this.#command, "build", ...jobs, ...HOW[how], ...words];
    const measured = this.processes.run(command, { directory: this.workspace, env: this.env });
    return { ...measured, counts: () => countsOf(measured.output) };
  }

  /** A build that watches; `next` resolves with the time at which the next event of a type came. */
  watch(how) {
    const [program, ...words] = [...this.#command, "build", "--watch", "--json", `-j${JOBS}`, ...HOW[how]];
    const child = spawn(program, words, { cwd: this.workspace, env: this.env, stdio: ["ignore", "pipe", "inherit"] });
    const heard = [];
    let wake = () => {};
    let unread = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      const lines = (unread + text).split("\n");
      unread = lines.pop();
      for (const line of lines) heard.push([JSON.parse(line).type, performance.now()]);
      wake();
    });
    child.on("close", () => {
      heard.push(["closed", 0]);
      wake();
    });
    return {
      async next(type) {
        for (;;) {
          const [first, at] = heard.shift() ?? [];
          if (first === type) return at;
          if (first === "closed") throw new Error(`the watch ended before "${type}" came`);
          if (first === undefined)
            await new Promise((resolve) => {
              wake = resolve;
            });
        }
      },
      async end() {
        child.kill("SIGINT");
        if (child.exitCode === null) await once(child, "close");
      },
    };
  }

  version() {
    return this.processes.run([...this.#command, "--version"], { directory: this.workspace, env: this.env });
  }

  /** As if begat had never been on this machine; with `keepsImages` but for the images that stand there. */
  forget({ keepsImages = false } = {}) {
    this.putAside(...this.outputs, ".begat");
    const before = this.env.BEGAT_CACHE_HOME;
    if (this.isLarge) rmSync(this.#homes, { recursive: true, force: true });
    this.#homes = `${this.workspace}.homes${++this.#lives}`;
    mkdirSync(this.#homes);
    if (!keepsImages) return;
    mkdirSync(this.env.BEGAT_CACHE_HOME);
    renameSync(join(before, "images"), join(this.env.BEGAT_CACHE_HOME, "images"));
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
