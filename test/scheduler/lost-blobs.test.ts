import { beforeEach, describe, expect, test } from "vitest";
import { sha256 } from "../../src/base/index.ts";
import { MemoryBuilds } from "../support/memory-build.ts";

const BEGATFILE = `
dictum make { in [ a ] out [ m ] exec [[[ make ]]] }
dictum left { in [ m b ] out [ x ] exec [[[ left ]]] }
dictum right { in [ m c ] out [ y ] exec [[[ right ]]] }
run make()
run left()
run right()
`;

let world: MemoryBuilds;
/** What \`make\` adds to its input: another each time it runs, when it is told to. */
let dice = "";
let runs = 0;

beforeEach(() => {
  dice = "";
  runs = 0;
  world = new MemoryBuilds(({ inputs, request, write }) => {
    const text = ["a", "m", "b", "c"].map((name) => inputs.get(name)?.toString() ?? "").join("");
    const made = request.label === "make()" ? `m(${text}${dice === "" ? "" : dice + ++runs})` : `(${text})`;
    write(request.outputs[0]?.path ?? "", made);
    return 0;
  });
  world.write("begatfile", BEGATFILE);
  for (const name of ["a", "b", "c"]) world.write(name, name);
});

const evict = (content: string): void => world.blobs.evict(sha256(content));

describe("an input that the store has lost", () => {
  test("is made again by its maker alone", async () => {
    await world.build();
    evict("m(a)");
    world.write("b", "B");
    const { summary, executed, events } = await world.build();
    expect(summary).toMatchObject({ outcome: "ok", executed: 2, settled: 1 });
    expect(executed).toEqual(["make()", "left()"]);
    expect(events.find((event) => event.type === "chore-started")).toMatchObject({
      decision: { reason: "evicted", output: "m" },
    });
    expect(world.read("x")).toBe("(m(a)B)");
  });

  test("is not missed by those who need not run", async () => {
    await world.build();
    evict("m(a)");
    expect((await world.build()).executed).toEqual([]);
  });

  test("is made once for all who miss it", async () => {
    await world.build();
    evict("m(a)");
    world.write("b", "B");
    world.write("c", "C");
    const { executed } = await world.build({ jobs: 3 });
    expect(executed.filter((label) => label === "make()")).toHaveLength(1);
    expect([...executed].sort()).toEqual(["left()", "make()", "right()"]);
  });

  test("found rotten only when it is staged is made again", async () => {
    await world.build();
    world.blobs.corrupt(sha256("m(a)"), Buffer.from("m(x)"));
    world.write("b", "B");
    world.write("c", "C");
    expect((await world.build({ jobs: 3 })).summary).toMatchObject({ outcome: "ok" });
    expect([world.read("x"), world.read("y")]).toEqual(["(m(a)B)", "(m(a)C)"]);
  });

  test("made again with other bytes is said, and whoever used the first is looked at again", async () => {
    dice = "?";
    await world.build();
    evict("m(a?1)");
    world.write("b", "B");
    const second = await world.build();
    expect(second.events.filter((event) => event.type === "notice")).toMatchObject([
      { code: "RESULT_CONTRADICTED", message: expect.stringContaining("make() made another m than record") },
      { code: "NOT_REPRODUCIBLE", message: "make() ran again and made other bytes than before" },
    ]);
    expect(world.read("x")).toBe("(m(a?2)B)");
    const third = await world.build();
    expect(third.executed).toEqual(["right()"]);
    expect(world.read("y")).toBe("(m(a?2)c)");
    expect((await world.build()).summary).toMatchObject({ executed: 0, cached: 0, settled: 3 });
  });

  test("whose maker fails now fails the build, and skips those who need it", async () => {
    let broken = false;
    world = new MemoryBuilds(({ request, write }) => {
      if (broken) return 1;
      write(request.outputs[0]?.path ?? "", request.label);
      return 0;
    });
    world.write("begatfile", BEGATFILE);
    for (const name of ["a", "b", "c"]) world.write(name, name);
    await world.build();
    evict("make()");
    world.write("b", "B");
    broken = true;
    const { summary } = await world.build();
    expect(summary).toMatchObject({ outcome: "failed", failed: 1, skipped: 1, settled: 1 });
  });
});

describe("an output that the store has lost", () => {
  test("is made again when it is wanted, else not", async () => {
    await world.build();
    evict("(m(a)b)");
    expect((await world.build()).executed).toEqual([]);
    world.remove("x");
    const { executed, events } = await world.build();
    expect(executed).toEqual(["left()"]);
    expect(events.find((event) => event.type === "chore-started")).toMatchObject({
      decision: { reason: "evicted", output: "x" },
    });
    expect(world.read("x")).toBe("(m(a)b)");
  });

  test("and whose input is lost too is made again from the start", async () => {
    await world.build();
    evict("(m(a)b)");
    evict("m(a)");
    world.remove("x");
    expect((await world.build()).executed).toEqual(["make()", "left()"]);
    expect(world.read("x")).toBe("(m(a)b)");
  });

  test("found rotten only when it is written is made again", async () => {
    await world.build();
    world.blobs.corrupt(sha256("(m(a)b)"), Buffer.from("(m(a)?)"));
    world.remove("x");
    expect((await world.build()).summary).toMatchObject({ outcome: "ok", executed: 1 });
    expect(world.read("x")).toBe("(m(a)b)");
  });
});

describe("a source that another target's build has seen change", () => {
  test("is still a change for the rest", async () => {
    await world.build();
    world.write("a", "A");
    expect((await world.build({ targets: ["x"] })).executed).toEqual(["make()", "left()"]);
    expect((await world.build()).executed).toEqual(["right()"]);
    expect(world.read("y")).toBe("(m(A)c)");
  });

  test("and so is one used directly", async () => {
    world.write("begatfile", BEGATFILE.replaceAll("in [ m", "in [ m a"));
    await world.build();
    world.write("a", "A");
    world.clock.tick(1000);
    await world.build({ targets: ["m"] });
    expect([...(await world.build()).executed].sort()).toEqual(["left()", "right()"]);
  });
});
