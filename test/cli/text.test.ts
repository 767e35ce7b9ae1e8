import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { didYouMean } from "../../src/cli/did-you-mean.ts";
import { exitCodeOfFailure } from "../../src/cli/exit-code.ts";
import { nodeProblem } from "../../src/cli/node-version.ts";
import { counted, formatCount, formatDuration, formatSize, parseDuration, parseSize } from "../../src/cli/quantity.ts";
import { wantsColour } from "../../src/cli/render/colour.ts";
import { cutMiddle, oneLine, sanitise } from "../../src/cli/render/sanitise.ts";
import { shellWord } from "../../src/cli/render/shell-word.ts";
import { tableText } from "../../src/cli/render/table.ts";

const same: readonly (readonly [name: string, found: unknown, expected: unknown])[] = [
  ["no time", formatDuration(0), "0.00s"],
  ["a clock gone back", formatDuration(-5), "0.00s"],
  ["hundredths", formatDuration(210), "0.21s"],
  ["rounding to a second", formatDuration(996), "1.0s"],
  ["tenths", formatDuration(3440), "3.4s"],
  ["rounding to ten", formatDuration(9960), "10s"],
  ["seconds", formatDuration(59_400), "59s"],
  ["rounding to a minute", formatDuration(59_600), "1m00s"],
  ["minutes", formatDuration(125_000), "2m05s"],
  ["rounding to an hour", formatDuration(3_599_600), "1h00m"],
  ["hours", formatDuration(3_720_000), "1h02m"],
  ["bytes", formatSize(512), "512 B"],
  ["kibibytes", formatSize(1434), "1.4 KiB"],
  ["rounding up a unit", formatSize(1024 * 1024 - 1), "1.0 MiB"],
  ["tebibytes", formatSize(5 * 2 ** 40), "5.0 TiB"],
  ["a thousand", formatCount(1000), "1,000"],
  ["a million", formatCount(1234567), "1,234,567"],
  ["one chore", counted(1, "chore"), "1 chore"],
  ["no chores", counted(0, "chore"), "0 chores"],
  ["size with a fraction", parseSize("1.5GiB"), { ok: true, value: 1.5 * 2 ** 30 }],
  ["size in bytes", parseSize("4096"), { ok: true, value: 4096 }],
  ["size 0", parseSize("0"), { ok: true, value: 0 }],
  ["size too large", parseSize("99999999T").ok, false],
  ["negative size", parseSize("-1").ok, false],
  ["milliseconds", parseDuration("500ms"), { ok: true, value: 500 }],
  ["days", parseDuration("30d"), { ok: true, value: 30 * 86_400_000 }],
  ["no unit is seconds", parseDuration("2"), { ok: true, value: 2000 }],
  ["blank in a time", parseDuration("1 h").ok, false],
  ["plain word", shellWord("begat"), "begat"],
  ["call", shellWord("compile(a b)"), "'compile(a b)'"],
  ["quote", shellWord("it's"), "'it'\\''s'"],
  ["newline", shellWord("a\nb"), "$'a\\x0ab'"],
  ["nothing", shellWord(""), "''"],
  ["swapped letters", didYouMean("biuld", ["build", "init"]), "build"],
  ["too far", didYouMean("frobnicate", ["build"]), undefined],
  ["two slips in a short word", didYouMean("xy", ["gc"]), undefined],
  [
    "columns",
    tableText([
      ["a", "bb", "c"],
      ["aaa", "b", ""],
    ]),
    "a    bb  c\naaa  b\n",
  ],
];
describe("quantities and words", () => {
  for (const [name, found, expected] of same) it(name, () => expect(found).toEqual(expected));
});

