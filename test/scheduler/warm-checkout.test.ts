import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { WarmCheckout, WatchedDirectories } from "../../src/scheduler/index.ts";
import { ManualChangeFeed } from "../support/manual-change-feed.ts";
import { MemoryBuilds } from "../support/memory-build.ts";

const BEGATFILE = `
dictum shout(name) { in [ src/$name ] out [ obj/$name ] exec [[[ shout ]]] }
dictum join { in [ obj/a obj/b ] out [ out/all ] exec [[[ join ]]] }
dictum list { in [ docs/ ] out [ out/docs ] exec [[[ list ]]] }
dictum pack { in [ docs/ ] out [ out/tree/ ] exec [[[ pack ]]] }
apply(shout [ a b ])
run join()
run list()
run pack()
`;

/** A checkout whose feed tells of each change as a kernel does: by the directory of the name that was used. */
class Told {
  readonly feed = new ManualChangeFeed();
  readonly world: MemoryBuilds;
  readonly warm: WarmCheckout;
  /** Nothing is looked at after builds: the next one is asked for at once. */
  isHasty = false;
  isLocal: (path: string) => boolean = () => true;

  constructor() {
    this.world = new MemoryBuilds(async ({ inputs, request, write }) => {
      const text = [...inputs].filter(([name]) => !name.startsWith(".begat/")).map(([, bytes]) => bytes.toString());
      if (text.join("").includes("bad")) return 1;
      const path = request.outputs[0]?.path ?? "";
      const paths = path === "out/tree" ? [`${path}/top`, `${path}/deep/er/below`] : [path];
      for (const one of paths) write(one, text.join("").toUpperCase());
      return 0;
    });
    const { fs, clock } = this.world;
    this.feed.isThere = (path) => fs.stat(path)?.kind === "directory";
    for (const name of [
      "writeFile",
      "replaceFile",
      "makeDirectory",
      "symlink",
      "setMode",
      "setTimes",
      "remove",
    ] as const)
      this.#tellOf(name, (...words) => [String(words[name === "symlink" ? 1 : 0])]);
    this.#tellOf("copyFile", (_from, to) => [to]);
    this.#tellOf("link", (_existing, path) => [path]);
    this.#tellOf("rename", (from, to) => [from, to]);
    const directories = new WatchedDirectories(this.feed, fs, (path) => this.isLocal(path));
    this.warm = new WarmCheckout("/checkout", { feed: this.feed, directories, clock, pause: async () => {} });
    this.world.write("begatfile", BEGATFILE);
    this.world.write("src/a", "alpha ");
    this.world.write("src/b", "beta ");
    this.world.write("docs/one", "1");
    fs.makeDirectory("/outside");
  }

  #tellOf<Name extends keyof MemoryBuilds["fs"]>(
    name: Name,
    pathsOf: (...words: Parameters<Extract<MemoryBuilds["fs"][Name], (...words: never[]) => unknown>>) => string[],
  ): void {
    const fs = this.world.fs as unknown as Record<string, (...words: unknown[]) => unknown>;
    const plain = (fs[name] as (...words: unknown[]) => unknown).bind(fs);
    fs[name] = (...words) => {
      const paths = pathsOf(...(words as Parameters<typeof pathsOf>));
      const isDirectory = this.world.fs.lstat(paths[0] as string)?.kind === "directory";
      const result = plain(...words);
      if (isDirectory && name === "makeDirectory") return result;
      for (const path of paths) this.feed.change(path.slice(0, path.lastIndexOf("/")) || "/");
      if (isDirectory && (name === "remove" || name === "rename")) this.feed.lose(paths[0] as string);
      return result;
    };
  }

  /** What a build is to leave in the checkout; `undefined` where it is to fail. */
  expected(): Record<string, string> | undefined {
    const { world } = this;
    const [a, b] = [world.read("src/a"), world.read("src/b")];
    const docs = this.#below("/checkout/docs").join("");
    if (a === undefined || b === undefined || `${a}${b}${docs}`.includes("bad")) return undefined;
    const listed = docs.toUpperCase();
    const tree = { "out/tree/top": listed, "out/tree/deep/er/below": listed };
    return { "out/all": `${a}${b}`.toUpperCase(), "out/docs": listed, ...tree };
  }

  #below(directory: string): string[] {
    return this.world.fs.readDirectory(directory).flatMap(({ name, kind }) => {
      const path = `${directory}/${name}`;
      return kind === "directory" ? this.#below(path) : [this.world.fs.readFile(path).toString()];
    });
  }

  async build() {
    const settling = new AbortController();
    if (this.isHasty) settling.abort();
    const built = await this.world.warmBuild(this.warm, {}, settling.signal);
    const expected = this.expected();
    expect(built.summary.outcome === "ok").toBe(expected !== undefined);
    for (const [path, text] of Object.entries(expected ?? {}))
      expect({ path, text: this.world.read(path) }).toEqual({ path, text });
    return built;
  }
}

