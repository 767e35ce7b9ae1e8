import { describe, expect, test } from "vitest";
import {
  declaredSources,
  type EvaluatedChore,
  type Evaluation,
  evaluate,
  ParsedFiles,
} from "../../src/dictum-parser/index.ts";
import { FakeEvaluationHost, requestFor } from "../support/fake-evaluation-host.ts";
import { EXAMPLE, EXAMPLE_FILES } from "./example.ts";

interface Outcome extends Evaluation {
  readonly chores: readonly EvaluatedChore[];
}

function outcomeOf(
  text: string,
  files: Readonly<Record<string, string | Uint8Array>> = {},
  overrides: Readonly<Record<string, readonly string[]>> = {},
): Outcome {
  const chores: EvaluatedChore[] = [];
  const host = new FakeEvaluationHost({ begatfile: text, ...files }, { HOME: "/home/me" });
  return { ...evaluate(requestFor(["begatfile"], overrides), host, (chore) => chores.push(chore)), chores };
}

/** The one chore of a file without mistakes. */
function choreOf(text: string, files: Readonly<Record<string, string | Uint8Array>> = {}): EvaluatedChore {
  const { diagnostics, chores } = outcomeOf(text, files);
  expect(diagnostics).toEqual([]);
  expect(chores).toHaveLength(1);
  return chores[0] as EvaluatedChore;
}

function envOf(chore: EvaluatedChore): Record<string, string> {
  return Object.fromEntries(chore.env);
}

describe("a value stands for", () => {
  const given = 'var none = []\nvar two = [ a.c b.c ]\nvar three = [ 1 2 3 ]\nvar one = x\nvar dirs = [ "in c" lib ]\n';
  const files = {
    "lines.txt": "one\ntwo words\n\nlast",
    "src/a.c": "",
    "src/b.c": "",
    "src/.hid.c": "",
    "src/sub/c.c": "",
  };
  const cases: readonly (readonly [value: string, elements: readonly string[]])[] = [
    ["$two", ["a.c", "b.c"]],
    ["[ x $two y ]", ["x", "a.c", "b.c", "y"]],
    ["-I$dirs", ["-Iin c", "-Ilib"]],
    ["-I$none", []],
    ["$one/$two", ["x/a.c", "x/b.c"]],
    ["$two/$one", ["a.c/x", "b.c/x"]],
    ["$two:$two", ["a.c:a.c", "b.c:b.c"]],
    ["$two$none", []],
    ['"$two"', ["a.c b.c"]],
    ['"<$none>"', ["<>"]],
    ['-D"$two"', ["-Da.c b.c"]],
    ["${two:%.c=%.o}", ["a.o", "b.o"]],
    ["${two:a.%=%}", ["c", "b.c"]],
    ["${two:%=obj/%.gz}", ["obj/a.c.gz", "obj/b.c.gz"]],
    ["${two:a.c=z}", ["z", "b.c"]],
    ["${two:a.c=}", ["", "b.c"]],
    ["${two:%.c=$one/%}", ["x/a", "x/b"]],
    ["lib/${two:%.c=%}.so", ["lib/a.so", "lib/b.so"]],
    ["without($three [ 2 9 ])", ["1", "3"]],
    ['basename([ a/b c "d/" "/" ])', ["b", "c", "d", ""]],
    ['dirname([ a/b/c d "e/f/" ])', ["a/b", ".", "e"]],
    ['env("HOME")', ["/home/me"]],
    ['env("NONE" [ a b ])', ["a", "b"]],
    ['read("lines.txt")', ["one", "two words", "", "last"]],
    ['glob("src/*.c")', ["src/a.c", "src/b.c"]],
    ['glob("src/**/*.c")', ["src/a.c", "src/b.c", "src/sub/c.c"]],
    ['glob("src/.*.c")', ["src/.hid.c"]],
    ['glob("src/?.c" "src/a*")', ["src/a.c", "src/b.c"]],
    ['glob("src/[!a].c")', ["src/b.c"]],
    ['glob("*/")', ["src/"]],
    ['glob("src/a.c")', ["src/a.c"]],
    ['glob("src/../src/./a.*")', ["src/../src/a.c"]],
  ];
  for (const [value, elements] of cases) {
    test(value, () => {
      const text = `${given}var X = ${value}\ndictum show(x) { attr[nocache] exec [[[ echo $x ]]] }\napply(show $X)\n`;
      const { diagnostics, chores } = outcomeOf(text, files);
      expect(diagnostics).toEqual([]);
      expect(chores.map((chore) => envOf(chore).x)).toEqual(elements);
    });
  }
});

