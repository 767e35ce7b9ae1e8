import { describe, expect, test } from "vitest";
import { ProcessError, type ProcessRunner, type ProcessSpec } from "../../src/ports/index.ts";

/** What a program of the contract does, step by step. */
export type Step =
  | { readonly do: "print"; readonly stream: "stdout" | "stderr"; readonly text: string; readonly times?: number }
  | { readonly do: "echo-stdin" }
  | { readonly do: "print-variable"; readonly name: string }
  | { readonly do: "hang" }
  | { readonly do: "exit"; readonly code: number }
  | { readonly do: "die"; readonly signal: "SIGKILL" | "SIGTERM" };

export interface ProcessRunnerHarness {
  readonly runner: ProcessRunner;
  /** How to run a program that takes these steps. */
  program(...steps: readonly Step[]): ProcessSpec["argv"];
  /** Lets time pass for those who wait on a clock; a real one needs no help. */
  pass(ms: number): Promise<void>;
}

export function processRunnerContract(name: string, make: () => ProcessRunnerHarness): void {
  const base = { cwd: "/", env: { PATH: "/usr/bin:/bin" }, outputLimitBytes: 1 << 20, timeoutMs: 0 };

  describe(`process runner contract: ${name}`, () => {
    test.each([0, 1, 3, 255])("exit code %i is an outcome", async (code) => {
      const { runner, program } = make();
      const outcome = await runner.run({ ...base, argv: program({ do: "exit", code }) });
      expect(outcome).toMatchObject({ exitCode: code, signal: undefined, timedOut: false });
      expect(outcome.durationMs).toBeGreaterThanOrEqual(0);
    });

    test("a signal is an outcome too", async () => {
      const { runner, program } = make();
      const outcome = await runner.run({ ...base, argv: program({ do: "die", signal: "SIGTERM" }) });
      expect(outcome).toMatchObject({ exitCode: undefined, signal: "SIGTERM", timedOut: false });
    });

    test("both streams are kept apart and whole", async () => {
      const { runner, program } = make();
      const argv = program(
        { do: "print", stream: "stdout", text: "out" },
        { do: "print", stream: "stderr", text: "err" },
        { do: "print", stream: "stdout", text: "put" },
      );
      const seen: string[] = [];
      const onOutput = (stream: string, bytes: Uint8Array) => seen.push(`${stream} ${Buffer.from(bytes)}`);
      const outcome = await runner.run({ ...base, argv, onOutput });
      expect([outcome.stdout.toString(), outcome.stderr.toString()]).toEqual(["output", "err"]);
      expect([outcome.stdoutBytes, outcome.stderrBytes]).toEqual([6, 3]);
      expect(seen.length).toBeGreaterThanOrEqual(2);
    });

    test("what is printed beyond the limit is counted and dropped", async () => {
      const { runner, program } = make();
      const argv = program({ do: "print", stream: "stdout", text: "0123456789", times: 20_000 });
      let seen = 0;
      const onOutput = (_: string, bytes: Uint8Array) => {
        seen += bytes.length;
      };
      const outcome = await runner.run({ ...base, argv, outputLimitBytes: 25, onOutput });
      expect(outcome.stdout.toString()).toBe("0123456789012345678901234");
      expect([outcome.stdoutBytes, seen]).toEqual([200_000, 200_000]);
    });

    test("standard input is given and ends; without one it is empty", async () => {
      const { runner, program } = make();
      const argv = program({ do: "echo-stdin" });
      const given = await runner.run({ ...base, argv, stdin: Buffer.from("to be read") });
      expect(given.stdout.toString()).toBe("to be read");
      expect((await runner.run({ ...base, argv })).stdoutBytes).toBe(0);
    });

    test("a program that never reads its input is none the worse for it", async () => {
      const { runner, program } = make();
      const argv = program({ do: "exit", code: 0 });
      expect((await runner.run({ ...base, argv, stdin: Buffer.alloc(1 << 20) })).exitCode).toBe(0);
    });

    test("the environment is what the spec says and nothing else", async () => {
      const { runner, program } = make();
      const argv = program({ do: "print-variable", name: "GIVEN" }, { do: "print-variable", name: "HOME" });
      const outcome = await runner.run({ ...base, env: { ...base.env, GIVEN: "a b\n'c'" }, argv });
      expect(outcome.stdout.toString()).toBe("a b\n'c'");
    });

    test("a program that takes too long is killed", async () => {
      const { runner, program, pass } = make();
      const argv = program({ do: "print", stream: "stdout", text: "begun" }, { do: "hang" });
      const running = runner.run({ ...base, argv, timeoutMs: 150 });
      await pass(150);
      expect(await running).toMatchObject({ exitCode: undefined, signal: "SIGKILL", timedOut: true });
    });

    test("cancelling kills and rejects with the reason", async () => {
      const { runner, program } = make();
      const controller = new AbortController();
      const reason = new Error("enough");
      const onOutput = () => controller.abort(reason);
      const argv = program({ do: "print", stream: "stdout", text: "begun" }, { do: "hang" });
      await expect(runner.run({ ...base, argv, onOutput }, controller.signal)).rejects.toBe(reason);
    });

    test("what was cancelled before it began does not begin", async () => {
      const { runner, program } = make();
      const reason = new Error("too late");
      const argv = program({ do: "exit", code: 0 });
      await expect(runner.run({ ...base, argv }, AbortSignal.abort(reason))).rejects.toBe(reason);
    });

    test("a program that is not there is not started", async () => {
      const { runner } = make();
      const running = runner.run({ ...base, argv: ["/nonexistent/begat-program"] });
      await expect(running).rejects.toMatchObject({ code: "PROCESS_NOT_STARTED" });
      await expect(running).rejects.toBeInstanceOf(ProcessError);
      await expect(running).rejects.toThrow("/nonexistent/begat-program");
    });
  });
}
