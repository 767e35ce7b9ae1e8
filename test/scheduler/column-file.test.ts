import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { WorkspacePath } from "../../src/base/index.ts";
import {
  type Column,
  type ColumnFile,
  columnFileParts,
  columnOf,
  decodeColumnFile,
  StringColumn,
} from "../../src/scheduler/column-file.ts";
import { decodePlan, encodePlan, type PlanFacts } from "../../src/scheduler/plan-file.ts";
import { plannedChore, planOf } from "../support/planned-chore.ts";

const encodeColumnFile = (file: ColumnFile): Buffer => Buffer.concat(columnFileParts(file).parts);

const aColumn: fc.Arbitrary<Column> = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.uint16Array({ maxLength: 20 }),
  fc.int32Array({ maxLength: 20 }),
  fc.uint32Array({ maxLength: 20 }),
  fc.float32Array({ maxLength: 20 }),
  fc.float64Array({ maxLength: 20 }),
);
const aFile = fc.record({
  meta: fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), fc.oneof(fc.string({ unit: "binary" }), fc.nat())),
  columns: fc.dictionary(fc.stringMatching(/^[a-z.]{1,4}$/), aColumn, { maxKeys: 5 }),
});
const KIND = { kind: "test", version: 3 };

describe("a column file", () => {
  test("is read as it was written, wherever in memory its bytes stand", () => {
    fc.assert(
      fc.property(aFile, fc.nat(9), (file, shift) => {
        const bytes = encodeColumnFile({ ...KIND, ...file });
        const moved = Buffer.concat([Buffer.alloc(shift), bytes]).subarray(shift);
        for (const given of [bytes, moved]) {
          const read = decodeColumnFile(given, "test", 3);
          expect(read?.meta).toEqual(JSON.parse(JSON.stringify(file.meta)));
          expect(Object.keys(read?.columns ?? {})).toEqual(Object.keys(file.columns));
          for (const [name, column] of Object.entries(file.columns)) expect(read?.columns[name]).toEqual(column);
        }
      }),
    );
  });

  test("with any byte changed, cut off or added is no file at all", () => {
    fc.assert(
      fc.property(aFile, fc.nat(), fc.integer({ min: 1, max: 255 }), (file, place, bits) => {
        const bytes = encodeColumnFile({ ...KIND, ...file });
        const at = place % bytes.length;
        const changed = Buffer.from(bytes);
        changed.writeUInt8(changed.readUInt8(at) ^ bits, at);
        expect(decodeColumnFile(changed, "test", 3)).toBe(undefined);
        expect(decodeColumnFile(bytes.subarray(0, at), "test", 3)).toBe(undefined);
        expect(decodeColumnFile(Buffer.concat([bytes, Buffer.from([bits])]), "test", 3)).toBe(undefined);
      }),
      { numRuns: 300 },
    );
  });

  test("of another kind or version is not read", () => {
    const bytes = encodeColumnFile({ ...KIND, meta: {}, columns: {} });
    expect(decodeColumnFile(bytes, "test", 3)).toBeDefined();
    expect(decodeColumnFile(bytes, "other", 3)).toBe(undefined);
    expect(decodeColumnFile(bytes, "test", 4)).toBe(undefined);
    for (const nothing of [Buffer.alloc(0), Buffer.from("BGC1"), Buffer.alloc(100)])
      expect(decodeColumnFile(nothing, "test", 3)).toBe(undefined);
  });

  test("without a column that it must have is begat's own mistake", () => {
    const file = { ...KIND, meta: {}, columns: { a: new Uint8Array(1) } };
    expect(columnOf(file, "a", "Uint8Array")).toEqual(new Uint8Array(1));
    expect(() => columnOf(file, "a", "Uint32Array")).toThrow("test file has no column a of Uint32Array");
    expect(() => columnOf(file, "b", "Uint8Array")).toThrow("internal error");
  });
});

test("strings in a column are what they were", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: fc.constantFrom("a", "é", "马", "\u{1f980}", "\u0001", "") })), (texts) => {
      const column = StringColumn.of(texts);
      expect(column.count).toBe(texts.length);
      expect(texts.map((_, i) => column.at(i))).toEqual(texts);
      const file = { ...KIND, meta: {}, columns: column.columns("x") };
      const again = StringColumn.from(file, "x", column.ascii);
      expect(texts.map((_, i) => again.at(i))).toEqual(texts);
    }),
  );
});

test("a plan is what it was, every chore of it", () => {
  const chores = [
    plannedChore("plain()", ["a", "ž/马"], ["o"], {
      env: [["in", "a ž/马"]],
      at: { file: "x.begat", line: 7, column: 3 },
    }),
    plannedChore("rare(\u{1f980})", ["t/", "o"], ["d/"], {
      up: ["P"],
      tools: ["cc"],
      resources: { cpu: 2, linker: 1 },
      timeoutMs: 1500,
      network: "host",
      interpreter: ["awk", "-f"],
      directory: "sub",
      attributes: { volatile: true, nocache: true, interactive: true, exclusive: true, fixpoint: 9, traced: true },
      depfile: "obj/x.d" as WorkspacePath,
    }),
    plannedChore("last()", ["d/x"], [], { properties: ["P"], mounts: [["lib", "third"]] }),
  ];
  const facts = { key: "k", env: [["A", null]], groups: [], images: [], sources: [], overrides: {}, warnings: [] };
  const { parts, id } = encodePlan(planOf(...chores), facts as unknown as PlanFacts);
  const bytes = Buffer.concat(parts);
  const loaded = decodePlan(bytes);
  expect(loaded?.id).toBe(id);
  expect(loaded?.facts).toMatchObject(facts);
  for (const [i, chore] of chores.entries()) expect(loaded?.plan.chore(i)).toEqual(chore);
});