describe("a chore", () => {
  test("has its paths, and sees them from its directory", () => {
    const chore = choreOf(`
      dictum make(name) { in [ ../src/a.c ./b.c docs/ ] out [ $name/x tree/ ] exec [[[ cc ]]] }
      cd sub/dir { run make(out) }`);
    expect(chore.directory).toBe("sub/dir");
    expect(chore.inputs).toEqual([
      { path: "sub/src/a.c", kind: "file" },
      { path: "sub/dir/b.c", kind: "file" },
      { path: "sub/dir/docs", kind: "tree" },
    ]);
    expect(chore.outputs).toEqual([
      { path: "sub/dir/out/x", kind: "file" },
      { path: "sub/dir/tree", kind: "tree" },
    ]);
    expect(chore.env).toEqual([
      ["in", "../src/a.c b.c docs"],
      ["name", "out"],
      ["out", "out/x tree"],
    ]);
    expect(chore.label).toBe("make(out) in sub/dir");
    expect(chore.at).toEqual({ file: "begatfile", line: 3, column: 20 });
  });

  test("has arguments, imports and settings in its environment, and nothing else", () => {
    const chore = choreOf(`
      var CFLAGS = [ -O2 "-D X" ]
      var SECRET = x
      dictum make(a b) { import [ CFLAGS ] down [ MODE=fast LIST=[ 1 2 ] a=over ] exec [[[ cc ]]] }
      run make(one [ two three ])`);
    expect(envOf(chore)).toEqual({
      CFLAGS: "-O2 -D X",
      LIST: "1 2",
      MODE: "fast",
      a: "over",
      b: "two three",
      in: "",
      out: "",
    });
    expect(chore.env.map(([name]) => name)).toEqual(["CFLAGS", "LIST", "MODE", "a", "b", "in", "out"]);
  });

  test("reads each input once, in the order written", () => {
    const names = Array.from({ length: 40 }, (_, i) => `f${i % 20}`);
    const chore = choreOf(`dictum a { in [ b a b ./a ${names.join(" ")} ] exec [[[ x ]]] }\nrun a`);
    expect(chore.inputs.map(({ path }) => path)).toEqual(["b", "a", ...new Set(names)]);
  });

  test("takes what else its dictum says", () => {
    const chore = choreOf(`
      var N = 3
      image cc { deb [ gcc ] }
      dictum a {
        image cc attr [ volatile interactive fixpoint=$N ] tools [ ld as ld ] timeout 1.5m
        resources [ cpu=2 memory=512M ] network host up [ VERSION ]
        exec[bash -x] [[[ x ]]]
      }
      run a`);
    expect(chore).toMatchObject({
      image: "cc",
      attributes: { volatile: true, nocache: false, interactive: true, exclusive: false, fixpoint: 3 },
      tools: ["ld", "as"],
      timeoutMs: 90_000,
      resources: { cpu: 2, memory: 512 * 1024 * 1024 },
      network: "host",
      interpreter: ["bash", "-x"],
      up: ["VERSION"],
    });
  });

  test("without more has the defaults", () => {
    expect(choreOf("dictum a { exec [[[ x ]]] }\nrun a()")).toMatchObject({
      label: "a()",
      image: "host",
      interpreter: ["sh", "-eu"],
      recipe: "x\n",
      timeoutMs: 0,
      network: "none",
      tools: [],
      resources: {},
      mounts: [],
      properties: [],
    });
  });

  test("imports as a property what no variable is", () => {
    const { diagnostics, chores } = outcomeOf(`
      dictum use { import [ VERSION ] out [ x ] exec [[[ echo $VERSION ]]] }
      dictum make { up [ VERSION ] exec [[[ x ]]] }
      run use
      run make`);
    expect(diagnostics).toEqual([]);
    expect(chores[0]?.properties).toEqual(["VERSION"]);
    expect(envOf(chores[0] as EvaluatedChore)).toEqual({ in: "", out: "x" });
  });

  test("sees a glob in its inputs as files on disk, not what its arguments hold", () => {
    const files = { "src/a.h": "", "src/b.h": "", "odd/*/x.h": "", "odd/y/x.h": "" };
    const chore = choreOf(
      `var d = "odd/*"\ndictum a(s) { in [ $s src/*.h "q*" $d/?.h ] exec [[[ x ]]] }\nrun a(z*)`,
      files,
    );
    expect(chore.inputs.map(({ path }) => path)).toEqual(["z*", "src/a.h", "src/b.h", "q*", "odd/*/x.h"]);
  });

  test("with many arguments has a label of bounded length that is still its own", () => {
    const many = (last: string): string => [...Array.from({ length: 500 }, (_, i) => `file${i}.c`), last].join(" ");
    const { chores } = outcomeOf(`dictum a(x) { exec [[[ x ]]] }\nrun a([ ${many("y")} ])\nrun a([ ${many("z")} ])`);
    const [one, two] = chores.map(({ label }) => label);
    expect(one?.length).toBeLessThan(200);
    expect(one).not.toBe(two);
  });

  test("has a label that tells lists from blanks", () => {
    const { chores } = outcomeOf('dictum a(x) { exec [[[ x ]]] }\nrun a([ p q ])\nrun a("p q")\nrun a("")\nrun a([])');
    expect(chores.map(({ label }) => label)).toEqual(["a([p q])", 'a("p q")', 'a("")', "a([])"]);
  });
});

