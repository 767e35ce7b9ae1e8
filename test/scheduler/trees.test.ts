import { beforeEach, describe, expect, test } from "vitest";
import { sha256 } from "../../src/base/index.ts";
import { MemoryBuilds } from "../support/memory-build.ts";

let world: MemoryBuilds;

/** A recipe writes every input's path and content into its output, so that nothing about its input root stays hidden. */
beforeEach(() => {
  world = new MemoryBuilds(({ request, inputs, write, makeDirectory }) => {
    const seen = [...inputs]
      .filter(([path]) => !path.startsWith(".begat/"))
      .map(([path, bytes]) => `${path}=${bytes}`)
      .concat(request.emptyDirectories.map((path) => `${path}/`));
    for (const { path, kind } of request.outputs) {
      if (kind === "file") write(path, seen.sort().join(" "));
      else {
        makeDirectory(path);
        for (const name of (inputs.get("names")?.toString() ?? "").split(" ").filter((text) => text !== ""))
          write(`${path}/${name}`, name);
      }
    }
    return 0;
  });
});

async function settles(): Promise<void> {
  expect((await world.build()).summary).toMatchObject({ outcome: "ok", executed: 0, cached: 0, materialised: 0 });
}

describe("a directory of the checkout as an input", () => {
  const BEGATFILE = `
dictum gen(name) { in [ seed ] out [ src/gen/$name ] exec [[[ gen ]]] }
dictum use { in [ src/ ] out [ used ] exec [[[ use ]]] }
run gen(x)
run use()
group all = [ used ]
`;
  beforeEach(() => {
    world.write("begatfile", BEGATFILE);
    world.write("seed", "1");
    world.write("src/a", "a");
  });

  test("holds what chores make in it, though it was never written there", async () => {
    expect((await world.build()).executed).toEqual(["gen(x)", "use()"]);
    expect(world.read("used")).toBe("src/ src/a=a src/gen/x=seed=1");
    expect(world.read("src/gen/x")).toBe(undefined);
    await settles();
  });

  test("is the same whether or not that was written there", async () => {
    await world.build();
    const before = world.read("used");
    expect((await world.build({ everyOutput: true })).summary).toMatchObject({ executed: 0, materialised: 1 });
    expect(world.read("src/gen/x")).toBe("seed=1");
    await settles();
    world.write("src/gen/x", "scribble");
    expect((await world.build()).executed).toEqual([]);
    expect(world.read("used")).toBe(before);
  });

  test("changes with it", async () => {
    await world.build();
    world.write("seed", "2");
    expect((await world.build()).executed).toEqual(["gen(x)", "use()"]);
    expect(world.read("used")).toContain("src/gen/x=seed=2");
    await settles();
  });

  test("has what chores make in it made again where the store has lost it", async () => {
    await world.build();
    world.blobs.evict(sha256("seed=1"));
    world.write("src/a", "b");
    const { executed, summary } = await world.build();
    expect(summary).toMatchObject({ outcome: "ok" });
    expect(executed).toEqual(["gen(x)", "use()"]);
    expect(world.read("used")).toBe("src/ src/a=b src/gen/x=seed=1");
  });

  test("need not be there at all", async () => {
    world.remove("src");
    await world.build();
    expect(world.read("used")).toBe("src/gen/x=seed=1");
    await settles();
    world.write("src/late", "l");
    expect((await world.build()).executed).toEqual(["use()"]);
    expect(world.read("used")).toContain("src/late=l");
  });

  test("holds trees that chores make in it", async () => {
    world.write(
      "begatfile",
      `
dictum pages { in [ names ] out [ src/pages/ ] exec [[[ pages ]]] }
dictum use { in [ src/ ] out [ used ] exec [[[ use ]]] }
run pages()
run use()
group all = [ used ]
`,
    );
    world.write("names", "p q");
    await world.build();
    expect(world.read("used")).toBe("src/ src/a=a src/pages/p=p src/pages/q=q");
    world.write("names", "q");
    await world.build();
    expect(world.read("used")).toBe("src/ src/a=a src/pages/q=q");
    world.write("names", "");
    await world.build();
    expect(world.read("used")).toBe("src/ src/a=a src/pages/");
    await settles();
  });
});

describe("a tree that a chore makes", () => {
  const BEGATFILE = `
dictum pages { in [ names ] out [ pages/ ] exec [[[ pages ]]] }
run pages()
group all = [ pages/ ]
`;
  const WITH_ONE = `${BEGATFILE}
dictum one { in [ pages/p ] out [ one ] exec [[[ one ]]] }
run one()
`.replace("[ pages/ ]\n", "[ pages/ one ]\n");

  test("has members that may be asked for by name only later", async () => {
    world.write("begatfile", BEGATFILE);
    world.write("names", "p q");
    await world.build();
    world.write("begatfile", WITH_ONE);
    expect((await world.build()).executed).toEqual(["one()"]);
    expect(world.read("one")).toBe("pages/p=p");
  });

  test("whose list the store has lost is read from the ledger", async () => {
    world.write("begatfile", WITH_ONE.replace("pages/p ]", "pages/ ]"));
    world.write("names", "p q");
    const { events } = await world.build();
    const tree = events.find((event) => event.type === "materialised" && event.path === "pages");
    world.blobs.evict(tree?.type === "materialised" ? tree.hash : sha256(""));
    world.write("begatfile", WITH_ONE.replace("pages/p ]", "pages/ seed ]"));
    world.write("seed", "1");
    const built = await world.build();
    expect(built.summary).toMatchObject({ outcome: "ok" });
    expect(built.executed).toEqual(["one()"]);
    expect(world.read("one")).toBe("pages/p=p pages/q=q seed=1");
  });

  test("without a member that somebody needs fails who needs it, by name", async () => {
    world.write("begatfile", WITH_ONE);
    world.write("names", "q");
    const { summary, events } = await world.build();
    expect(summary).toMatchObject({ outcome: "failed", executed: 1, failed: 1 });
    expect(events.find((event) => event.type === "chore-failed")).toMatchObject({
      failure: { detail: "pages/p is not in the tree that should hold it" },
    });
    world.write("names", "p");
    expect((await world.build()).summary).toMatchObject({ outcome: "ok", executed: 2 });
    world.write("names", "q");
    expect((await world.build()).summary).toMatchObject({ outcome: "failed", cached: 1, failed: 1 });
  });

  test("gives way to a file of its name, and a file to a tree", async () => {
    world.write("begatfile", BEGATFILE);
    world.write("names", "p q");
    await world.build();
    world.write("begatfile", BEGATFILE.replaceAll("pages/ ]", "pages ]"));
    expect((await world.build()).summary).toMatchObject({ outcome: "ok", executed: 1 });
    expect(world.read("pages")).toBe("names=p q");
    world.write("begatfile", BEGATFILE);
    expect((await world.build()).summary).toMatchObject({ outcome: "ok" });
    expect(world.read("pages/p")).toBe("p");
  });
});
