import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, ftruncateSync, openSync, readSync } from "node:fs";
import { Socket } from "node:net";
import type { Usage } from "../executor.ts";
import { ExecutorError } from "../executor.ts";
import { type LauncherSpec, launcherArguments, launcherSetup, markBytes, markPrefix } from "./launcher-command.ts";
import { OutputCapture } from "./output-capture.ts";
import { killProcess, killSurvivors, listProcesses, processesOfUser, processesUnder } from "./process-table.ts";
import { firstShell } from "./stray-descriptors.ts";

export interface LaunchedCommand {
  /** As the shell has it: 128 and the signal's number for a command that a signal ended; `undefined` when killed. */
  readonly status: number | undefined;
  /** The launcher itself was lost, though nobody had asked for that. */
  readonly lost: boolean;
  /** Processes that were still alive after the recipe's end; all are dead by now. The names are the first of theirs. */
  readonly leftCount: number;
  readonly leftNames: readonly string[];
  /** In a sandbox: whether it was set up and the recipe begun. */
  readonly begun: boolean;
  /** Why not, where that is known apart from what was printed. */
  readonly problem?: string | undefined;
  /** Absent where nobody counted. */
  readonly usage?: Usage | undefined;
  readonly stdout: OutputCapture;
  readonly stderr: OutputCapture;
}

/**
 * A persistent shell that starts one command after another: a fork from its small heap costs a third of a
 * millisecond, one from Node's 1 to 100 (by the size of its heap). A command's output comes through two FIFOs, whose
 * reader is begat; `/dev/stdout` can be opened, which it cannot when it is a socket.
 */
export class Launcher {
  readonly #spec: LauncherSpec;
  readonly #child: ChildProcess;
  readonly #guardian: number;
  readonly #exited: Promise<void>;
  readonly #fds: readonly [out: number, err: number, report: number];
  readonly #streams: readonly [out: Socket, err: Socket];
  readonly #prefix: Buffer;
  readonly #markBytes: number;
  #ended = false;
  #killed = false;
  #running: { feed(stream: 0 | 1, bytes: Buffer): void; gone(): void } | undefined;

