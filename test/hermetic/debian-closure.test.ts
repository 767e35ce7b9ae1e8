import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resolveClosure } from "../../src/hermetic/debian/closure.ts";
import { PackageIndex } from "../../src/hermetic/debian/package-index.ts";
import { ImageError } from "../../src/hermetic/index.ts";
import { type FakeDeb, stanza } from "./image-workspace.ts";

/** `name version | Field: value | Field: value`, one package each. */
function indexOf(...lines: readonly string[]): PackageIndex {
  const index = new PackageIndex("amd64");
  const reader = index.reader(500);
  reader.take(Buffer.from(lines.map((line) => stanza(debOfLine(line))).join("")));
  reader.end();
  return index;
}

function debOfLine(line: string): FakeDeb {
  const [head = "", ...fields] = line.split(" / ");
  const [name = "", version = "1.0"] = head.split(" ");
  return { name, version, fields };
}

const closures: readonly (readonly [title: string, index: readonly string[], asked: readonly string[], set: string])[] =
  [
    ["a package alone", ["a"], ["a"], "a"],
    ["what it needs, and what that needs", ["a / Depends: b", "b / Pre-Depends: c", "c", "d"], ["a"], "a b c"],
    ["a circle", ["a / Depends: b", "b / Depends: a"], ["a"], "a b"],
    ["no recommendations", ["a / Recommends: b", "b"], ["a"], "a"],
    ["the first alternative", ["a / Depends: b | c", "b", "c"], ["a"], "a b"],
    ["the alternative that is there", ["a / Depends: b | c", "c"], ["a"], "a c"],
    ["the alternative that is chosen already", ["a / Depends: b | c", "b", "c"], ["a", "c"], "a b c"],
    ["the alternative that is chosen before", ["z / Depends: b | c", "b", "c"], ["c", "z"], "c z"],
    ["an alternative by version", ["a / Depends: b (>= 2) | c", "b 1", "c"], ["a"], "a c"],
    ["what provides a name", ["a / Depends: v", "p / Provides: v"], ["a"], "a p"],
    ["the package of that name before its providers", ["a / Depends: v", "p / Provides: v", "v"], ["a"], "a v"],
    [
      "a provider by its priority",
      ["a / Depends: v", "p / Provides: v", "q / Provides: v / Priority: required"],
      ["a"],
      "a q",
    ],
    ["no provider without a version for a bound", ["a / Depends: v (>= 2) | w", "p / Provides: v", "w"], ["a"], "a w"],
    ["a provider that says a version", ["a / Depends: v (>= 2)", "p / Provides: v (= 3)"], ["a"], "a p"],
    ["a virtual name with one provider", ["p / Provides: v"], ["v"], "p"],
    ["nothing essential of itself", ["a", "e / Essential: yes"], ["a"], "a"],
    ["the newest version", ["a 1 / Depends: old", "a 2 / Depends: new", "old", "new"], ["a"], "a new"],
    ["the version asked for", ["a 1 / Depends: old", "a 2 / Depends: new", "old", "new"], ["a=1"], "a old"],
    ["other architectures left out", ["a / Depends: b:any", "b"], ["a"], "a b"],
    ["a conflict with what it provides itself", ["a / Provides: v / Conflicts: v", "b / Depends: v"], ["b"], "a b"],
  ];

const refusals: readonly (readonly [
  index: readonly string[],
  asked: readonly string[],
  code: string,
  message: string,
])[] = [
  [["a"], ["b"], "IMAGE_PACKAGE_NOT_FOUND", "the machine's package index has no package b"],
  [
    ["a 1"],
    ["a=2"],
    "IMAGE_PACKAGE_NOT_FOUND",
    "the machine's package index has no package a 2, the machine's archives have 1",
  ],
  [
    ["a / Depends: b (>= 2)", "b 1"],
    ["a"],
    "IMAGE_PACKAGE_NOT_FOUND",
    "the machine's package index has nothing for a 1.0, which needs b (>= 2) (b is 1)",
  ],
  [
    ["a / Depends: x | y", "c / Depends: z"],
    ["a", "c"],
    "IMAGE_PACKAGE_NOT_FOUND",
    "the machine's package index has nothing for a 1.0, which needs x or y; nothing for c 1.0, which needs z",
  ],
  [
    ["p / Provides: v", "q / Provides: v"],
    ["v"],
    "IMAGE_PACKAGE_NOT_FOUND",
    "the machine's package index has no package v of its own",
  ],
  [
    ["a / Depends: b", "b / Conflicts: a"],
    ["a"],
    "IMAGE_PACKAGES_CONFLICT",
    "b 1.0 conflicts with a, and a 1.0 is needed too",
  ],
  [
    ["a / Breaks: b (<< 2)", "b 1"],
    ["a", "b"],
    "IMAGE_PACKAGES_CONFLICT",
    "a 1.0 breaks b (<< 2), and b 1 is needed too",
  ],
  [["a"], ["A!"], "IMAGE_MALFORMED", 'expected a Debian package, found "A!"'],
];

describe("a closure has", () => {
  test.each(closures)("%s", (_title, index, asked, set) => {
    expect(resolveClosure(indexOf(...index), asked).map(({ name }) => name)).toEqual(set.split(" "));
  });

  test.each(refusals)("a refusal: %j asked for %j is %s", (index, asked, code, message) => {
    let error: unknown;
    try {
      resolveClosure(indexOf(...index), asked);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ImageError);
    expect(error).toMatchObject({ code, message });
  });

  test("the same packages however the words are ordered, and whatever is cut where", () => {
    const lines = ["a / Depends: b | c", "b / Depends: d", "c", "d / Depends: v", "p / Provides: v", "q / Provides: v"];
    const text = Buffer.from(lines.map((line) => stanza(debOfLine(line))).join(""));
    const words = ["a", "c", "d"];
    const whole = resolveClosure(indexOf(...lines), words).map(({ name, sha256 }) => `${name} ${sha256}`);
    fc.assert(
      fc.property(
        fc.shuffledSubarray(words, { minLength: words.length }),
        fc.array(fc.integer({ min: 0, max: text.length })),
        (shuffled, cuts) => {
          const index = new PackageIndex("amd64");
          const reader = index.reader(500);
          const places = [0, ...cuts.sort((a, b) => a - b), text.length];
          for (let i = 1; i < places.length; i++) reader.take(text.subarray(places[i - 1], places[i]));
          reader.end();
          const found = resolveClosure(index, shuffled).map(({ name, sha256 }) => `${name} ${sha256}`);
          expect(found).toEqual(whole);
        },
      ),
    );
  });

  test("packages of an archive that is not automatic only where no other has them", () => {
    const index = new PackageIndex("amd64");
    for (const [priority, line] of [
      [500, "a 1"],
      [100, "a 2"],
      [100, "b 2"],
    ] as const) {
      const reader = index.reader(priority);
      reader.take(Buffer.from(stanza(debOfLine(line))));
      reader.end();
    }
    expect(resolveClosure(index, ["a", "b"]).map(({ name, version }) => `${name} ${version}`)).toEqual(["a 1", "b 2"]);
    expect(resolveClosure(index, ["a=2"]).map(({ version }) => version)).toEqual(["2"]);
  });
});