describe("names", () => {
  test("are looked up where a dictum was written, not where it is run", () => {
    const chore = choreOf(`
      var X = outer
      dictum show { import [ X ] exec [[[ x ]]] }
      func f(X) { cd d { var Y = $X run show } }
      f(inner)`);
    expect(envOf(chore).X).toBe("outer");
    expect(chore.directory).toBe("d");
  });

  test("of a block end with it, and may be used again", () => {
    const { diagnostics, chores } = outcomeOf(`
      cd a { var S = one dictum show { import [ S ] out [ x ] exec [[[ x ]]] } run show }
      cd b { var S = two dictum show { import [ S ] out [ x ] exec [[[ x ]]] } run show }`);
    expect(diagnostics).toEqual([]);
    expect(chores.map((chore) => envOf(chore).S)).toEqual(["one", "two"]);
  });

  test("of dictums and funcs are known before their definition", () => {
    expect(choreOf("f(x)\nfunc f(a) { run d($a) }\ndictum d(a) { exec [[[ x ]]] }").label).toBe("d(x)");
  });

  test("of dictums in two blocks must not make chores nobody can tell apart", () => {
    const { diagnostics } = outcomeOf(`
      cd a { dictum show { out [ x ] exec [[[ x ]]] } run show }
      cd a { dictum show { out [ y ] exec [[[ x ]]] } run show }`);
    expect(diagnostics.map(({ code }) => code)).toEqual(["EVAL_DUPLICATE_CHORE"]);
  });
});

describe("?=", () => {
  const text = "var A ?= [ default ]\ndictum show { import [ A ] exec [[[ x ]]] }\nrun show";
  test("is a default", () => expect(envOf(choreOf(text)).A).toBe("default"));
  test("gives way to the command line", () => {
    const { diagnostics, chores } = outcomeOf(text, {}, { A: ["one", "two"] });
    expect(diagnostics).toEqual([]);
    expect(envOf(chores[0] as EvaluatedChore).A).toBe("one two");
  });
  test("gives way to an earlier =", () => expect(envOf(choreOf(`var A = earlier\n${text}`)).A).toBe("earlier"));
  test("alone may be overridden", () => {
    const { diagnostics } = outcomeOf(
      "var FIXED = x\nvar OPEN ?= y",
      {},
      { FIXED: ["1"], OPNE: ["2"], toString: ["3"] },
    );
    expect(diagnostics.map(({ code, message, hint }) => [code, message, hint])).toEqual([
      [
        "EVAL_OVERRIDE",
        'expected a variable to override, found "OPNE", which no begatfile defines',
        'did you mean "OPEN"?',
      ],
      [
        "EVAL_OVERRIDE",
        "expected a variable that may be overridden, found FIXED, which is fixed",
        "var FIXED ?= ... may be overridden",
      ],
    ]);
  });
});

