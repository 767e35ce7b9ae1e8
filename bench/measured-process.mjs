// Starts one command in a process of its own and says what it cost.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where `program` is found on this process's PATH; `undefined` when it is nowhere. */
export function onPath(program) {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    const full = join(directory, program);
    if (directory !== "" && existsSync(full)) return full;
  }
  return undefined;
}

/**
 * Runs commands and measures them.
 *
 * With a C compiler the command is started by run-once.c, which also tells CPU and peak RSS; without one by Node, and
 * both are `undefined`.
 */
export class MeasuredProcesses {
  #starter;
  #output;

  /** @param {string} scratch A folder for the starter and for what the commands print. */
  constructor(scratch) {
    mkdirSync(scratch, { recursive: true });
    this.#output = join(scratch, "output");
    const compiler = onPath("cc") ?? onPath("gcc");
    if (compiler === undefined) return;
    const program = join(scratch, "run-once");
    const source = join(dirname(fileURLToPath(import.meta.url)), "run-once.c");
    const compiled = spawnSync(compiler, ["-O2", "-o", program, source], { encoding: "utf8" });
    if (compiled.status === 0) this.#starter = program;
    else
      process.stderr.write(`bench: ${compiler} does not compile run-once.c, so no CPU and no RSS\n${compiled.stderr}`);
  }

  /** Whether CPU time and peak RSS are known. */
  get tellsUsage() {
    return this.#starter !== undefined;
  }

  /**
   * @param {string[]} command
   * @param {{ directory: string, env: Record<string, string> }} where The whole environment: nothing is inherited.
   * @returns {{ wallMs: number, cpuMs: number | undefined, rssBytes: number | undefined, output: string }}
   * @throws when the command does not exit with 0; the message ends with the end of what it printed.
   */
  run(command, { directory, env }) {
    const measured =
      this.#starter === undefined ? this.#byNode(command, directory, env) : this.#byStarter(command, directory, env);
    if (measured.status !== 0) {
      const tail = measured.output.split("\n").slice(-30).join("\n");
      throw new Error(`${command.join(" ")} in ${directory} exited with ${measured.status}\n${tail}`);
    }
    return measured;
  }

  #byStarter(command, directory, env) {
    const { stdout, stderr, status } = spawnSync(this.#starter, [this.#output, directory, ...command], {
      env,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`run-once: ${stderr}`);
    const [wall, user, system, rss, exit] = stdout.split(" ").map(Number);
    return {
      wallMs: wall / 1000,
      cpuMs: (user + system) / 1000,
      rssBytes: rss * 1024,
      status: exit,
      output: readFileSync(this.#output, "utf8"),
    };
  }

  #byNode([program, ...words], directory, env) {
    const begin = process.hrtime.bigint();
    const { stdout, stderr, status, signal, error } = spawnSync(program, words, {
      cwd: directory,
      env,
      encoding: "utf8",
      maxBuffer: 1 << 30,
    });
    const wallMs = Number(process.hrtime.bigint() - begin) / 1e6;
    if (error !== undefined) throw error;
    return { wallMs, cpuMs: undefined, rssBytes: undefined, status: status ?? signal, output: `${stdout}${stderr}` };
  }
}