  private constructor(spec: LauncherSpec, child: ChildProcess, guardian: number, exited: Promise<void>) {
    this.#spec = spec;
    this.#child = child;
    this.#guardian = guardian;
    this.#exited = exited;
    const io = `${spec.directory}/io`;
    // Read and write, so that the FIFO neither waits for a writer nor ends when the last one is gone.
    const flags = constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW;
    this.#fds = [openSync(`${io}/out`, flags), openSync(`${io}/err`, flags), openSync(`${io}/report`, "r+")];
    this.#streams = [new Socket({ fd: this.#fds[0] }), new Socket({ fd: this.#fds[1] })];
    this.#prefix = Buffer.from(markPrefix(spec.nonce));
    this.#markBytes = markBytes(spec.nonce);
    for (const stream of [0, 1] as const) {
      const socket = this.#streams[stream];
      socket.on("data", (bytes: Buffer) => this.#running?.feed(stream, bytes));
      socket.on("error", () => undefined);
      socket.unref();
    }
    child.unref();
    child.stdin?.on("error", () => undefined);
    (child.stdin as Socket | null)?.unref();
    void exited.then(() => {
      this.#ended = true;
      this.#running?.gone();
    });
  }

  /** @throws {ExecutorError} `EXECUTOR_UNUSABLE` when it does not come up, with what it said. */
  static async start(spec: LauncherSpec): Promise<Launcher> {
    const { program, options, closing } = firstShell();
    const child = spawn(program, [...options, ...launcherArguments(spec, closing)], {
      cwd: spec.directory,
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      stdio: ["pipe", "pipe", "pipe", "pipe"],
      // A session of its own: Ctrl-C at the terminal is begat's to handle.
      detached: true,
    });
    let said = "";
    const exited = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", (error) => {
        said += error.message;
        resolve();
      });
    });
    (child.stdio[3] as Socket | null)?.on("error", () => undefined);
    (child.stdio[3] as Socket | null)?.unref();
    child.stdin?.on("error", () => undefined);
    child.stderr?.on("data", (bytes: Buffer) => {
      if (said.length < 4096) said += bytes.toString();
    });
    child.stdin?.write(launcherSetup(spec));
    const guardian = await new Promise<number | undefined>((resolve) => {
      let text = "";
      child.stdout?.on("data", (bytes: Buffer) => {
        text += bytes.toString();
        const match = /^guardian (\d+)\nready\n/.exec(text);
        if (match) resolve(Number(match[1]));
      });
      void exited.then(() => resolve(undefined));
    });
    if (guardian === undefined) {
      child.stdio[3]?.destroy();
      throw new ExecutorError(
        "EXECUTOR_UNUSABLE",
        `launcher did not start: ${said.trim().slice(0, 500) || "no reason"}`,
      );
    }
    child.stdout?.destroy();
    child.stderr?.destroy();
    return new Launcher(spec, child, guardian, exited);
  }

  get alive(): boolean {
    return !this.#ended;
  }

  /**
   * Runs shell text that ends in `F $?`. One at a time. Resolves when the command's output is complete and no process
   * of it is left.
   */
  async run(
    command: string,
    keepBytes: number,
    onOutput: ((stream: "stdout" | "stderr", bytes: Uint8Array) => void) | undefined,
  ): Promise<LaunchedCommand> {
    const captures = [
      this.#capture("stdout", keepBytes, onOutput),
      this.#capture("stderr", keepBytes, onOutput),
    ] as const;
    this.#killed = false;
    this.#streams[0].ref();
    this.#streams[1].ref();
    let mark = await this.#untilMark(command, captures);
    let leftNames: string[] = [];
    if (this.#spec.containment === "scan") {
      leftNames = await killSurvivors(() => this.#stragglers());
      // Whatever they printed before they died comes before this second mark.
      if (leftNames.length > 0 && this.alive) await this.#untilMark("F 0", captures);
    }
    if (!this.alive) {
      this.#drain(captures);
      mark = undefined;
    }
    this.#streams[0].unref();
    this.#streams[1].unref();
    const report = this.#takeReport();
    let leftCount = leftNames.length;
    for (const line of report) {
      if (!line.startsWith("left ")) continue;
      const [count, ...names] = line.slice(5).split(" ");
      leftCount = Number(count);
      leftNames = names;
    }
    return {
      status: mark === undefined ? undefined : Number(mark.slice(0, 3)),
      lost: mark === undefined && !this.#killed,
      leftCount,
      leftNames,
      begun: report.includes("begun"),
      stdout: captures[0],
      stderr: captures[1],
    };
  }

  /** Kills what runs. The promise `run` gave resolves when all of it is dead; the launcher may be dead then, too. */
  killCommand(): void {
    this.#killed = true;
    const children = listProcesses();
    const launcher = this.#child.pid as number;
    const own = children.filter((entry) => entry.parent === launcher && entry.pid !== this.#guardian);
    switch (this.#spec.containment) {
      case "pid-namespace":
        // The first process of the namespace, and with it all others; unshare(1) ends only after it.
        for (const entry of own) killProcess(entry.pid);
        return;
      case "sandbox":
        for (const bwrap of own) {
          const inside = children.filter((entry) => entry.parent === bwrap.pid);
          // Its own death is bubblewrap's, too; the other way round, the mark would come before all are dead.
          if (inside.length === 0) killProcess(bwrap.pid);
          for (const first of inside) killProcess(first.pid);
        }
        return;
      default:
        for (const entry of this.#stragglers()) killProcess(entry.pid);
    }
  }

  /** Ends it and whatever it runs. */
  async close(): Promise<void> {
    if (this.alive) {
      // It does not hold begat back from ending, except here.
      this.#child.ref();
      (this.#child.stdio[3] as Socket | null)?.end("q\n");
      this.killCommand();
      killProcess(this.#child.pid as number);
      await this.#exited;
    }
    this.#child.stdio[3]?.destroy();
    this.#child.stdin?.destroy();
    for (const stream of this.#streams) stream.destroy();
    if (this.#fds[2] >= 0) closeSync(this.#fds[2]);
  }

  #capture(
    name: "stdout" | "stderr",
    keepBytes: number,
    onOutput: ((stream: "stdout" | "stderr", bytes: Uint8Array) => void) | undefined,
  ): OutputCapture {
    const listener = onOutput === undefined ? undefined : (bytes: Uint8Array) => onOutput(name, bytes);
    return new OutputCapture(this.#prefix, this.#markBytes, keepBytes, listener);
  }

  #untilMark(command: string, captures: readonly [OutputCapture, OutputCapture]): Promise<string | undefined> {
    return new Promise((resolve) => {
      if (this.#ended) return resolve(undefined);
      let first: string | undefined;
      this.#running = {
        feed: (stream, bytes) => {
          const mark = captures[stream].feed(bytes);
          if (mark === undefined) return;
          if (first === undefined) {
            first = mark;
            return;
          }
          this.#running = undefined;
          resolve(mark);
        },
        gone: () => {
          this.#running = undefined;
          resolve(undefined);
        },
      };
      this.#child.stdin?.write(`${command}\n`);
    });
  }

  /** Takes what the dead left in the FIFOs. */
  #drain(captures: readonly [OutputCapture, OutputCapture]): void {
    const buffer = Buffer.allocUnsafe(64 * 1024);
    for (const stream of [0, 1] as const) {
      for (;;) {
        let count: number;
        try {
          count = readSync(this.#fds[stream], buffer);
        } catch {
          break; // EAGAIN: empty.
        }
        if (count === 0) break;
        captures[stream].feed(Buffer.from(buffer.subarray(0, count)));
      }
      captures[stream].end();
    }
  }

  #takeReport(): string[] {
    const buffer = Buffer.allocUnsafe(4096);
    const count = readSync(this.#fds[2], buffer, 0, buffer.length, 0);
    if (count > 0) ftruncateSync(this.#fds[2], 0);
    return buffer.toString("latin1", 0, count).split("\n");
  }

  #stragglers() {
    const launcher = this.#child.pid as number;
    const found = this.#spec.user ? processesOfUser(this.#spec.user.uid) : processesUnder(this.#spec.directory);
    return found.filter((entry) => entry.pid !== launcher && entry.pid !== this.#guardian);
  }
}