let told: Told;
beforeEach(async () => {
  told = new Told();
  await told.world.clock.advance(1000);
  expect((await told.build()).executed).toHaveLength(5);
  await told.world.clock.advance(1000);
  // The first one knew nothing, and looked when its own writing was a moment ago.
  expect((await told.build()).executed).toEqual([]);
  await told.world.clock.advance(1000);
});

/** Files that are looked at by a build, by its warm checkout. */
async function looks(work: () => Promise<unknown>): Promise<number> {
  const { fs } = told.world;
  let count = 0;
  const [stat, lstat] = [fs.statInto.bind(fs), fs.lstat.bind(fs)];
  fs.statInto = (...words) => {
    count++;
    return stat(...words);
  };
  fs.lstat = (path) => {
    count++;
    return lstat(path);
  };
  await work();
  fs.statInto = stat;
  fs.lstat = lstat;
  return count;
}

describe("a warm checkout", () => {
  test("knows without a build that there is nothing to do, and says so only while that is so", async () => {
    expect((await told.build()).isQuick).toBe(true);
    told.world.write("src/a", "other ");
    await told.world.clock.advance(1000);
    expect(await told.build()).toMatchObject({ isQuick: false, executed: ["shout(a)", "join()"] });
    expect((await told.build()).isQuick).toBe(true);
    told.world.remove("out/docs");
    expect(await told.build()).toMatchObject({ isQuick: false, executed: [] });
  });

  test("looks only where something was told of, but for trees", async () => {
    const { world, warm } = told;
    const many = Array.from({ length: 200 }, (_, i) => `many/${i}`);
    for (const path of many) world.write(path, path);
    const trees = BEGATFILE.slice(0, BEGATFILE.indexOf("dictum list"));
    world.write(
      "begatfile",
      `${trees}dictum all { in [ ${many.join(" ")} ] out [ out/many ] exec [[[ all ]]] }
apply(shout [ a b ])
run join()
run all()
`,
    );
    for (let round = 0; round < 2; round++) {
      await world.warmBuild(warm);
      await world.clock.advance(1000);
    }
    world.write("src/a", "other ");
    expect(await looks(() => world.warmBuild(warm))).toBeLessThan(60);
  });

  test.each<readonly [string, () => void]>([
    ["a file of several names, written to by the other", () => told.world.fs.writeFile("/outside/a", "other ")],
    ["a symlink, whose target is written to", () => told.world.fs.writeFile("/outside/b", "other ")],
  ])("hears nothing of %s, and looks each time", async (_what, change) => {
    const { fs } = told.world;
    fs.writeFile("/outside/a", "linked ");
    fs.writeFile("/outside/b", "target ");
    for (const name of ["a", "b"]) told.world.remove(`src/${name}`);
    fs.link("/outside/a", "/checkout/src/a");
    fs.symlink("/outside/b", "/checkout/src/b");
    await told.build();
    await told.world.clock.advance(1000);
    await told.build();
    change();
    expect((await told.build()).executed).toHaveLength(2);
  });

  test("looks each time where a file system may change unheard", async () => {
    told = new Told();
    told.isLocal = (path) => !path.endsWith("/docs");
    await told.build();
    await told.world.clock.advance(1000);
    await told.build();
    const unheard = told.feed.change;
    told.feed.change = () => {};
    told.world.write("docs/one", "2");
    told.feed.change = unheard;
    expect((await told.build()).executed).toEqual(["list()", "pack()"]);
  });

  test("minds a variable that a begatfile asks for", async () => {
    const { world, warm } = told;
    world.write("begatfile", `var KIND = env("KIND" "plain")\n${BEGATFILE}`);
    const as = (kind: string) => world.warmBuild(warm, { env: (name) => (name === "KIND" ? kind : undefined) });
    for (let round = 0; round < 2; round++) {
      await as("plain");
      await world.clock.advance(1000);
    }
    expect(await as("plain")).toMatchObject({ isQuick: true });
    expect(await as("other")).toMatchObject({ isQuick: false });
    expect(await as("other")).toMatchObject({ isQuick: true });
  });

  test("hears nothing of a checkout that is put in its place by the directory above, and looks", async () => {
    const { fs } = told.world;
    const unheard = [told.feed.change, told.feed.lose] as const;
    told.feed.change = told.feed.lose = () => {};
    fs.rename("/checkout", "/outside/checkout");
    fs.makeDirectory("/checkout/src");
    for (const name of ["begatfile", "src/a", "src/b", "docs/one"]) {
      fs.makeDirectory(`/checkout/${name}`.slice(0, `/checkout/${name}`.lastIndexOf("/")));
      fs.writeFile(`/checkout/${name}`, fs.readFile(`/outside/checkout/${name}`));
    }
    fs.writeFile("/checkout/src/a", "another's ");
    // As a copy of all of it would have.
    fs.rename("/outside/checkout/.begat", "/checkout/.begat");
    [told.feed.change, told.feed.lose] = unheard;
    expect((await told.build()).executed).toEqual(["shout(a)", "join()"]);
  });

  test("of another question it knows nothing", async () => {
    const { world, warm } = told;
    expect(await world.warmBuild(warm, { targets: ["out/docs"] })).toMatchObject({ isQuick: false, executed: [] });
    world.write("src/a", "ALPHA ");
    expect(await world.warmBuild(warm, { targets: ["out/docs"] })).toMatchObject({ executed: [] });
    expect((await told.build()).executed).toEqual(["shout(a)"]);
  });
});

