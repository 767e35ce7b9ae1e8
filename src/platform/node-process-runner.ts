import type { ChildProcess } from "node:child_process";
import { statSync } from "node:fs";
import { constants } from "node:os";
import { ProcessError, type ProcessOutcome, type ProcessRunner, type ProcessSpec } from "../ports/index.ts";

/** How long a survivor outside the group may hold the pipes after the program's own end, milliseconds. */
const SURVIVOR_GRACE_MS = 1000;

/** Runs programs with Node's spawn, each as the leader of a process group of its own. For few and long programs. */
export class NodeProcessRunner implements ProcessRunner {
  run(spec: ProcessSpec, signal?: AbortSignal): Promise<ProcessOutcome> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      // Loading child_process costs 2.5 ms, which a build that runs nothing need not pay.
      const { spawn } = process.getBuiltinModule("node:child_process");
      const startedMs = performance.now();
      const refuse = (cause: unknown) => reject(notStarted(spec, cause));
      let child: ChildProcess;
      try {
        child = spawn(spec.argv[0], spec.argv.slice(1), {
          cwd: spec.cwd,
          env: { ...spec.env },
          detached: true,
          stdio: ["pipe", "pipe", "pipe"],
          ...(spec.user === undefined ? {} : { uid: spec.user.uid, gid: spec.user.gid }),
        });
      } catch (cause) {
        return refuse(cause);
      }
      if (child.pid === undefined) {
        child.once("error", refuse);
        return;
      }
      new Run(child, child.pid, spec, signal, startedMs, resolve, reject).follow();
    });
  }
}

class Run {
  readonly #child: ChildProcess;
  readonly #pid: number;
  readonly #spec: ProcessSpec;
  readonly #signal: AbortSignal | undefined;
  readonly #startedMs: number;
  readonly #resolve: (outcome: ProcessOutcome) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #stdout = new Captured();
  readonly #stderr = new Captured();
  #timeout: NodeJS.Timeout | undefined;
  #grace: NodeJS.Timeout | undefined;
  /** Something came out since this was last looked at. */
  #heard = false;
  #exited = false;
  #timedOut = false;

  constructor(
    child: ChildProcess,
    pid: number,
    spec: ProcessSpec,
    signal: AbortSignal | undefined,
    startedMs: number,
    resolve: (outcome: ProcessOutcome) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#child = child;
    this.#pid = pid;
    this.#spec = spec;
    this.#signal = signal;
    this.#startedMs = startedMs;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  follow(): void {
    const child = this.#child;
    const { outputLimitBytes, onOutput, timeoutMs, stdin } = this.#spec;
    for (const stream of ["stdout", "stderr"] as const) {
      const captured = stream === "stdout" ? this.#stdout : this.#stderr;
      child[stream]?.on("data", (bytes: Buffer) => {
        this.#heard = true;
        captured.add(bytes, outputLimitBytes);
        onOutput?.(stream, bytes);
      });
      child[stream]?.on("error", () => {});
    }
    // A program that never reads its input closes the pipe on us; that is its right.
    child.stdin?.on("error", () => {});
    child.stdin?.end(stdin ?? new Uint8Array(0));
    child.on("error", () => {});
    if (timeoutMs > 0) {
      this.#timeout = setTimeout(() => {
        this.#timedOut = true;
        this.#killGroup();
      }, timeoutMs);
    }
    this.#signal?.addEventListener("abort", this.#killGroup);
    child.once("exit", () => {
      this.#exited = true;
      clearTimeout(this.#timeout);
      if (this.#timedOut || this.#signal?.aborted) this.#killGroup();
      this.#letGoWhenSilent();
    });
    child.once("close", (exitCode, signal) => this.#end(exitCode, signal));
  }

  /**
   * Whoever left the group can hold the pipes for ever: the outcome does not wait for it. What the program wrote before
   * its end may still be in them, though, however long this process was busy: so they are let go only when a look at
   * them (the timer, then a poll, then the immediate) has found nothing.
   */
  #letGoWhenSilent(): void {
    this.#grace = setTimeout(() => {
      this.#heard = false;
      setImmediate(() => {
        if (this.#heard) return this.#letGoWhenSilent();
        this.#child.stdout?.destroy();
        this.#child.stderr?.destroy();
      });
    }, SURVIVOR_GRACE_MS);
  }

  readonly #killGroup = (): void => {
    try {
      process.kill(-this.#pid, "SIGKILL");
    } catch {
      // The group is empty, or (as another user) not ours: then the leader alone is what is left to try.
      if (!this.#exited) this.#child.kill("SIGKILL");
    }
  };

  #end(exitCode: number | null, signal: NodeJS.Signals | null): void {
    clearTimeout(this.#grace);
    this.#signal?.removeEventListener("abort", this.#killGroup);
    if (this.#signal?.aborted) {
      this.#reject(this.#signal.reason);
      return;
    }
    this.#resolve({
      exitCode: exitCode ?? undefined,
      signal: signal ?? undefined,
      timedOut: this.#timedOut,
      stdout: this.#stdout.bytes(),
      stderr: this.#stderr.bytes(),
      stdoutBytes: this.#stdout.total,
      stderrBytes: this.#stderr.total,
      durationMs: performance.now() - this.#startedMs,
    });
  }
}

/** The first bytes of a stream, and the count of all. */
class Captured {
  total = 0;
  #kept = 0;
  readonly #pieces: Buffer[] = [];

  add(bytes: Buffer, limit: number): void {
    this.total += bytes.length;
    const room = limit - this.#kept;
    if (room <= 0) return;
    const piece = bytes.length <= room ? bytes : Buffer.from(bytes.subarray(0, room));
    this.#kept += piece.length;
    this.#pieces.push(piece);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}

function notStarted(spec: ProcessSpec, cause: unknown): ProcessError {
  const errno = (cause as NodeJS.ErrnoException).errno;
  // The kernel's ENOENT is the same for a missing program and a missing directory; only looking tells them apart.
  const noDirectory = errno === -constants.errno.ENOENT && !statSync(spec.cwd, { throwIfNoEntry: false });
  const what = noDirectory ? `directory ${spec.cwd} to run it in does not exist` : `cannot start ${spec.argv[0]}`;
  return new ProcessError("PROCESS_NOT_STARTED", noDirectory ? `cannot start ${spec.argv[0]}: ${what}` : what, {
    cause,
  });
}
