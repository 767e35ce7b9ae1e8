import { describe, expect, test } from "vitest";
import { digestOf, type Sha256, sha256 } from "../../src/base/index.ts";
import type { ActionListing } from "../../src/executor/index.ts";
import { explainDifference } from "../../src/scheduler/explain-decision.ts";

const [A, B] = [sha256("a"), sha256("b")];
const input = (path: string, digest: Sha256 = A, executable = false) => ({ path, digest, executable });

const BEFORE: ActionListing = {
  argv: ["sh", "-eu", ".begat/recipe"],
  env: [
    ["BEGAT_IN", ".begat/in"],
    ["CFLAGS", "-O2"],
    ["PATH", "/bin"],
    ["in", "a"],
  ],
  directory: "",
  platform: [["container-image", "host:1"]],
  inputRoot: digestOf("root"),
  outputPaths: ["o"],
  inputs: [input(".begat/in"), input(".begat/recipe"), input("a"), input("tool", A, true)],
  links: [],
  recipe: A,
};

const env = (name: string, value: string): ActionListing["env"] =>
  BEFORE.env.map(([other, its]) => [other, other === name ? value : its] as const);
const inputs = (...changed: readonly ReturnType<typeof input>[]): ActionListing["inputs"] =>
  BEFORE.inputs.map((each) => changed.find(({ path }) => path === each.path) ?? each);

describe("why an action is another than before", () => {
  test.each<readonly [what: string, now: Partial<ActionListing>, decision: object | undefined]>([
    ["nothing", {}, undefined],
    [
      "the image",
      { platform: [["container-image", "host:2"]] },
      { reason: "image changed", from: "host:1", to: "host:2" },
    ],
    ["the recipe", { recipe: B, inputs: inputs(input(".begat/recipe", B)) }, { reason: "recipe changed" }],
    ["the interpreter", { argv: ["bash", ".begat/recipe"] }, { reason: "recipe changed" }],
    ["an input's bytes", { inputs: inputs(input("a", B)) }, { reason: "input changed", input: "a", from: A, to: B }],
    [
      "an input's mode",
      { inputs: inputs(input("a", A, true)) },
      { reason: "input changed", input: "a", from: "not executable", to: "executable" },
    ],
    [
      "one input more",
      { inputs: [...BEFORE.inputs, input("z", B)] },
      { reason: "input changed", input: "z", from: "absent", to: B },
    ],
    [
      "one input less",
      { inputs: BEFORE.inputs.filter(({ path }) => path !== "a") },
      { reason: "input changed", input: "a", from: A, to: "absent" },
    ],
    ["begat's own list alone", { inputs: inputs(input(".begat/in", B)) }, undefined],
    [
      "a source's file",
      { inputs: [...BEFORE.inputs, input(".begat/source/lua/x")] },
      { reason: "input changed", input: ".begat/source/lua/x", from: "absent", to: A },
    ],
    [
      "a variable",
      { env: env("CFLAGS", "-O3") },
      { reason: "variable changed", name: "CFLAGS", from: "-O2", to: "-O3" },
    ],
    [
      "a variable more",
      { env: [...BEFORE.env, ["NEW", "1"]] },
      { reason: "variable changed", name: "NEW", from: "unset", to: "1" },
    ],
    [
      "a variable less",
      { env: BEFORE.env.filter(([name]) => name !== "CFLAGS") },
      { reason: "variable changed", name: "CFLAGS", from: "-O2", to: "unset" },
    ],
    ["begat's own variable", { env: env("PATH", "/usr/bin") }, undefined],
    ["the directory", { directory: "sub" }, { reason: "declaration changed", what: "directory" }],
    ["the outputs", { outputPaths: ["o", "p"] }, { reason: "declaration changed", what: "outputs" }],
    [
      "the network",
      { platform: [...BEFORE.platform, ["network", "host"]] },
      { reason: "declaration changed", what: "network" },
    ],
    [
      "empty directories or links",
      { inputRoot: digestOf("other") },
      { reason: "declaration changed", what: "directories" },
    ],
  ])("%s", (_, now, decision) => {
    expect(explainDifference(BEFORE, { ...BEFORE, ...now }, 7)).toEqual(decision && { ...decision, was: 7 });
  });

  test("several at once: the one that says most", () => {
    const now = { ...BEFORE, recipe: B, env: env("CFLAGS", "-O3"), inputs: inputs(input("a", B)), outputPaths: [] };
    expect(explainDifference(BEFORE, now, 7)).toMatchObject({ reason: "recipe changed" });
    expect(explainDifference(BEFORE, { ...now, recipe: A }, 7)).toMatchObject({ reason: "input changed", input: "a" });
    expect(explainDifference(BEFORE, { ...now, recipe: A, inputs: BEFORE.inputs }, 7)).toMatchObject({
      name: "CFLAGS",
    });
  });

  test("before that cannot be read nothing is said", () => {
    expect(explainDifference(undefined, BEFORE, 7)).toBe(undefined);
  });
});
