// The table of peers in docs/benchmarks.md: what a user would take instead, on the same work in the same run.

import { cpSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { coldBegat, coldNinja } from "./cold-measures.mjs";
import { onPath } from "./measured-process.mjs";
import { peers as buildTools } from "./peer-workspaces.mjs";
import { takeTurns } from "./samples.mjs";
import { scriptPeers } from "./script-workspaces.mjs";
import { independent, kibibyte } from "./workloads.mjs";

const peers = [...buildTools, ...scriptPeers];
const PATH = "/usr/local/bin:/usr/bin:/bin";

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

  edit(n) {
    writeFileSync(join(this.workspace, this.peer.leaf ?? "src/0/f0"), kibibyte(`edit ${n}`));
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
      env: { PATH, HOME: this.workspace, ...this.peer.env },
    });
  }
}

const titles = { cold: "cold", null: "nothing to do", leaf: "one file changed" };

export const peerMeasures = ["ninja", ...peers.map(({ name }) => name)].map((name) => ({
  name: `peer-${name}`,
  rows: Object.keys(titles).map((what) => `peer-${name}-${what}`),
  async run(arena) {
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
    const program = onPath(name);
    if (program === undefined) return rows(() => ({ skipped: `there is no ${name} on this machine` }));
    const needs = peers.find((peer) => peer.name === name)?.needs;
    if (needs !== undefined && onPath(needs) === undefined)
      return rows(() => ({ skipped: `${name} needs ${needs}, which is not on this machine` }));
    return arena.contest(
      (folder) => independent(folder, count),
      (begat, ninja, { chores }) => {
        const description = peers.find((peer) => peer.name === name);
        const other = description && new Peer(arena, description, program, begat.workspace);
        other?.prepare(count);
        const edit = (workspace, n) => writeFileSync(join(workspace, "src/0/f0"), kibibyte(`edit ${n}`));
        let n = 0;
        try {
          const theirs = {
            cold: other ? () => other.cold() : coldNinja(ninja, "out/0/f0"),
            null: other ? () => other.build() : () => ninja.build().wallMs,
            leaf: () => {
              if (other) other.edit(++n);
              else edit(ninja.workspace, ++n);
              return other ? other.build() : ninja.build().wallMs;
            },
          };
          const mine = {
            cold: coldBegat(begat, "usual", chores),
            null: () => begat.build("usual").wallMs,
            leaf: () => {
              edit(begat.workspace, ++n);
              return begat.build("usual").wallMs;
            },
          };
          const samples = {};
          for (const what of Object.keys(titles)) {
            if (what === "null") for (const side of [mine, theirs]) side.null();
            const [ours, its] = takeTurns(arena.rounds(what !== "cold" ? 5 : isScripts ? 1 : 3), [
              mine[what],
              theirs[what],
            ]);
            samples[what] = { begat: ours, peer: its };
          }
          return rows((what) => samples[what]);
        } finally {
          other?.end();
        }
      },
    );
  },
}));