describe("include", () => {
  test("splices a file relative to the one it stands in, once a scope", () => {
    const { diagnostics, chores, reads } = outcomeOf('include "lib/all.begat"\n< lib/all.begat\nrun a', {
      "lib/all.begat": "include rules.begat\n",
      "lib/rules.begat": "dictum a { in [ x ] exec [[[ x ]]] }",
    });
    expect(diagnostics).toEqual([]);
    expect(chores[0]?.inputs[0]?.path).toBe("x");
    expect(reads.files).toEqual(["begatfile", "lib/all.begat", "lib/rules.begat"]);
  });

  test("remembers a file that is not there", () => {
    expect(outcomeOf("include missing.begat").reads.files).toEqual(["begatfile", "missing.begat"]);
  });
});

describe("what was read", () => {
  test("is told: files, directories, environment", () => {
    const { reads } = outcomeOf(
      'var A = [ read("v") read("none") glob("src/**/*.c" "gone/*") env("HOME") env("NO" "x") ]',
      {
        v: "1",
        "src/sub/a.c": "",
        "src/.hidden/b.c": "",
      },
    );
    expect(reads).toEqual({
      files: ["begatfile", "none", "v"],
      directories: ["gone", "src", "src/sub"],
      env: [
        ["HOME", "/home/me"],
        ["NO", undefined],
      ],
    });
  });
});

describe("sources", () => {
  const text = `
    source lua { deb-src "lua5.4" }
    var FILES = glob("$lua/src/*.c")
    dictum cc(s) { in [ $s $lua/src/lua.h $lua ] out [ "obj/$s.o" ] exec [[[ cc ]]] }
    cd deep/er { run cc($lua/x) dictum look { import [ lua ] exec [[[ x ]]] } run look }
    apply(cc $FILES)`;
  const files = { ".begat/source/lua/src/b.c": "", ".begat/source/lua/src/a.c": "", ".begat/source/lua/.git/x.c": "" };

  test("are found before anything else is looked at", () => {
    expect(declaredSources(requestFor(["begatfile"]), new FakeEvaluationHost({ begatfile: text }))).toEqual({
      diagnostics: [],
      sources: [{ name: "lua", kind: "deb-src", words: ["lua5.4"], at: { file: "begatfile", line: 2, column: 5 } }],
    });
  });

  test("are directories, seen from where they are named", () => {
    const { diagnostics, chores } = outcomeOf(text, files);
    expect(diagnostics).toEqual([]);
    expect(chores.map(({ inputs }) => inputs.map(({ path, kind }) => `${path} ${kind}`))).toEqual([
      [".begat/source/lua/x file", ".begat/source/lua/src/lua.h file", ".begat/source/lua tree"],
      [],
      [".begat/source/lua/src/a.c file", ".begat/source/lua/src/lua.h file", ".begat/source/lua tree"],
      [".begat/source/lua/src/b.c file", ".begat/source/lua/src/lua.h file", ".begat/source/lua tree"],
    ]);
    expect(envOf(chores[1] as EvaluatedChore).lua).toBe("../../.begat/source/lua");
  });

  test("and their files are parsed once for both questions", () => {
    const host = new FakeEvaluationHost({ begatfile: "var X = 1\nvar X = 2\nvar = 3" });
    const parsed = new ParsedFiles();
    const first = declaredSources(requestFor(["begatfile"]), host, parsed);
    const second = evaluate(requestFor(["begatfile"]), host, () => {}, parsed);
    expect(second.diagnostics).toEqual(first.diagnostics);
    expect(second.diagnostics.map(({ code }) => code)).toEqual(["EVAL_DUPLICATE_DEFINITION", "PARSE_UNEXPECTED"]);
  });
});

test("images, groups and mounts are declared", () => {
  const { diagnostics, images, groups, chores } = outcomeOf(`
    image cc { deb [ gcc dash ] link [ /bin/sh=dash ] }
    image ready = oci("dir@sha256:00")
    dictum a(o) { image ready out [ $o ] exec [[[ x ]]] }
    cd sub {
      mount("third" "ro" "../vendor/")
      func f(o) { mount("more" "ro" "m") run a($o) }
      f(x)
      run a(tree/)
    }
    run a(y)
    group some = [ sub/x sub/tree ]
    group all  = [ some y sub/x ]`);
  expect(diagnostics).toEqual([]);
  expect(
    images.map(({ name, parts }) => [name, ...parts.map(({ kind, words }) => `${kind}: ${words.join(" ")}`)]),
  ).toEqual([
    ["cc", "deb: gcc dash", "link: /bin/sh=dash"],
    ["ready", "oci: dir@sha256:00"],
  ]);
  expect(groups.map(({ name, members }) => [name, ...members.map(({ path, kind }) => `${path} ${kind}`)])).toEqual([
    ["some", "sub/x file", "sub/tree tree"],
    ["all", "sub/x file", "sub/tree tree", "y file"],
  ]);
  expect(chores.map(({ mounts }) => mounts.map(({ where, source }) => `${where} ${source}`))).toEqual([
    ["sub/third vendor", "sub/more sub/m"],
    ["sub/third vendor"],
    [],
  ]);
});

