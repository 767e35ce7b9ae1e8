import { describe, expect, it } from "vitest";
import { meantVerb, parseArguments } from "../../src/cli/arguments.ts";
import { UsageError } from "../../src/cli/exit-code.ts";
import { subcommandsOf, VERB_NAMES, verbSpec } from "../../src/cli/verb-table.ts";

type Expected = { verb: string; words?: string[]; overrides?: object; flags?: Record<string, unknown> };

const provVerbs = subcommandsOf("prov").join(", ");

const understood: readonly (readonly [line: string[], expected: Expected])[] = [
  [[], { verb: "build" }],
  [["build"], { verb: "build" }],
  [["all"], { verb: "build", words: ["all"] }],
  [["obj/a.o", "prog"], { verb: "build", words: ["obj/a.o", "prog"] }],
  [["build", "build"], { verb: "build", words: ["build"] }],
  [["-j4"], { verb: "build", flags: { jobs: 4 } }],
  [["-j", "4", "all"], { verb: "build", words: ["all"], flags: { jobs: 4 } }],
  [["--jobs=4"], { verb: "build", flags: { jobs: 4 } }],
  [["build", "--jobs", "4"], { verb: "build", flags: { jobs: 4 } }],
  [["-kn"], { verb: "build", flags: { "keep-going": true, "dry-run": true } }],
  [["-knj8", "all"], { verb: "build", words: ["all"], flags: { "keep-going": true, "dry-run": true, jobs: 8 } }],
  [["-kj", "8"], { verb: "build", flags: { "keep-going": true, jobs: 8 } }],
  [["-k", "-k"], { verb: "build", flags: { "keep-going": true } }],
  [["--quiet"], { verb: "build", flags: { quiet: true } }],
  [["-q"], { verb: "build", flags: { quiet: true } }],
  [["-v"], { verb: "build", flags: { verbose: true } }],
  [["--force", "--offline"], { verb: "build", flags: { force: true, offline: true } }],
  [["--min-isolation", "contained"], { verb: "build", flags: { "min-isolation": "contained" } }],
  [["--executor=process"], { verb: "build", flags: { executor: "process" } }],
  [["--outputs", "all"], { verb: "build", flags: { outputs: "all" } }],
  [["--timeout", "10m"], { verb: "build", flags: { timeout: 600_000 } }],
  [["--timeout", "90"], { verb: "build", flags: { timeout: 90_000 } }],
  [["--no-color"], { verb: "build", flags: { "no-color": true } }],
  [["--json"], { verb: "build", flags: { json: true } }],
  [["-f", "a", "-f", "b"], { verb: "build", flags: { file: ["a", "b"] } }],
  [["CC=clang", "prog"], { verb: "build", words: ["prog"], overrides: { CC: ["clang"] } }],
  [["CFLAGS=-O2 -g"], { verb: "build", overrides: { CFLAGS: ["-O2 -g"] } }],
  [["CFLAGS=[-O2  -g]"], { verb: "build", overrides: { CFLAGS: ["-O2", "-g"] } }],
  [["X=", "Y=[]", "Z=a=b"], { verb: "build", overrides: { X: [""], Y: [], Z: ["a=b"] } }],
  [["--", "-odd", "A=b"], { verb: "build", words: ["-odd", "A=b"] }],
  [["dir/A=b"], { verb: "build", words: ["dir/A=b"] }],
  [["-"], { verb: "build", words: ["-"] }],
  [["-C", "sub", "check"], { verb: "check", flags: { directory: "sub" } }],
  [["-Csub", "cache", "stats"], { verb: "cache stats", flags: {} }],
  [["--directory=sub", "fmt", "--check", "a.begat"], { verb: "fmt", words: ["a.begat"], flags: { check: true } }],
  [["check", "A=1"], { verb: "check", overrides: { A: ["1"] } }],
  [["fmt", "A=1"], { verb: "fmt", words: ["A=1"] }],
  [["graph", "--format", "json"], { verb: "graph", flags: { format: "json" } }],
  [["why", "a.o"], { verb: "why", words: ["a.o"] }],
  [["log", "-n", "5", "--kind", "fail", "--kind=exec"], { verb: "log", flags: { limit: 5, kind: ["fail", "exec"] } }],
  [["prov", "show", "prog"], { verb: "prov show", words: ["prog"] }],
  [["prov", "tree", "prog", "--depth=2", "--sources"], { verb: "prov tree", flags: { depth: 2, sources: true } }],
  [["ledger", "verify", "--no-signatures"], { verb: "ledger verify", flags: { "no-signatures": true } }],
  [
    ["cache", "gc", "--max-size", "1.5G", "-n"],
    { verb: "cache gc", flags: { "max-size": 1610612736, "dry-run": true } },
  ],
  [["--version"], { verb: "version" }],
  [["-V", "--json"], { verb: "version", flags: { json: true } }],
  [["--help"], { verb: "help" }],
  [["help", "prov", "tree"], { verb: "help", words: ["prov", "tree"] }],
  [["prov", "--help"], { verb: "help", words: ["prov"] }],
  [["why", "--help"], { verb: "why", flags: { help: true } }],
];

