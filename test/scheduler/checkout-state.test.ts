import { beforeEach, describe, expect, test } from "vitest";
import { digestOf } from "../../src/base/index.ts";
import { CHECKOUT, Checkout } from "../../src/scheduler/index.ts";
import { CheckoutState } from "../../src/scheduler/state.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { MemoryFileTree } from "../support/memory-file-tree.ts";

const PATHS = 2000;

describe("the state in a checkout", () => {
  let clock: ManualClock;
  let fs: MemoryFileTree;
  let state: CheckoutState;

  /** As another process has it. */
  const checkout = () => new Checkout(fs, "/w");
  const size = (path: string) => fs.stat(`/w/${path}`)?.sizeBytes ?? 0;
  const load = () => checkout().loadState();
  /** Of path 1, which every test changes. */
  const known = () => load()?.digest(1);
  const save = (text: string, by: CheckoutState | undefined = state) => {
    by?.setDigest(1, digestOf(text), 0);
    clock.tick(10);
    if (by !== undefined) checkout().saveState(by);
  };

  beforeEach(() => {
    clock = new ManualClock();
    fs = new MemoryFileTree(clock);
    fs.makeDirectory("/w");
    state = new CheckoutState("plan", PATHS, 10);
    save("first");
  });

  test("is written whole once, and then what is not as it was", () => {
    const whole = size(CHECKOUT.state);
    expect([whole > PATHS * 80, size(CHECKOUT.delta)]).toEqual([true, 0]);
    const before = fs.stat(`/w/${CHECKOUT.state}`);
    for (const text of ["second", "third"]) {
      save(text);
      expect(known()).toEqual(digestOf(text));
    }
    expect(fs.stat(`/w/${CHECKOUT.state}`)).toEqual(before);
    expect(size(CHECKOUT.delta)).toBeLessThan(whole / 50);
  });

  test("goes on from what another process left", () => {
    save("second");
    const theirs = load();
    theirs?.setSeq(3, 8);
    save("third", theirs);
    expect([known(), load()?.seqs[3]]).toEqual([digestOf("third"), 8]);
    expect(size(CHECKOUT.delta)).toBeLessThan(size(CHECKOUT.state) / 50);
  });

  test("is written whole again once much has changed, and where another process wrote another one", () => {
    save("second");
    for (let path = 0; path < PATHS / 4; path++) state.setDigest(path, digestOf(`${path}`), 0);
    save("third");
    expect([known(), size(CHECKOUT.delta)]).toEqual([digestOf("third"), 0]);
    const theirs = new CheckoutState("plan", PATHS, 10);
    save("theirs", theirs);
    save("fourth");
    expect([known(), load()?.digest(7), size(CHECKOUT.delta)]).toEqual([digestOf("fourth"), digestOf("7"), 0]);
  });

  test("is of a moment before where what was written after it is lost, torn, or another file's", () => {
    save("second");
    const delta = fs.readFile(`/w/${CHECKOUT.delta}`);
    fs.writeFile(`/w/${CHECKOUT.delta}`, delta.subarray(0, delta.length - 1));
    expect(known()).toEqual(digestOf("first"));
    fs.remove(`/w/${CHECKOUT.delta}`);
    expect(known()).toEqual(digestOf("first"));
    // Whoever knows more writes all of it again.
    save("third");
    expect(known()).toEqual(digestOf("third"));
    save("theirs", new CheckoutState("plan", PATHS, 10));
    fs.writeFile(`/w/${CHECKOUT.delta}`, delta);
    expect(known()).toEqual(digestOf("theirs"));
    fs.remove(`/w/${CHECKOUT.state}`);
    expect(load()).toBe(undefined);
  });

  test.each(["replaceFile", "remove"] as const)("survives an end in the middle of %s", (method) => {
    save("second");
    for (let path = 0; path < PATHS / 4; path++) state.setDigest(path, digestOf(`${path}`), 0);
    fs.fail({ method, code: "FILE_IO", path: method === "remove" ? /state-delta/ : /state\.bin$/ });
    expect(() => save("third")).toThrow();
    expect(known()).toEqual(digestOf(method === "remove" ? "third" : "second"));
  });
});
