import {
  type Clock,
  ProcessError,
  type ProcessOutcome,
  type ProcessRunner,
  type ProcessSpec,
} from "../../src/ports/index.ts";
import { ManualClock } from "./manual-clock.ts";

/** What a pretended program may do. */
export interface FakeProcess {
  readonly spec: ProcessSpec;
  readonly stdin: Buffer;
  print(stream: "stdout" | "stderr", text: Uint8Array | string): void;
  /** Aborted when the program is killed: by its time-out or by cancellation. */
  readonly killed: AbortSignal;
}

/** Answers its exit code, or the signal it ended by. */
export type FakeProgram = (
  process: FakeProcess,
) => number | { readonly signal: string } | Promise<number | { readonly signal: string }>;

/** Runs pretended programs, by the name in `argv[0]`. */
export class FakeProcessRunner implements ProcessRunner {
  /** What was asked for, in order. */
  readonly runs: ProcessSpec[] = [];
  readonly #programs = new Map<string, FakeProgram>();
  readonly #clock: Clock;

  constructor(clock: Clock = new ManualClock()) {
    this.#clock = clock;
  }

  /** Installs a program under this name. */
  install(name: string, program: FakeProgram): this {
    this.#programs.set(name, program);
    return this;
  }

  async run(spec: ProcessSpec, signal?: AbortSignal): Promise<ProcessOutcome> {
    signal?.throwIfAborted();
    const program = this.#programs.get(spec.argv[0]);
    if (program === undefined) throw new ProcessError("PROCESS_NOT_STARTED", `cannot start ${spec.argv[0]}`);
    this.runs.push(spec);
    const startedMs = this.#clock.monotonicMs();
    const kept = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    const total = { stdout: 0, stderr: 0 };
    const killer = new AbortController();
    const print = (stream: "stdout" | "stderr", text: Uint8Array | string) => {
      const bytes = Buffer.from(text as string);
      const room = Math.max(0, spec.outputLimitBytes - Math.min(total[stream], spec.outputLimitBytes));
      total[stream] += bytes.length;
      kept[stream].push(bytes.subarray(0, room));
      spec.onOutput?.(stream, bytes);
    };
    // Listened for before the program runs: what it prints may be what makes somebody cancel it.
    const death = this.#death(spec, signal, killer);
    const ended = Promise.resolve(
      program({ spec, stdin: Buffer.from(spec.stdin ?? []), print, killed: killer.signal }),
    );
    const how = await Promise.race([death, ended]);
    const timedOut = how === "timeout";
    killer.abort();
    if (how === "cancelled") throw signal?.reason;
    const died = typeof how === "object" ? how.signal : "SIGKILL";
    return {
      exitCode: typeof how === "number" ? how : undefined,
      signal: typeof how === "number" ? undefined : died,
      timedOut,
      stdout: Buffer.concat(kept.stdout),
      stderr: Buffer.concat(kept.stderr),
      stdoutBytes: total.stdout,
      stderrBytes: total.stderr,
      durationMs: this.#clock.monotonicMs() - startedMs,
    };
  }

  /** Resolves when the program is to be killed; once it has ended by itself, `killer` frees what waits here. */
  #death(
    spec: ProcessSpec,
    signal: AbortSignal | undefined,
    killer: AbortController,
  ): Promise<"timeout" | "cancelled"> {
    return new Promise((resolve) => {
      signal?.addEventListener("abort", () => resolve("cancelled"), { once: true });
      if (spec.timeoutMs === 0) return;
      this.#clock.sleep(spec.timeoutMs, killer.signal).then(
        () => resolve("timeout"),
        () => {},
      );
    });
  }
}
