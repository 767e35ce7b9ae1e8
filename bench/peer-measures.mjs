// The table of peers in docs/benchmarks.md: what a user would take instead, on the same work in the same run.

import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OUT } from "./bundles.mjs";
import { coldBegat, coldNinja } from "./cold-measures.mjs";
import { LAUNCHER, setUpLauncher } from "./contestants.mjs";
import { onPath } from "./measured-process.mjs";
import { peers as buildTools } from "./peer-workspaces.mjs";
import { takeTurns } from "./samples.mjs";
import { scriptPeers } from "./script-workspaces.mjs";
import { independent, kibibyte } from "./workloads.mjs";

const peers = [...buildTools, ...scriptPeers];
const PATH = "/usr/local/bin:/usr/bin:/bin";

/** Where bench/install-peers.sh puts those that npm has. */
const INSTALLED = join(OUT, "peers/node_modules/.bin");

function programOf({ name, program = name }) {
  const installed = join(INSTALLED, program);
  return onPath(program) ?? (existsSync(installed) ? installed : undefined);
}

const isThere = (needed) => (needed.startsWith("/") ? existsSync(needed) : onPath(needed) !== undefined);

const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** A peer in a workspace of its own. */
class Peer {
  constructor(arena, peer, program, workload) {
    this.processes = arena.processes;
    this.peer = peer;
    this.program = program;
    this.workspace = arena.folder();
    cpSync(workload, this.workspace, { recursive: true });
    for (const name of ["begatfile", "build.ninja"]) rmSync(join(this.workspace, name), { force: true });
  }

  prepare(count) {
    this.count = count;
    this.peer.prepare(this.workspace, count, this.program);
    this.#start();
  }

  build() {
    return this.#run(this.peer.command(this.program, this.workspace)).wallMs;
  }

  /** A build without what was built before. */
  cold() {
    const { forget, forgetFiles, kept = [], beforeCold } = this.peer;
    if (forget !== undefined) this.#run(forget(this.program, this.workspace));
    forgetFiles?.(this.workspace, this.count);
    if (forget === undefined)
      for (const name of ["out", ...kept]) rmSync(join(this.workspace, name), { recursive: true, force: true });
    beforeCold?.(this.workspace);
    if (kept.length > 0) this.#start();
    return this.build();
  }

  /** One source changed, and what is made of it. */
  leaf(n) {
    const { leaf = "src/0/f0", output = (folder) => join(folder, "out/0/f0"), editsApartMs = 0 } = this.peer;
    const text = kibibyte(`edit ${n}`);
    wait(editsApartMs);
    writeFileSync(join(this.workspace, leaf), text);
    const ms = this.build();
    if (readFileSync(output(this.workspace), "utf8") !== text)
      throw new Error(`${this.peer.name} left what was made of the file before it changed`);
    return ms;
  }

  end() {
    if (this.peer.end !== undefined) this.#run(this.peer.end(this.program, this.workspace));
  }

  #start() {
    const words = this.peer.start?.(this.program);
    if (words !== undefined) this.#run(words);
  }

  #run(command) {
    return this.processes.run(command, {
      directory: this.workspace,
      env: { PATH, HOME: this.workspace, ...this.peer.env?.(this.workspace) },
    });
  }
}

/** Of begat: `cold` and `alone` by processes that end with the build, the others by what stays, as a user has it. */
const titles = {
  cold: "cold",
  null: "nothing to do",
  leaf: "one file changed",
  alone: "one file changed, begat's builder not asked",
};

export const peerMeasures = [{ name: "ninja" }, ...peers].map((description) => ({
  name: `peer-${description.name}`,
  rows: Object.keys(titles).map((what) => `peer-${description.name}-${what}`),
  async run(arena) {
    const { name, needs = [], refuses } = description;
    const isScripts = scriptPeers.some((peer) => peer.name === name);
    // A script is started by npm, which takes a second.
    const count = arena.size(isScripts ? 100 : 200, 10);
    const rows = (samples) =>
      Object.entries(titles).map(([what, title]) => ({
        name: `peer-${name}-${what}`,
        measure: `${title}, ${count} x cp`,
        unit: "ms",
        peerName: name,
        ...samples(what),
      }));
    const program = programOf(description);
    const missing = needs.find((needed) => !isThere(needed));
    const skipped =
      program === undefined
        ? `there is no ${name} on this machine`
        : missing !== undefined
          ? `${name} needs ${missing}, which is not on this machine`
          : refuses?.(arena.scratch);
    if (skipped !== undefined) return rows(() => ({ skipped }));
    setUpLauncher();
    return arena.contest(
      (folder) => independent(folder, count),
      (begat, ninja, { chores }) => {
        const other = name === "ninja" ? undefined : new Peer(arena, description, program, begat.workspace);
        other?.prepare(count);
        const edit = (workspace, n) => writeFileSync(join(workspace, "src/0/f0"), kibibyte(`edit ${n}`));
        let n = 0;
        try {
          const theirs = {
            cold: other ? () => other.cold() : coldNinja(ninja, "out/0/f0"),
            null: other ? () => other.build() : () => ninja.build().wallMs,
            leaf: () => {
              if (other) return other.leaf(++n);
              edit(ninja.workspace, ++n);
              return ninja.build().wallMs;
            },
          };
          const change = () => edit(begat.workspace, ++n);
          const rounds = arena.rounds(5);
          const [cold, theirCold] = takeTurns(arena.rounds(isScripts ? 1 : 3), [
            coldBegat(begat, "usual", chores),
            theirs.cold,
          ]);
          // begat's engine knows after the second one that there is nothing to do.
          const idle = () => begat.launched("usual").wallMs;
          for (const build of [idle, idle, theirs.null]) build();
          const [still, theirStill] = takeTurns(rounds, [idle, theirs.null]);
          const built = begat.builtByBuilder("usual", change);
          const [leaf, theirLeaf] = takeTurns(rounds, [() => built().wallMs, theirs.leaf]);
          // Not in turns with these: a builder opens anew what another process has built with.
          const [alone, theirOther] = takeTurns(rounds, [
            () => {
              change();
              return begat.build("usual").wallMs;
            },
            theirs.leaf,
          ]);
          const samples = {
            cold: { begat: cold, peer: theirCold },
            null: { begat: still, peer: theirStill },
            leaf: { begat: leaf, peer: theirLeaf },
            alone: { begat: alone, peer: theirOther },
          };
          return rows((what) => samples[what]);
        } finally {
          begat.launch("daemon", "stop");
          other?.end();
        }
      },
      { command: [LAUNCHER] },
    );
  },
}));
