import { describe, expect, test } from "vitest";
import type { FileTreeErrorCode } from "../../src/ports/index.ts";
import { clockContract } from "../contracts/clock.contract.ts";
import { fileTreeContract } from "../contracts/file-tree.contract.ts";
import { processRunnerContract, type Step } from "../contracts/process-runner.contract.ts";
import { randomContract } from "../contracts/random.contract.ts";
import { type FakeProcess, FakeProcessRunner } from "../support/fake-process-runner.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { MemoryFileTree } from "../support/memory-file-tree.ts";
import { SeededRandom } from "../support/seeded-random.ts";

clockContract("ManualClock", () => {
  const clock = new ManualClock();
  return { clock, pass: (ms) => clock.advance(ms) };
});

randomContract("SeededRandom", () => new SeededRandom(7));

fileTreeContract("MemoryFileTree", () => {
  const fs = new MemoryFileTree();
  fs.makeDirectory("/root");
  return { fs, root: "/root", dispose: () => {} };
});

processRunnerContract("FakeProcessRunner", () => {
  const clock = new ManualClock();
  const runner = new FakeProcessRunner(clock);
  let programs = 0;
  const program = (...steps: readonly Step[]): [string] => {
    const name = `program-${++programs}`;
    runner.install(name, (process) => perform(steps, process));
    return [name];
  };
  return { runner, program, pass: (ms) => clock.advance(ms) };
});

async function perform(steps: readonly Step[], process: FakeProcess): Promise<number | { signal: string }> {
  for (const step of steps) {
    switch (step.do) {
      case "print":
        for (let i = 0; i < (step.times ?? 1); i++) process.print(step.stream, step.text);
        break;
      case "echo-stdin":
        process.print("stdout", process.stdin);
        break;
      case "print-variable":
        process.print("stdout", process.spec.env[step.name] ?? "");
        break;
      case "hang":
        await new Promise((resolve) => process.killed.addEventListener("abort", resolve));
        break;
      case "exit":
        return step.code;
      case "die":
        return { signal: step.signal };
    }
  }
  return 0;
}

describe("what the fakes add", () => {
  test("seeded dice fall the same way again, and differently for another seed", () => {
    const throws = (seed: number) => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 20 }, () => random.below(1000));
    };
    expect(throws(1)).toEqual(throws(1));
    expect(throws(1)).not.toEqual(throws(2));
  });

  test("wall time set back leaves monotonic time alone", () => {
    const clock = new ManualClock(5000);
    clock.tick(10);
    clock.setWallMs(100);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([100, 10]);
  });

  test("a planted fault hits the n-th fitting call only", () => {
    const fs = new MemoryFileTree();
    fs.fail({ method: "writeFile", path: /\.o$/, nth: 2, code: "FILE_IO" });
    fs.writeFile("/a.o", "");
    fs.writeFile("/a.c", "");
    expect(() => fs.writeFile("/b.o", "")).toThrow("/b.o");
    fs.writeFile("/c.o", "");
    expect([...fs.list().keys()]).toEqual(["/a.c", "/a.o", "/c.o"]);
  });

  test("a full disk takes what fits and says so; removing makes room", () => {
    const fs = new MemoryFileTree();
    fs.capacityBytes = 10;
    fs.writeFile("/a", "12345678");
    const code: FileTreeErrorCode = "FILE_SYSTEM_FULL";
    expect(() => fs.writeFile("/b", "1234")).toThrow(expect.objectContaining({ code }));
    expect(fs.readFile("/b").toString()).toBe("12");
    expect(() => fs.replaceFile("/a", "12345678")).toThrow(expect.objectContaining({ code }));
    expect(fs.readFile("/a").toString()).toBe("12345678");
    fs.remove("/a");
    fs.writeFile("/b", "1234");
    fs.replaceFile("/b", "12345");
    fs.writeFile("/c", "12345");
  });
});