describe("understands", () => {
  for (const [line, expected] of understood) {
    it(`begat ${line.join(" ")}`, () => {
      const args = parseArguments(line);
      expect(args.verb).toBe(expected.verb);
      if (expected.words !== undefined) expect(args.words).toEqual(expected.words);
      expect(args.overrides).toEqual(expected.overrides ?? {});
      for (const [name, value] of Object.entries(expected.flags ?? {})) {
        const got = Array.isArray(value)
          ? args.flags.texts(name)
          : (args.flags.number(name) ?? args.flags.text(name) ?? args.flags.has(name));
        expect(got).toEqual(value);
      }
    });
  }

  it("every flag of every verb, long and short", () => {
    for (const verb of VERB_NAMES) {
      const spec = verbSpec(verb);
      const words = Array.from({ length: spec.words.least }, () => "word");
      for (const option of spec.options) {
        const value = typeof option.kind === "object" ? option.kind.oneOf[0] : option.kind === "text" ? "x" : "7";
        const forms = [`--${option.name}`, ...(option.short === undefined ? [] : [`-${option.short}`])];
        for (const form of forms) {
          const line = [
            ...verb.split(" "),
            ...words,
            form,
            ...(option.kind === "flag" || option.optional ? [] : [value]),
          ];
          const args = parseArguments(line);
          expect(args.verb, line.join(" ")).toBe(verb);
          expect(args.flags.has(option.name), line.join(" ")).toBe(true);
          expect(args.words, line.join(" ")).toEqual(words);
        }
      }
    }
  });
});

const refused: readonly (readonly [line: string[], message: string, hint?: string])[] = [
  [["--job", "4"], "begat build has no option --job", 'did you mean "--jobs"?'],
  [["build", "--dryrun"], "begat build has no option --dryrun", 'did you mean "--dry-run"?'],
  [["build", "--zzz"], "begat build has no option --zzz"],
  [["check", "--jobs"], "begat check has no option --jobs", "--jobs is an option of begat build, begat challenge"],
  [["-x"], "begat build has no option -x"],
  [["-kx"], "begat build has no option -x"],
  [["-j"], "-j needs a value: -j N"],
  [["-j", "many"], '-j expects a whole number, 0 or more; found "many"'],
  [["--jobs=-1"], '--jobs expects a whole number, 0 or more; found "-1"'],
  [["--jobs", "2", "-j3"], "-j is given twice"],
  [["--force=yes"], '--force takes no value, found "yes"'],
  [["--timeout", "soon"], '--timeout expects a time such as 90s, 10m or 1h; found "soon"'],
  [["--timeout", "0"], '--timeout expects a time such as 90s, 10m or 1h; found "0"'],
  [["--executor", "podman"], '--executor expects one of server, bubblewrap, docker, process; found "podman"'],
  [
    ["--min-isolation", "containd"],
    '--min-isolation expects one of none, contained, hermetic; found "containd"',
    'did you mean "contained"?',
  ],
  [["-f", ""], '-f expects a value, found ""'],
  [["-C"], "-C needs a value: -C DIR"],
  [["A=1", "A=2"], "variable A is given twice"],
  [["cache", "gc", "--max-size", "lots"], '--max-size expects a size such as 500M or 20G; found "lots"'],
  [["prov"], `begat prov needs one of: ${provVerbs}`],
  [["prov", "shwo", "x"], `begat prov needs one of: ${provVerbs}; found "shwo"`, 'did you mean "begat prov show"?'],
  [["cache"], "begat cache needs one of: stats, verify, gc"],
  [["cache", "frobnicate"], 'begat cache needs one of: stats, verify, gc; found "frobnicate"'],
  [["why"], "begat why needs a TARGET"],
  [["why", "a", "b"], 'begat why takes at most 1 TARGET, found "b" as well'],
  [["prov", "show"], "begat prov show needs an ARTIFACT"],
  [["init", "here"], 'begat init takes no arguments, found "here"'],
  [["completion"], "begat completion needs bash, zsh or fish"],
];

describe("refuses", () => {
  for (const [line, message, hint] of refused) {
    it(`begat ${line.join(" ")}`, () => {
      let caught: unknown;
      try {
        parseArguments(line);
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(UsageError);
      const { message: found, hint: foundHint, code } = caught as UsageError;
      expect({ message: found, hint: foundHint, code }).toEqual({ message, hint, code: "USAGE" });
    });
  }
});

describe("a word that is no command", () => {
  const cases: readonly (readonly [word: string, verb: string | undefined])[] = [
    ["bulid", "build"],
    ["biuld", "build"],
    ["chekc", "check"],
    ["lgo", "log"],
    ["prog", "prov"],
    ["obj/a.o", undefined],
    ["all", undefined],
  ];
  for (const [word, verb] of cases) {
    it(`${word} is ${verb === undefined ? "only a target" : `perhaps ${verb}`}`, () => {
      expect(meantVerb(parseArguments([word]))).toBe(verb);
      expect(meantVerb(parseArguments(["build", word]))).toBeUndefined();
    });
  }
});
