import fc from "fast-check";

/** What may stand between two tokens: blanks, line ends, comments. */
const gap = fc.constantFrom(" ", "  ", "\n", "\t", " \n\n ", " #c one\n", "\n  #c two\n\n", "\n\n\n");
const word = fc.constantFrom(
  "a",
  "b.c",
  "-O2",
  "src/x",
  "@y+z",
  "caf\u00e9",
  "*.h",
  "$v",
  "-I$v",
  "${v:%.c=%.o}",
  "x?y",
  "a=b",
);
const text = fc.constantFrom('""', '"a b"', '"\\"\\$\\\\"', '"$v # ]"', '-D"q r"', '"]]]"');
const name = fc.constantFrom("a", "b", "compile", "x1");
const element = fc.oneof(word, text, fc.constantFrom('glob("a*")', "basename($v)", "without([ a ] b)"));
const bigWord = fc.oneof(word, text);

function separated(items: fc.Arbitrary<string>, separator: fc.Arbitrary<string> = gap): fc.Arbitrary<string> {
  return fc.array(fc.tuple(items, separator), { maxLength: 4 }).map((all) => all.map(([i, s]) => i + s).join(""));
}

const list = fc.tuple(gap, separated(element, fc.oneof(gap, fc.constant(" , ")))).map(([g, items]) => `[${g}${items}]`);
const value = fc.oneof(element, list);
const args = separated(fc.oneof(element, list)).map((items) => `(${items})`);
const line = fc.constantFrom(
  "cc $in",
  "  if x; then",
  "[[ -f a ]] && b",
  "",
  "   ",
  "# no comment",
  "\tcat <<EOF",
  "echo ']'",
);
const recipe = fc.oneof(
  fc.array(line, { maxLength: 5 }).map((lines) => `[[  \n${lines.map((l) => `${l}\n`).join("")}   ]]`),
  fc.array(line, { minLength: 1, maxLength: 3 }).map((lines) => `[[[ ${lines.join("\n")} ]]]`),
);
const setting = fc.tuple(name, fc.constantFrom("=", " = ", "= "), value).map(([n, e, v]) => `${n}${e}${v}`);
const section = fc.oneof(
  fc
    .tuple(fc.constantFrom("in", "out", "up", "import", "tools"), fc.constantFrom("", " ", "\n"), list)
    .map((p) => p.join("")),
  fc.tuple(gap, separated(setting)).map(([g, items]) => `down${g}[${g}${items}]`),
);

function joined(...parts: readonly (fc.Arbitrary<string> | string)[]): fc.Arbitrary<string> {
  return fc.tuple(...parts.map((p) => (typeof p === "string" ? fc.constant(p) : p))).map((all) => all.join(""));
}

const simple = fc.oneof(
  joined("var", gap, name, gap, fc.constantFrom("=", "?="), gap, value),
  joined("run", gap, name, args),
  joined("apply(", name, " ", value, gap, ")"),
  joined(name, args),
  joined("mount", args),
  joined("group", gap, name, gap, "=", gap, value),
  joined("include", gap, bigWord),
  joined("image", gap, name, gap, "{", gap, "deb", gap, list, gap, "env ", list, gap, "}"),
  joined("source", gap, name, gap, "{ url ", bigWord, gap, "}"),
  joined(
    "dictum",
    gap,
    name,
    fc.constantFrom("", "(p)", " ( p q )"),
    gap,
    "{",
    gap,
    separated(section),
    "exec",
    fc.constantFrom("", " [ bash -eu ]"),
    gap,
    recipe,
    gap,
    "}",
  ),
);
const block = fc.oneof(
  joined("cd", gap, bigWord, gap, "{", gap, separated(simple), "}"),
  joined("func", gap, name, fc.constantFrom("", "(p q)"), gap, "{", gap, separated(simple), "}"),
);

/** A begatfile without mistakes of syntax, laid out as nobody would. Comments in it begin with `#c`. */
export const aBegatfile: fc.Arbitrary<string> = fc
  .tuple(gap, fc.array(fc.tuple(fc.oneof({ weight: 3, arbitrary: simple }, block), gap), { maxLength: 6 }))
  .map(([first, all]) => first + all.map(([s, g]) => `${s}${g}\n`).join(""));
