import { isUtf8 } from "node:buffer";
import { describe, expect, test } from "vitest";
import { parseCanonicalJson, sha256 } from "../../src/base/index.ts";
import { ExecutionGlance, executionFacts } from "../../src/provenance/execution-glance.ts";
import { type ExecutionRecord, encodeRecord, parseRecord, type RecordBody } from "../../src/provenance/index.ts";
import { isRecordKind, shapeOfKind } from "../../src/provenance/record-shape.ts";
import { ELSEWHERE } from "../../src/provenance/shape.ts";
import { buildRecords, controlRecords, execBody, frame } from "../support/record-bodies.ts";

const exec = execBody();
const context = { log: "farm/1", build: "b9", chore: "c", dictum: "d", attempt: 3 };
const execs: readonly RecordBody[] = [
  { ...exec, from: context },
  { ...exec, from: { ...context, cached: true }, cacheable: false },
  { ...exec, from: { ...context, cached: false }, chore: "größer(x)" },
  { ...exec, used: { n: 3, root: sha256("used"), key: sha256("key") }, exit: -1 },
  { ...exec, sandbox: { backend: "none", leaks: ["a", "b"], open: true, shut: false, none: [] } },
  { ...exec, out: [], props: {} },
  { ...exec, out: [...exec.out, { p: "lib", d: sha256("t"), n: 0, m: "l", l: "../lib" }] },
];
const bodies = [...buildRecords(), ...execs, ...controlRecords()];
const cases = bodies.map((body, i) => [i, body.kind, encodeRecord(body, frame).bytes] as const);

/** What a value is when it is parsed, written again, compared, and then looked at member by member. */
function isAcceptedSlowly(bytes: Buffer): boolean {
  try {
    const value = parseCanonicalJson(bytes) as { readonly kind?: unknown; readonly v?: unknown };
    return isRecordKind(value.kind) && value.v === 1 && shapeOfKind(value.kind).problem(value) === undefined;
  } catch {
    return false;
  }
}

const glance = new ExecutionGlance();

/** Whether a glance says of bytes what comes of parsing them; where it says nothing, whoever asks parses. */
function isSeenAsParsed(bytes: Buffer): boolean {
  if (!glance.looksAt(bytes)) return true;
  const record = parseRecord(bytes) as ExecutionRecord;
  const { seq, log, prev } = record;
  const said = Object.entries({ seq, log, prev, ...executionFacts(record) });
  return said.every(([name, value]) => glance[name as keyof ExecutionGlance] === value);
}

/** Everything that differs from `bytes` in one place. */
function* alterations(bytes: Buffer): Generator<Buffer> {
  const [before, after] = [(at: number) => bytes.subarray(0, at), (at: number) => bytes.subarray(at)];
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [0x01, 0x10, 0x20, 0x80]) {
      yield Buffer.concat([before(at), Buffer.of((bytes[at] as number) ^ flip), after(at + 1)]);
    }
    yield Buffer.concat([before(at), after(at + 1)]);
    for (const put of ['"', "\\", ",", "}", "]", "{", "[", " ", "0", "9", "-", "=", "\0", "\x7f", "ä"]) {
      yield Buffer.concat([before(at), Buffer.from(put), after(at)]);
      yield Buffer.concat([before(at), Buffer.from(put), after(at + 1)]);
    }
  }
}

describe("a record's canonical form, found without parsing", () => {
  test.each(cases)("%i %s is found whole", (_, kind, bytes) => {
    expect(shapeOfKind(kind).end(bytes, 0)).toBe(bytes.length);
    expect(isAcceptedSlowly(bytes)).toBe(true);
  });

  test.each(cases)("%i %s: what is found in altered bytes, parsing finds too", (_, kind, bytes) => {
    const shape = shapeOfKind(kind);
    const wrong: string[] = [];
    let found = 0;
    for (const altered of alterations(bytes)) {
      if (shape.end(altered, 0) !== altered.length) continue;
      found++;
      // Whether the bytes are UTF-8 is for the caller to know.
      const isRight = !isUtf8(altered) || (isAcceptedSlowly(altered) && isSeenAsParsed(altered));
      if (!isRight) wrong.push(altered.toString());
    }
    expect(wrong).toEqual([]);
    // Texts can be other texts.
    expect(found).toBeGreaterThan(bytes.length / 10);
  });

  test("what is left to the parser is an escape, and a number that may be too large", () => {
    const long = { ...exec, chore: 'a"b' };
    for (const body of [long, { ...exec, t0: 2 ** 53 - 1 }]) {
      const { bytes } = encodeRecord(body, frame);
      expect(shapeOfKind("exec").end(bytes, 0)).toBe(ELSEWHERE);
      expect(parseRecord(bytes)).toMatchObject(body);
    }
  });
});

describe("an execution at a glance", () => {
  const executions = cases.filter(([, kind]) => kind === "exec" || kind === "fail");

  test.each(executions)("%i %s says what the record says", (_, _kind, bytes) => {
    expect(glance.looksAt(bytes)).toBe(true);
    expect(isSeenAsParsed(bytes)).toBe(true);
  });

  test.each([
    ["a record of another kind", cases[0]?.[2] as Buffer],
    [
      "one whose outputs stand elsewhere",
      encodeRecord({ ...exec, out: [], more: { n: 65, root: sha256("") } }, frame).bytes,
    ],
    [
      "bytes that are no UTF-8",
      Buffer.from(cases[2]?.[2].toString("latin1").replace("compile", "comp\xe9le") ?? "", "latin1"),
    ],
    ["nothing", Buffer.alloc(0)],
  ])("tells nothing of %s", (_, bytes) => {
    expect(glance.looksAt(bytes)).toBe(false);
  });
});