const sanitised: readonly (readonly [name: string, text: string, coloured: string, plain: string])[] = [
  ["nothing special", "a\tb\nc\n", "a\tb\nc\n", "a\tb\nc\n"],
  ["colours", "\x1b[31mred\x1b[0m\n", "\x1b[31mred\x1b[0m\n", "red\n"],
  ["a colour left on", "\x1b[1;31mred\n", "\x1b[1;31mred\x1b[0m\n", "red\n"],
  ["a colour left on, no newline", "\x1b[31mred", "\x1b[31mred\x1b[0m", "red"],
  ["256 colours", "\x1b[38;5;8mgrey\x1b[m", "\x1b[38;5;8mgrey\x1b[m", "grey"],
  ["concealed text", "\x1b[8msecret\x1b[0m", "secret\x1b[0m", "secret"],
  ["clear screen", "\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H", "\\x1b[2J\\x1b[H"],
  ["window title", "\x1b]0;owned\x07", "\\x1b]0;owned\\x07", "\\x1b]0;owned\\x07"],
  ["hyperlink", "\x1b]8;;http://x\x1b\\", "\\x1b]8;;http://x\\x1b\\", "\\x1b]8;;http://x\\x1b\\"],
  ["device query", "\x1b[6n\x1bP$q", "\\x1b[6n\\x1bP$q", "\\x1b[6n\\x1bP$q"],
  ["C1 control", "\u009b2J\u0085", "\\x9b2J\\x85", "\\x9b2J\\x85"],
  ["private SGR", "\x1b[>4;2m", "\\x1b[>4;2m", "\\x1b[>4;2m"],
  ["backspaces", "ok\b\bno", "ok\\x08\\x08no", "ok\\x08\\x08no"],
  ["progress bar", " 10%\r 50%\r100%\n", " 10%\n 50%\n100%\n", " 10%\n 50%\n100%\n"],
  ["line ends of Windows", "a\r\nb\r\n", "a\nb\n", "a\nb\n"],
  ["NUL", "a\0b", "a\\x00b", "a\\x00b"],
  ["text turned round", "a\u202eb\u2066c", "a\\u202eb\\u2066c", "a\\u202eb\\u2066c"],
  ["other scripts", "naïve 漢字 🙂\n", "naïve 漢字 🙂\n", "naïve 漢字 🙂\n"],
  ["half a sequence", "end\x1b[3", "end\\x1b[3", "end\\x1b[3"],
];
describe("what a recipe printed", () => {
  for (const [name, text, coloured, plain] of sanitised) {
    it(name, () => expect([sanitise(text, true), sanitise(text, false)]).toEqual([coloured, plain]));
  }

  const nasty = fc.array(
    fc.constantFrom("\x1b", "[", "]", "8", "3", ";", "m", "J", "\r", "\n", "\b", "\x9b", "a", "\u202e", "\0"),
  );
  it("never lets a control through but tab, newline and colours", () => {
    fc.assert(
      fc.property(nasty, (pieces) => {
        const text = pieces.join("");
        expect(sanitise(text, false)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
        const coloured = sanitise(text, true).replace(/\x1b\[[0-9;:]*m/g, "");
        expect(coloured).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
        expect(oneLine(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
      }),
    );
  });

  it("leaves out the middle of a long text, and counts it", () => {
    const lines = Array.from({ length: 1000 }, (_, i) => `line ${i}`);
    const cut = cutMiddle(`${lines.join("\n")}\n`, 150);
    expect(cut.head.split("\n").length - 1).toBe(50);
    expect(cut.tail.split("\n").length - 1).toBe(100);
    expect(cut.omittedLines).toBe(850);
    expect(cut.tail.endsWith("line 999\n")).toBe(true);
    const whole = Buffer.byteLength(`${lines.join("\n")}\n`);
    expect(Buffer.byteLength(cut.head + cut.tail) + cut.omittedBytes).toBe(whole);
  });

  it("cuts a line of a megabyte", () => {
    const cut = cutMiddle("x".repeat(1_000_000), 150);
    expect(cut.head).toBe(`${"x".repeat(4000)} [996000 more characters]\n`);
  });
});

const colours: readonly (readonly [
  asked: boolean | undefined,
  env: Record<string, string>,
  tty: boolean,
  yes: boolean,
])[] = [
  [undefined, {}, true, true],
  [undefined, {}, false, false],
  [undefined, { TERM: "dumb" }, true, false],
  [undefined, { NO_COLOR: "1" }, true, false],
  [undefined, { NO_COLOR: "" }, true, true],
  [undefined, { FORCE_COLOR: "1" }, false, true],
  [undefined, { FORCE_COLOR: "0" }, true, false],
  [undefined, { FORCE_COLOR: "", TERM: "xterm" }, false, false],
  [undefined, { NO_COLOR: "1", FORCE_COLOR: "1" }, true, false],
  [true, { NO_COLOR: "1" }, false, true],
  [false, { FORCE_COLOR: "1" }, true, false],
];
describe("colour", () => {
  for (const [asked, env, tty, yes] of colours) {
    it(`asked ${asked}, ${JSON.stringify(env)}, terminal ${tty}: ${yes}`, () =>
      expect(wantsColour(asked, env, tty)).toBe(yes));
  }
});

const versions: readonly (readonly [version: string, supported: boolean])[] = [
  ["18.20.4", false],
  ["20.18.9", false],
  ["20.19.0", true],
  ["20.20.2", true],
  ["21.7.3", false],
  ["22.11.0", false],
  ["22.12.0", true],
  ["24.0.0", true],
  ["26.10.0", true],
];
describe("Node", () => {
  for (const [version, supported] of versions) {
    it(`${version} is ${supported ? "" : "not "}supported`, () =>
      expect(nodeProblem(version) === undefined).toBe(supported));
  }

  it("is complained about in one line", () => {
    expect(nodeProblem("18.2.0")).toBe(
      "begat needs Node 20.19 or later of the 20 line, or Node 22.12 or later; this is 18.2.0",
    );
  });
});

const failures: readonly (readonly [code: string | undefined, verifies: boolean, exit: number])[] = [
  ["USAGE", false, 2],
  ["LEDGER_TAMPERED", false, 3],
  ["LEDGER_UNREADABLE", true, 3],
  ["LEDGER_ROLLED_BACK", false, 4],
  ["LEDGER_FORKED", true, 4],
  ["LEDGER_NOT_WRITABLE", false, 1],
  ["LEDGER_NOT_WRITABLE", true, 5],
  ["BUILD_TARGET_UNKNOWN", false, 2],
  ["FILE_NOT_FOUND", false, 1],
  [undefined, false, 1],
  [undefined, true, 5],
];
describe("exit codes", () => {
  for (const [code, verifies, exit] of failures) {
    it(`${code} of a verb that ${verifies ? "verifies" : "acts"} is ${exit}`, () =>
      expect(exitCodeOfFailure(code, verifies)).toBe(exit));
  }
});
