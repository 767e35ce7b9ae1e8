import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestOf, EMPTY_DIGEST, type IsolationLevel } from "../../src/base/index.ts";
import { STAT_NUMBERS } from "../../src/ports/index.ts";
import { carryState } from "../../src/scheduler/carry-state.ts";
import { CheckoutState, PATH } from "../../src/scheduler/state.ts";
import { decodeState, encodeDelta, encodeState } from "../../src/scheduler/state-file.ts";
import { plannedChore, planOf } from "../support/planned-chore.ts";

const A = digestOf("a");
const B = digestOf("bb");
const numbers = (first: number) => Float64Array.from({ length: STAT_NUMBERS }, (_, i) => first + i / 4);

const written = (state: CheckoutState): Buffer => Buffer.concat(encodeState(state).parts);

/** Everything that a state says, to be compared. */
function told(state: CheckoutState | undefined) {
  if (state === undefined) return undefined;
  const { planId, columns, reads, hosts, ledger, defaultLevels, planRoots } = state;
  const members = [...state.members].sort(([a], [b]) => a - b);
  const texts = [...state.texts].sort(([a], [b]) => a - b);
  return { planId, columns, reads, hosts, ledger, defaultLevels, planRoots, members, texts };
}

describe("the state of a checkout", () => {
  test("is read as it was written", () => {
    const state = new CheckoutState("plan", 4, 2);
    state.setDigest(0, A, PATH.executable);
    state.setSignature(0, numbers(5), 0);
    state.setDigest(1, B, PATH.tree);
    state.setDigest(2, A, PATH.symlink);
    state.setText(2, "t\u{1f980}rget");
    state.setMembers(1, [
      { path: "t", signature: numbers(1), digest: undefined, flags: PATH.known | PATH.directory },
      { path: "t/é", signature: numbers(2), digest: B, flags: PATH.known },
    ]);
    state.setAction(1, B.hash);
    state.setSeq(1, 8);
    state.settle(1);
    state.setDuration(1, 12.5);
    state.setLevel(1, "contained");
    state.reads = [{ path: "begatfile", kind: "file", signature: [1.25, 2], hash: A.hash }];
    state.hosts = { cc: "host:1" };

    const read = decodeState(written(state));
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
    const bytes = written(new CheckoutState("plan", 3, 3));
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(changed.readUInt8(at) ^ bits, at);
        expect(decodeState(changed)).toBe(undefined);
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

/** What happens to a state while a build runs. */
const PATHS = 12;
const CHORES = 6;
type Change = readonly [what: number, row: number, value: number];
const changes: fc.Arbitrary<readonly Change[]> = fc.array(fc.tuple(fc.nat(13), fc.nat(PATHS - 1), fc.nat(3)), {
  maxLength: 12,
});

function change(state: CheckoutState, [what, row, value]: Change): void {
  const chore = row % CHORES;
  const digest = digestOf(`${value}`);
  const steps = [
    () => state.setDigest(row, digest, value === 0 ? PATH.tree : PATH.executable),
    () => state.setSignature(row, numbers(value), 0),
    () => state.clearSignature(row),
    () => state.forget(row),
    () => state.setMembers(row, [{ path: `é${value}`, signature: numbers(value), digest, flags: PATH.known }]),
    () => state.removeMembers(row),
    () => state.setText(row, `text ${value}`),
    () => state.setAction(chore, digest.hash),
    () => (value % 2 === 0 ? state.settle(chore) : state.unsettle(chore)),
    () => state.setSeq(chore, value),
    () => state.setDuration(chore, value / 2),
    () => state.setLevel(chore, value === 0 ? "none" : "contained"),
    () => {
      state.reads = [{ path: `read ${value}`, kind: "file", signature: null, hash: null }];
      state.hosts = { tools: `host:${value}` };
      state.defaultLevels = { host: "none", image: "contained", by: `${value}` };
      state.planRoot(`${value}`, () => digest.hash);
    },
    () => state.removeText(row),
  ];
  steps[what]?.();
}

describe("what is written after a state file", () => {
  function changed(before: readonly Change[], after: readonly Change[]) {
    const first = new CheckoutState("plan", PATHS, CHORES);
    for (const one of before) change(first, one);
    const base = written(first);
    // The columns of what is read are views of the bytes.
    const state = decodeState(Buffer.from(base)) as CheckoutState;
    for (const one of after) change(state, one);
    return { base, state, delta: Buffer.concat(encodeDelta(state) ?? []) };
  }

  test("makes of it what the state was, once and once more", () => {
    fc.assert(
      fc.property(changes, changes, changes, (before, after, later) => {
        const { base, state, delta } = changed(before, after);
        const read = decodeState(Buffer.from(base), delta) as CheckoutState;
        expect(told(read)).toEqual(told(state));
        for (const one of later) for (const each of [state, read]) change(each, one);
        // From the same file on: what was written between is in it.
        const again = decodeState(Buffer.from(base), Buffer.concat(encodeDelta(read) ?? []));
        expect(told(again)).toEqual(told(state));
      }),
      { examples: [[[[6, 2, 1]], [[13, 2, 0]], []]] },
    );
  });

  test("is passed over where it is not whole, or was written after another file", () => {
    const { base, delta } = changed(
      [[0, 1, 1]],
      [
        [0, 1, 2],
        [9, 3, 3],
        [6, 2, 1],
      ],
    );
    const alone = told(decodeState(Buffer.from(base)));
    const read = (bytes: Buffer) => told(decodeState(Buffer.from(base), bytes));
    expect(read(delta)).not.toEqual(alone);
    for (let end = 0; end < delta.length; end++) expect(read(delta.subarray(0, end))).toEqual(alone);
    fc.assert(
      fc.property(fc.nat(delta.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const torn = Buffer.from(delta);
        torn.writeUInt8(torn.readUInt8(at) ^ bits, at);
        expect(read(torn)).toEqual(alone);
      }),
    );
    expect(read(changed([[0, 1, 2]], [[0, 1, 3]]).delta)).toEqual(alone);
    expect(read(base)).toEqual(alone);
  });

  test("is nothing where all of it is new, and for another ledger", () => {
    const fresh = new CheckoutState("plan", PATHS, CHORES);
    expect(encodeDelta(fresh)).toBe(undefined);
    const { state } = changed([], [[9, 1, 1]]);
    expect(encodeDelta(state)).not.toBe(undefined);
    state.ledger = "17 /elsewhere";
    expect(encodeDelta(state)).toBe(undefined);
    const many = decodeState(written(new CheckoutState("plan", 2000, 1))) as CheckoutState;
    for (let path = 0; path < 200; path++) many.setDigest(path, A, 0);
    expect(encodeDelta(many)).toBe(undefined);
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
    state.setMembers(id(was, "t"), []);
    for (let i = 0; i < was.choreCount; i++) {
      state.setAction(i, A.hash);
      state.settle(i);
      state.setSeq(i, i + 10);
      state.setDuration(i, 100 + i);
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
