import { expect, test } from "vitest";
import { recipeEnvironment } from "../../src/executor/recipe-environment.ts";
import { executionRequest } from "../support/execution-request.ts";

const PLACES = { build: "/build", home: "/home/build", tmp: "/tmp" };
const OWN = [
  ["HOME", "/home/build"],
  ["TMPDIR", "/tmp"],
] as const;

const environment = (env: [string, string][], directory = "", pathVariables: string[] = []) =>
  recipeEnvironment(executionRequest("", { env, directory, pathVariables }), PLACES);

test.each<[what: string, env: [string, string][], expected: (readonly [string, string])[]]>([
  ["is the request's, with home and temporary directory", [["A", "1"]], [["A", "1"], ...OWN]],
  [
    "has its own HOME and TMPDIR whatever is asked",
    [
      ["HOME", "/root"],
      ["TMPDIR", "/x"],
    ],
    [...OWN],
  ],
  ["leaves out what no environment can hold", [["A", "x\0y"]], [...OWN]],
  ["has a variable as long as the kernel takes", [["A", "x".repeat(131_069)]], [["A", "x".repeat(131_069)], ...OWN]],
  [
    "leaves out a longer one",
    [
      ["A", "x".repeat(131_070)],
      ["B", "1"],
    ],
    [["B", "1"], ...OWN],
  ],
  ["counts bytes", [["A", "é".repeat(65_535)]], [...OWN]],
])("%s", (_, env, expected) => {
  expect(environment(env)).toEqual(expected);
});

test("makes path variables absolute from the recipe's directory", () => {
  const env: [string, string][] = [
    ["BEGAT_IN", "../.begat/in"],
    ["OTHER", "../x"],
  ];
  expect(environment(env, "sub/deep", ["BEGAT_IN"])).toEqual([
    ["BEGAT_IN", "/build/sub/.begat/in"],
    ["OTHER", "../x"],
    ...OWN,
  ]);
});

test("leaves out the longest while all together are too long", () => {
  const env = Array.from({ length: 11 }, (_, i): [string, string] => [`V${i}`, "x".repeat(100_000 + i)]);
  expect(environment(env).map(([name]) => name)).toEqual(
    env
      .slice(0, 10)
      .map(([name]) => name)
      .concat("HOME", "TMPDIR"),
  );
});
