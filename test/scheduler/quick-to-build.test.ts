import { beforeEach, describe, expect, test } from "vitest";
import type { WorkspacePath } from "../../src/base/index.ts";
import { CHECKOUT, Checkout, quickCheck, WarmBuild } from "../../src/scheduler/index.ts";
import { MemoryBuilds } from "../support/memory-build.ts";

const BEGATFILE = `
dictum shout(name) { in [ src/$name ] out [ out/$name ] exec [[[ shout ]]] }
apply(shout [ a b ])
`;

describe("a build after a look that found something to do", () => {
  let world: MemoryBuilds;
  let read: string[];

  beforeEach(async () => {
    world = new MemoryBuilds(async ({ inputs, request, write }) => {
      const text = [...inputs].filter(([name]) => !name.startsWith(".begat/")).map(([, bytes]) => bytes.toString());
      write(request.outputs[0]?.path ?? "", text.join("").toUpperCase());
      return 0;
    });
    world.write("begatfile", BEGATFILE);
    for (const name of ["a", "b"]) world.write(`src/${name}`, name);
    await world.clock.advance(1000);
    await world.build();
    await world.clock.advance(1000);
    read = [];
    const { onCall } = world.fs;
    world.fs.onCall = (method, path) => {
      if (method === "readFile") read.push(path);
      onCall?.(method, path);
    };
  });

  function looked(): WarmBuild {
    const warm = new WarmBuild();
    const request = { version: "test", entries: ["begatfile"], overrides: {}, targets: [], everyOutput: false };
    const asked = { ...request, directory: "" as WorkspacePath, minIsolation: undefined, env: () => undefined };
    expect(quickCheck(new Checkout(world.fs, "/checkout"), asked, warm).upToDate).toBe(false);
    return warm;
  }
  const timesRead = (path: string) => read.filter((one) => one === world.at(path)).length;

  test("begins with what the look has read", async () => {
    world.write("src/a", "other");
    expect((await world.build({ rooms: { warm: looked() } })).executed).toEqual(["shout(a)"]);
    expect([world.read("out/a"), timesRead(CHECKOUT.plan), timesRead(CHECKOUT.state)]).toEqual(["OTHER", 1, 1]);
  });

  test("reads all of it again where another build came between", async () => {
    world.write("src/a", "other");
    const warm = looked();
    expect((await world.build()).executed).toEqual(["shout(a)"]);
    world.write("src/b", "more");
    read = [];
    expect((await world.build({ rooms: { warm } })).executed).toEqual(["shout(b)"]);
    expect([timesRead(CHECKOUT.plan), timesRead(CHECKOUT.state)]).toEqual([1, 1]);
  });

  test("evaluates anew where a begatfile changed", async () => {
    world.write("begatfile", `${BEGATFILE}apply(shout [ c ])\n`);
    world.write("src/c", "c");
    expect((await world.build({ rooms: { warm: looked() } })).executed).toEqual(["shout(c)"]);
  });
});
