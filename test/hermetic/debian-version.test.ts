import { execFileSync, spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseRelations } from "../../src/hermetic/debian/relation.ts";
import { compareDebianVersions, satisfies, type VersionRelation } from "../../src/hermetic/debian/version.ts";

const ordered: readonly (readonly [older: string, newer: string])[] = [
  ["1.0~rc1", "1.0"],
  ["1.0~~", "1.0~"],
  ["1.0", "1.0a"],
  ["1.0a", "1.0+b"],
  ["1.0-1", "1.0-1+b1"],
  ["1.9", "1.10"],
  ["9", "1:0"],
  ["1.0-9", "1.0-10"],
  ["1.0-1~deb12u1", "1.0-1"],
  ["2.36-9+deb12u9", "2.36-9+deb12u14"],
  ["1.2.3", "1.2.3-0a"],
];
const equal: readonly (readonly [string, string])[] = [
  ["1.0", "1.0-0"],
  ["0:1.0", "1.0"],
  ["1.00", "1.0"],
  ["1.0-1", "1.0-01"],
];

describe("Debian versions", () => {
  test.each(ordered)("%s is older than %s", (older, newer) => {
    expect(compareDebianVersions(older, newer)).toBeLessThan(0);
    expect(compareDebianVersions(newer, older)).toBeGreaterThan(0);
  });

  test.each(equal)("%s and %s are the same", (a, b) => {
    expect(compareDebianVersions(a, b)).toBe(0);
  });

  const relations: readonly (readonly [string, VersionRelation, string, boolean])[] = [
    ["1.0", "<<", "1.0", false],
    ["1.0", "<=", "1.0", true],
    ["1.0", "=", "1.0-0", true],
    ["1.1", ">=", "1.0", true],
    ["1.0", ">>", "1.0", false],
  ];
  test.each(relations)("%s %s %s: %s", (version, relation, bound, holds) => {
    expect(satisfies(version, relation, bound)).toBe(holds);
  });

  const part = fc.stringMatching(/^[0-9a-zA-Z.+~]{0,6}$/);
  const aVersion = fc
    .tuple(
      fc.option(fc.nat({ max: 3 })),
      fc.nat({ max: 20 }),
      part,
      fc.option(fc.stringMatching(/^[0-9a-zA-Z.+~]{1,4}$/)),
    )
    .map(([epoch, number, rest, revision]) => {
      return `${epoch === null ? "" : `${epoch}:`}${number}${rest}${revision === null ? "" : `-${revision}`}`;
    });

  test("are ordered as dpkg orders them", ({ skip }) => {
    if (spawnSync("dpkg", ["--version"]).status !== 0) skip("needs dpkg");
    const pairs = fc.sample(fc.tuple(aVersion, aVersion), { numRuns: 400, seed: 7 });
    // One shell for all of them, and dpkg once for each pair: whether it agrees.
    const relations = new Map([
      [-1, "lt"],
      [0, "eq"],
      [1, "gt"],
    ]);
    const script = pairs
      .map(([a, b]) => `'${a}' ${relations.get(Math.sign(compareDebianVersions(a, b)))} '${b}'`)
      .map((claim) => `dpkg --compare-versions ${claim} || echo "not: ${claim}"`)
      .join("\n");
    expect(execFileSync("sh", [], { input: script, stdio: ["pipe", "pipe", "ignore"] }).toString()).toBe("");
  });

  test("any two compare alike from both sides", () => {
    fc.assert(
      fc.property(aVersion, aVersion, (a, b) => {
        expect(Math.sign(compareDebianVersions(a, b))).toBe(0 - Math.sign(compareDebianVersions(b, a)));
      }),
    );
  });
});

const fields: readonly (readonly [string, unknown])[] = [
  ["", []],
  ["libc6", [[{ name: "libc6", bound: undefined }]]],
  ["python3:any (>= 3.9~)", [[{ name: "python3", bound: { relation: ">=", version: "3.9~" } }]]],
  [
    "a | b (<< 2), c",
    [
      [
        { name: "a", bound: undefined },
        { name: "b", bound: { relation: "<<", version: "2" } },
      ],
      [{ name: "c", bound: undefined }],
    ],
  ],
  ["a (< 2)", [[{ name: "a", bound: { relation: "<=", version: "2" } }]]],
];
test.each(fields)("reads the dependencies %j", (field, expected) => {
  expect(parseRelations(field)).toEqual(expected);
});
