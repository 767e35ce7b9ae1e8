// Where measures run: scratch folders, the tools that are there, and workspaces in which begat and ninja do the same.

import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Begat, Ninja } from "./contestants.mjs";
import { MeasuredProcesses, onPath } from "./measured-process.mjs";

export class Arena {
  /** @type {string} */
  scratch;
  /** Small sizes and few rounds: whether everything runs, not how quickly. */
  quick;
  begatCommand;
  processes;
  ninja = onPath("ninja");
  bubblewrap = onPath("bwrap");
  compiler = onPath("gcc");
  #next = 0;

  constructor({ quick, begatCommand, scratchParent = tmpdir() }) {
    this.quick = quick;
    this.begatCommand = begatCommand;
    this.scratch = mkdtempSync(join(scratchParent, "begat-bench-"));
    this.processes = new MeasuredProcesses(join(this.scratch, "tools"));
  }

  /** `full` as a rule, `small` with --quick. */
  size(full, small) {
    return this.quick ? small : full;
  }

  rounds(full) {
    return this.quick ? 1 : full;
  }

  folder() {
    const folder = join(this.scratch, `w${this.#next++}`);
    mkdirSync(folder);
    return folder;
  }

  /**
   * Two workspaces with the same files, one for each tool. They stay until `close` (`Contestant.putAside` says why),
   * unless `isLarge` says that it is few files which take much room.
   *
   * @param generate Writes the workload into a folder and says `{ chores, outputs, leaf }`.
   * @param command How begat is started.
   */
  async contest(generate, use, { isLarge = false, command = this.begatCommand } = {}) {
    const folder = this.folder();
    const mine = join(folder, "begat");
    mkdirSync(mine);
    const workload = generate(mine);
    let ninja;
    if (this.ninja !== undefined) {
      const theirs = join(folder, "ninja");
      cpSync(mine, theirs, { recursive: true, preserveTimestamps: true });
      ninja = new Ninja(this.processes, theirs, workload.outputs, this.ninja);
    }
    try {
      const begat = new Begat(this.processes, mine, workload.outputs, command);
      begat.isLarge = isLarge;
      if (ninja !== undefined) ninja.isLarge = isLarge;
      return await use(begat, ninja, workload);
    } finally {
      if (isLarge) rmSync(folder, { recursive: true, force: true });
    }
  }

  /** Removes everything, whatever happened. */
  close() {
    rmSync(this.scratch, { recursive: true, force: true });
  }
}