test("the example gives its chores", () => {
  const { diagnostics, chores, choreCount } = outcomeOf(EXAMPLE, EXAMPLE_FILES);
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  expect(choreCount).toBe(chores.length);
  expect(chores.map(({ label }) => label)).toEqual([
    "compile(src/a.c)",
    "compile(src/b.c)",
    "version()",
    "bind()",
    "other(one-two [x one])",
    'other(x "two words") in sub',
  ]);
});

test("what runs away is stopped", () => {
  const doubling = (n: number, line: (i: number) => string): string =>
    Array.from({ length: n }, (_, i) => line(i)).join("\n");
  const lists = `var A0 = [ a b ]\n${doubling(40, (i) => `var A${i + 1} = [ $A${i} $A${i} ]`)}`;
  const strings = `var A0 = aaaaaaaaaaaaaaaa\n${doubling(60, (i) => `var A${i + 1} = "$A${i}$A${i}"`)}`;
  const calls = `f0()\n${doubling(40, (i) => `func f${i} { f${i + 1}() f${i + 1}() }`)}\nfunc f40 { }`;
  for (const text of [lists, strings, calls]) {
    expect(outcomeOf(text).diagnostics.map(({ code }) => code)).toContain("EVAL_TOO_LARGE");
  }
});

test("a loop of symlinks ends", () => {
  const host = new FakeEvaluationHost({ begatfile: 'var X = glob("**/*.c")', "loop/a.c": "", "d/b.c": "" }, {}, [
    "loop",
  ]);
  const { diagnostics, reads } = evaluate(requestFor(["begatfile"]), host, () => {});
  expect(diagnostics).toEqual([]);
  expect(reads.directories).toEqual(["", "d"]);
});

test("bytes that are not UTF-8 are shown where they stand", () => {
  const bytes = Buffer.concat([
    Buffer.from("\ufeffvar A = \ufffd\r\nvar B = caf"),
    Buffer.from([0xe9]),
    Buffer.from("\n"),
  ]);
  const { diagnostics } = outcomeOf("include x", { x: bytes });
  expect(diagnostics).toMatchObject([{ code: "PARSE_NOT_UTF8", at: { file: "x", line: 2, column: 12 } }]);
});

test("a begatfile that is not there is a mistake", () => {
  const { diagnostics } = evaluate(requestFor(["gone"]), new FakeEvaluationHost({}), () => {});
  expect(diagnostics).toMatchObject([{ code: "EVAL_FILE_MISSING", at: { file: "gone", line: 1, column: 1 } }]);
});

test("in a large file, whose calls are read again when they are made, chores are what they are in a small one", () => {
  const calls = `
    dictum d(a b) { in [ $b ] out [ out/$a ] exec [[[ cp ]]] }
    func f(x) { run d($x-1 [ s1 "s 2" ]) }
    f(one)
    run d(two s3)
    cd sub { run d([ three ] t/) f("f") }
    apply(f [ four five ])
  `;
  const choresOf = (text: string) => {
    const chores: EvaluatedChore[] = [];
    const host = new FakeEvaluationHost({ begatfile: text });
    const { diagnostics } = evaluate(requestFor(["begatfile"]), host, (chore) => void chores.push(chore));
    return { chores, diagnostics };
  };
  const small = choresOf(calls);
  const large = choresOf(`${calls}${"# as long as it takes\n".repeat(50_000)}`);
  expect(small.chores.length).toBe(6);
  expect(large).toEqual(small);
  const mistakes = choresOf(`run d(a)\nrun d(a b c\n${calls}${"#\n".repeat(600_000)}run d(x s1) run d(x s1)`);
  expect(mistakes.diagnostics.map(({ code }) => code)).toEqual([
    "EVAL_ARITY",
    "EVAL_ARITY",
    "PARSE_UNCLOSED",
    "EVAL_TWO_PRODUCERS",
  ]);
});
