import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestOf, EMPTY_DIGEST, type IsolationLevel } from "../../src/base/index.ts";
import { STAT_NUMBERS } from "../../src/ports/index.ts";
import { CheckoutState, carryState, PATH } from "../../src/scheduler/state.ts";
import { plannedChore, planOf } from "../support/planned-chore.ts";

const A = digestOf("a");
const B = digestOf("bb");
const numbers = (first: number) => Float64Array.from({ length: STAT_NUMBERS }, (_, i) => first + i / 4);

describe("the state of a checkout", () => {
  test("is read as it was written", () => {
    const state = new CheckoutState("plan", 4, 2);
    state.setDigest(0, A, PATH.executable);
    state.setSignature(0, numbers(5), 0);
    state.setDigest(1, B, PATH.tree);
    state.setDigest(2, A, PATH.symlink);
    state.texts.set(2, "t\u{1f980}rget");
    state.members.set(1, [
      { path: "t", signature: numbers(1), digest: undefined, flags: PATH.known | PATH.directory },
      { path: "t/é", signature: numbers(2), digest: B, flags: PATH.known },
    ]);
    state.setAction(1, B.hash);
    state.seqs[1] = 8;
    state.settled[1] = 1;
    state.durationsMs[1] = 12.5;
    state.setLevel(1, "contained");
    state.reads = [{ path: "begatfile", kind: "file", signature: [1.25, 2], hash: A.hash }];
    state.hosts = { cc: "host:1" };

    const read = CheckoutState.decode(Buffer.concat(state.encode()));
    expect(read?.planId).toBe("plan");
    for (let path = 0; path < 4; path++) {
      expect(read?.digest(path)).toEqual(state.digest(path));
      for (const flag of Object.keys(PATH) as (keyof typeof PATH)[])
        expect(read?.is(path, flag)).toBe(state.is(path, flag));
    }
    expect(read?.hasSignature(0, numbers(5), 0)).toBe(true);
    expect(read?.hasSignature(0, numbers(6), 0)).toBe(false);
    expect(read?.hasSignature(3, numbers(0), 0)).toBe(false);
    expect([...(read?.members ?? [])]).toEqual([...state.members]);
    expect([...(read?.texts ?? [])]).toEqual([...state.texts]);
    expect([read?.action(1), read?.seqs[1], read?.settled[1], read?.durationsMs[1]]).toEqual([B.hash, 8, 1, 12.5]);
    expect([read?.hasLevel(1, "contained"), read?.hasLevel(1, "hermetic")]).toEqual([true, false]);
    expect([read?.reads, read?.hosts]).toEqual([state.reads, state.hosts]);
  });

  test("with any byte changed is none", () => {
    const bytes = Buffer.concat(new CheckoutState("plan", 3, 3).encode());
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(changed.readUInt8(at) ^ bits, at);
        expect(CheckoutState.decode(changed)).toBe(undefined);
      }),
    );
  });

  test("tells whether content, kind or mode changed, and forgets the signature then", () => {
    const state = new CheckoutState("plan", 1, 0);
    expect(state.digest(0)).toBe(undefined);
    expect(state.setDigest(0, A, 0)).toBe(true);
    state.setSignature(0, numbers(5), 0);
    expect(state.setDigest(0, A, 0)).toBe(false);
    expect(state.hasSignature(0, numbers(5), 0)).toBe(true);
    expect(state.setDigest(0, A, PATH.executable)).toBe(true);
    expect(state.hasSignature(0, numbers(5), 0)).toBe(false);
    expect(state.setDigest(0, B, PATH.executable)).toBe(true);
    expect(state.setDigest(0, EMPTY_DIGEST, PATH.tree)).toBe(true);
    state.forget(0);
    expect(state.digest(0)).toBe(undefined);
    expect(state.setDigest(0, EMPTY_DIGEST, PATH.tree)).toBe(true);
  });
});

describe("a state carried over to another plan", () => {
  const was = planOf(
    plannedChore("keep()", ["src", "gone"], ["k"]),
    plannedChore("edit()", ["src"], ["e"]),
    plannedChore("turn()", ["e"], ["t/"]),
  );
  const id = (plan: typeof was, path: string): number => {
    for (let i = 0; i < plan.pathCount; i++) if (plan.path(i) === path) return i;
    return -1;
  };
  const chore = (plan: typeof was, label: string): number => {
    for (let i = 0; i < plan.choreCount; i++) if (plan.label(i) === label) return i;
    return -1;
  };

  function before(): CheckoutState {
    const state = new CheckoutState("old", was.pathCount, was.choreCount);
    for (const path of ["src", "gone", "k", "e", "t"])
      state.setDigest(id(was, path), digestOf(path), path === "t" ? PATH.tree : 0);
    state.setSignature(id(was, "src"), numbers(9), 0);
    state.members.set(id(was, "t"), []);
    for (let i = 0; i < was.choreCount; i++) {
      state.setAction(i, A.hash);
      state.settled[i] = 1;
      state.seqs[i] = i + 10;
      state.durationsMs[i] = 100 + i;
      state.setLevel(i, "contained" satisfies IsolationLevel);
    }
    state.hosts = { "": "host:1" };
    return state;
  }

  const plan = planOf(
    // Moved, but declared as before.
    plannedChore("new()", ["src"], ["n"]),
    plannedChore("keep()", ["src", "gone"], ["k"], { at: { file: "other", line: 9, column: 9 } }),
    plannedChore("edit()", ["src"], ["e"], { recipe: "another" }),
    // What was an output is a source now.
    plannedChore("reads()", ["t"], ["r"]),
  );
  const carried = carryState(before(), was, plan, "new");

  test("knows files by their path", () => {
    expect(carried.planId).toBe("new");
    expect(carried.digest(id(plan, "src"))).toEqual(digestOf("src"));
    expect(carried.hasSignature(id(plan, "src"), numbers(9), 0)).toBe(true);
    expect(carried.digest(id(plan, "k"))).toEqual(digestOf("k"));
    expect(carried.digest(id(plan, "n"))).toBe(undefined);
    expect(carried.hosts).toEqual({ "": "host:1" });
  });

  test("knows chores by their label, and settles only those declared as before", () => {
    const keep = chore(plan, "keep()");
    expect([carried.settled[keep], carried.seqs[keep], carried.action(keep)]).toEqual([1, 10, A.hash]);
    expect(carried.hasLevel(keep, "contained")).toBe(true);
    const edit = chore(plan, "edit()");
    expect([carried.settled[edit], carried.seqs[edit], carried.durationsMs[edit]]).toEqual([0, 0, 101]);
    const fresh = chore(plan, "new()");
    expect([carried.settled[fresh], carried.seqs[fresh], carried.durationsMs[fresh]]).toEqual([0, 0, 0]);
  });

  test("forgets a path that turned from output to source", () => {
    expect(carried.digest(id(plan, "t"))).toBe(undefined);
  });
});