describe("whatever happens between builds", () => {
  type Step = readonly [name: string, apply: (told: Told) => unknown];
  const text = fc.constantFrom("one ", "two ", "three ", "bad ");
  const source = fc.constantFrom("src/a", "src/b", "docs/one", "docs/two", "docs/sub/three", "docs/sub/deep/four");
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.tuple(source, text).map(([path, content]): Step => [`write ${path}`, ({ world }) => world.write(path, content)]),
    fc
      .constantFrom("out/all", "out/docs", "out/tree/deep", "obj/a", "docs/two", "docs/sub")
      .map((path): Step => [`remove ${path}`, ({ world }) => world.fs.lstat(world.at(path)) && world.remove(path)]),
    fc
      .constantFrom("out/all", "out/docs")
      .map((path): Step => [`spoil ${path}`, ({ world }) => world.write(path, "?")]),
    fc.constantFrom<Step>(
      ["another process builds", ({ world }) => world.build()],
      ["from now on there is no time after a build", (one) => (one.isHasty = true)],
      ["from now on there is", (one) => (one.isHasty = false)],
      ["the feed overflows", ({ feed }) => feed.doubt("overflow")],
      ["time passes", ({ world }) => world.clock.advance(70_000)],
      [
        "src is another directory",
        ({ world: { fs } }) => {
          fs.makeDirectory("/checkout/new");
          fs.writeFile("/checkout/new/a", "moved ");
          fs.writeFile("/checkout/new/b", "in ");
          if (fs.lstat("/outside/src") !== undefined) fs.remove("/outside/src");
          fs.rename("/checkout/src", "/outside/src");
          fs.rename("/checkout/new", "/checkout/src");
        },
      ],
      [
        "src/a gets another name, and there is a build when that was seen",
        async (one) => {
          const { fs, clock } = one.world;
          if (fs.lstat("/outside/name") !== undefined) fs.remove("/outside/name");
          fs.link("/checkout/src/a", "/outside/name");
          await clock.advance(70_000);
          const { isHasty } = one;
          one.isHasty = false;
          await one.build();
          one.isHasty = isHasty;
        },
      ],
      [
        "the other name is written to",
        ({ world: { fs } }) => fs.lstat("/outside/name") && fs.writeFile("/outside/name", "named "),
      ],
      ["the begatfile is written anew", ({ world }) => world.write("begatfile", `${BEGATFILE}\n`)],
      ["the state is lost", ({ world }) => world.remove(".begat")],
    ),
  );

  test("each leaves what a build by itself would", async () => {
    let quick = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { maxLength: 3 }), { minLength: 1, maxLength: 8 }), async (rounds) => {
        const one = new Told();
        await one.world.clock.advance(1000);
        await one.build();
        for (const steps of rounds) {
          for (const [, apply] of steps) await apply(one);
          if ((await one.build()).isQuick) quick++;
          await one.world.clock.advance(100);
        }
      }),
      { numRuns: 80 },
    );
    // Else it would say little.
    expect(quick).toBeGreaterThan(25);
  });
});
