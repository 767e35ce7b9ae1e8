import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { codeOf } from "../../src/base/index.ts";
import type { BuildEvent, BuildSummary } from "../../src/scheduler/index.ts";
import { ManualChangeFeed } from "../support/manual-change-feed.ts";
import { MemoryBuilds } from "../support/memory-build.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const BEGATFILE = `
dictum shout(name) { in [ src/$name ] out [ obj/$name ] exec [[[ shout ]]] }
dictum join { in [ obj/a obj/b ] out [ out/all ] exec [[[ join ]]] }
dictum list { in [ docs/ ] out [ out/docs ] exec [[[ list ]]] }
apply(shout [ a b ])
run join()
run list()
`;

const NOTE = "dictum note { out [ out/note ] exec [[[ note ]]] }\n";

interface Round {
  readonly because: readonly string[];
  readonly events: BuildEvent[];
  result: unknown;
}

/** A watch at work, and the clock that moves it on. */
class Watched {
  readonly rounds: Round[] = [];
  readonly feed = new ManualChangeFeed();
  readonly ending = new AbortController();
  readonly done: Promise<void>;
  readonly #world: MemoryBuilds;
  #idle = 0;

  constructor(world: MemoryBuilds, targets: readonly string[] = []) {
    this.#world = world;
    this.feed.isThere = (path) => world.fs.stat(path)?.kind === "directory";
    this.done = world.watch(
      this.feed,
      {
        begin: (because) => {
          const round: Round = { because, events: [], result: undefined };
          this.rounds.push(round);
          return (event) => void round.events.push(event);
        },
        end: (result) => {
          (this.rounds.at(-1) as Round).result = result;
          return true;
        },
        watching: () => void this.#idle++,
      },
      this.ending.signal,
      { targets },
    ).done;
  }

  /** As an editor writes: the file, then the event. */
  write(path: string, text: string): void {
    this.#world.write(path, text);
    this.tell(path);
  }

  remove(path: string): void {
    this.#world.remove(path);
    this.tell(path);
  }

  tell(path: string): void {
    const slash = path.lastIndexOf("/");
    this.feed.change(slash < 0 ? "/checkout" : `/checkout/${path.slice(0, slash)}`);
  }

  /** Lets time pass until the watch waits once more. */
  async settled(): Promise<Round> {
    const before = this.#idle;
    await this.until(() => this.#idle > before);
    return this.rounds.at(-1) as Round;
  }

  async until(isSo: () => boolean): Promise<void> {
    for (let i = 0; i < 2000 && !isSo(); i++) await this.#world.clock.advance(5);
    expect(isSo()).toBe(true);
  }

  async end(): Promise<void> {
    this.ending.abort();
    await this.until(() => true);
    for (let i = 0; i < 20; i++) await this.#world.clock.advance(5);
    await this.done;
  }
}

const executedIn = ({ events }: Round) =>
  events.flatMap((event) => (event.type === "chore-started" ? [event.chore.label] : [])).sort();
const summaryOf = ({ result }: Round) => result as BuildSummary;

describe("a watch", () => {
  let world: MemoryBuilds;
  let watched: Watched;
  /** Recipes of these labels wait until they are killed. */
  let hanging: Set<string>;
  let begun: string[];
  /** What recipes of these labels wait for when they have read their inputs. */
  let gates: Map<string, Promise<void>>;

  beforeEach(async () => {
    hanging = new Set();
    gates = new Map();
    begun = [];
    world = new MemoryBuilds(async ({ inputs, request, write, hang }) => {
      begun.push(request.label);
      if (hanging.has(request.label)) await hang();
      await gates.get(request.label);
      const text = [...inputs].filter(([name]) => !name.startsWith(".begat/")).map(([, bytes]) => bytes.toString());
      if (text.join("").includes("bad")) return 1;
      write(request.outputs[0]?.path ?? "", text.join("").toUpperCase());
      return 0;
    });
    world.write("begatfile", BEGATFILE);
    world.write("src/a", "alpha ");
    world.write("src/b", "beta ");
    world.write("docs/one", "1");
    // What is built is older than what a later look at the clock takes for just written.
    await world.clock.advance(1000);
    watched = new Watched(world);
    await watched.settled();
    await world.clock.advance(1000);
  });
  afterEach(() => watched.end());

  test("builds at once, and waits in the directories of sources, begatfiles and outputs", () => {
    expect(watched.rounds).toHaveLength(1);
    expect(summaryOf(watched.rounds[0] as Round)).toMatchObject({ outcome: "ok", executed: 4 });
    expect([...watched.feed.watched].sort()).toEqual(["", "/docs", "/out", "/src"].map((path) => `/checkout${path}`));
  });

  test("builds what a changed source asks for, and says which it was", async () => {
    watched.write("src/b", "BETTER ");
    const round = await watched.settled();
    expect(round.because).toEqual(["src/b"]);
    expect(executedIn(round)).toEqual(["join()", "shout(b)"]);
    expect(world.read("out/all")).toBe("ALPHA BETTER ");
  });

  test("takes a burst for one change", async () => {
    for (const [i, path] of ["src/a", "src/b", "docs/one", "src/a"].entries()) {
      watched.write(path, `${i} `);
      await world.clock.advance(3);
    }
    const round = await watched.settled();
    expect(watched.rounds).toHaveLength(2);
    expect([...round.because].sort()).toEqual(["docs", "src/a", "src/b"]);
    expect(world.read("out/all")).toBe("3 1 ");
  });

  test("does nothing for what is of no concern: other files, its own outputs, the same text", async () => {
    watched.write("src/notes", "nobody reads them");
    watched.tell("out/all");
    await watched.until(() => world.clock.sleeping === 0);
    await world.clock.advance(100);
    expect(watched.rounds).toHaveLength(1);
    watched.write("src/a", "alpha ");
    const round = await watched.settled();
    expect(round.because).toEqual(["src/a"]);
    expect(executedIn(round)).toEqual([]);
  });

  test("puts an output back that was removed or written over", async () => {
    watched.remove("out/all");
    expect((await watched.settled()).because).toEqual(["out/all"]);
    expect(world.read("out/all")).toBe("ALPHA BETA ");
    await world.clock.advance(1000);
    watched.write("out/docs", "by hand");
    expect(executedIn(await watched.settled())).toEqual([]);
    expect(world.read("out/docs")).toBe("1");
  });

  test("sees files come and go in a tree", async () => {
    watched.write("docs/two", "2");
    expect(executedIn(await watched.settled())).toEqual(["list()"]);
    expect(world.read("out/docs")).toBe("12");
  });

  test("after a failure waits for a change, and then tries again", async () => {
    watched.write("src/a", "bad");
    const failed = await watched.settled();
    expect(summaryOf(failed)).toMatchObject({ outcome: "failed", failed: 1 });
    watched.write("src/other", "1");
    await world.clock.advance(100);
    expect(watched.rounds).toHaveLength(2);
    watched.write("src/a", "good ");
    expect(summaryOf(await watched.settled())).toMatchObject({ outcome: "ok" });
    expect(world.read("out/all")).toBe("GOOD BETA ");
  });

  test("does not forget a change that came with a mistake which calls the build off", async () => {
    world.remove("src/b");
    watched.write("src/a", "ALTERED ");
    expect(summaryOf(await watched.settled())).toMatchObject({ outcome: "refused" });
    watched.write("src/b", "beta ");
    expect(executedIn(await watched.settled())).toEqual(["join()", "shout(a)"]);
    expect(world.read("out/all")).toBe("ALTERED BETA ");
  });

  test("reads begatfiles again, and waits for a mistake to be mended", async () => {
    watched.write("begatfile", `${BEGATFILE}broken {`);
    expect(summaryOf(await watched.settled())).toMatchObject({ outcome: "refused" });
    watched.write("src/b", "later ");
    // It is seen, and is of no use yet.
    expect(summaryOf(await watched.settled())).toMatchObject({ outcome: "refused" });
    watched.write(
      "begatfile",
      `${BEGATFILE}dictum more { in [ extra/x ] out [ out/x ] exec [[[ more ]]] }\nrun more()\n`,
    );
    world.write("extra/x", "x");
    const mended = await watched.settled();
    expect(mended.because).toEqual(["begatfile"]);
    expect(executedIn(mended)).toEqual(["join()", "more()", "shout(b)"]);
    expect(watched.feed.watched).toContain("/checkout/extra");
    await world.clock.advance(1000);
    watched.write("extra/x", "y");
    expect(executedIn(await watched.settled())).toEqual(["more()"]);
  });

  test("cancels a build that a change makes stale, and not for another change", async () => {
    hanging.add("shout(a)");
    watched.write("src/a", "first ");
    await watched.until(() => begun.filter((label) => label === "shout(a)").length === 2);
    watched.write("src/notes", "of no concern");
    await world.clock.advance(200);
    expect(watched.rounds).toHaveLength(2);
    expect(watched.rounds[1]?.result).toBe(undefined);
    hanging.clear();
    watched.write("src/a", "second ");
    const round = await watched.settled();
    expect(summaryOf(watched.rounds[1] as Round)).toMatchObject({ outcome: "cancelled" });
    expect(round.because).toEqual(["src/a"]);
    expect(world.read("out/all")).toBe("SECOND BETA ");
  });

  test("goes on with a build that it cancelled, whatever the new plan then says of the change", async () => {
    world.write("src/b", "BETTER ");
    await world.clock.advance(1000);
    hanging.add("shout(b)");
    watched.write("begatfile", `${BEGATFILE}# anew\n`);
    await watched.until(() => begun.filter((label) => label === "shout(b)").length === 2);
    // Told of late: the build knows of it, the plan that is watched does not.
    hanging.clear();
    watched.tell("src/b");
    expect((await watched.settled()).because).toEqual(["src/b"]);
    expect(world.read("out/all")).toBe("ALPHA BETTER ");
  });

  test.each<readonly [string, (world: MemoryBuilds) => void, Record<string, string | undefined>]>([
    ["a source", ({ write }) => write("extra/x", "late "), { "out/x": "LATE " }],
    ["a file in a tree", ({ write }) => write("trees/one", "late "), { "out/trees": "LATE " }],
    ["a file that came into a tree", ({ write }) => write("trees/two", "two "), { "out/trees": "ONE TWO " }],
    ["a begatfile", ({ write }) => write("more/begatfile", `${NOTE}run note()\n`), { "out/note": "" }],
    ["an output that went away", ({ remove }) => remove("out/all"), { "out/all": "ALPHA BETA " }],
  ])("sees %s of which nobody told, since it was not watched until the build was over", async (_what, alter, made) => {
    let open = (): void => {};
    gates.set("more()", new Promise((resolve) => (open = resolve)));
    world.write("extra/x", "early ");
    world.write("trees/one", "one ");
    world.write("more/begatfile", NOTE);
    const more = `include "more/begatfile"\ndictum more { in [ extra/x ] out [ out/x ] exec [[[ more ]]] }\nrun more()
dictum trees { in [ trees/ ] out [ out/trees ] exec [[[ trees ]]] }\nrun trees()\n`;
    await world.clock.advance(1000);
    watched.write("begatfile", `${BEGATFILE}${more}`);
    await watched.until(() => begun.includes("more()") && begun.includes("trees()"));
    await world.clock.advance(1000);
    alter({ write: world.write.bind(world), remove: world.remove.bind(world) } as MemoryBuilds);
    await world.clock.advance(1000);
    open();
    await watched.settled();
    for (const [path, text] of Object.entries({ "out/x": "EARLY ", "out/trees": "ONE ", ...made }))
      expect({ path, text: world.read(path) }).toEqual({ path, text });
  });

  test("looks at everything after it may have missed something, or a directory was replaced", async () => {
    world.write("src/a", "unheard ");
    watched.feed.doubt("overflow");
    const round = await watched.settled();
    expect(executedIn(round)).toEqual(["join()", "shout(a)"]);
    await world.clock.advance(1000);
    world.write("src/b", "elsewhere ");
    watched.feed.lose("/checkout/src");
    expect(executedIn(await watched.settled())).toEqual(["join()", "shout(b)"]);
    expect(watched.feed.watched).toContain("/checkout/src");
    expect(world.read("out/all")).toBe("UNHEARD ELSEWHERE ");
  });

  test("watches a directory again that went away and has come back", async () => {
    watched.remove("out");
    watched.feed.lose("/checkout/out");
    await watched.settled();
    // Put there by the build itself.
    watched.tell("out");
    await world.clock.advance(1000);
    expect(watched.feed.watched).toContain("/checkout/out");
    await world.clock.advance(1000);
    watched.remove("out/all");
    await watched.settled();
    expect(world.read("out/all")).toBe("ALPHA BETA ");
  });

  test("looks at nothing but what may have changed", async () => {
    const looked: string[] = [];
    const before = world.fs.onCall;
    world.fs.onCall = (name, path) => {
      before?.(name, path);
      if (name === "statInto") looked.push(path);
    };
    watched.write("docs/one", "one");
    await watched.settled();
    world.fs.onCall = before;
    expect(looked).not.toContain("/checkout/src/a");
    expect(looked).not.toContain("/checkout/out/all");
  });

  test("ends when it is told to, also in the middle of a build", async () => {
    hanging.add("shout(b)");
    watched.write("src/b", "never ");
    await watched.until(() => begun.filter((label) => label === "shout(b)").length === 2);
    await watched.end();
    expect(summaryOf(watched.rounds.at(-1) as Round)).toMatchObject({ outcome: "cancelled" });
  });

  test("hands on what no build can do", async () => {
    const other = new Watched(world, ["nobody"]);
    await other.settled();
    expect(codeOf(other.rounds[0]?.result)).toBe("TARGET_UNKNOWN");
    await other.end();
  });

  test.each([1, 2, 3, 4, 5, 6])(
    "comes to what a build from nothing comes to, whatever is changed when (seed %i)",
    async (seed) => {
      const random = new SeededRandom(seed);
      const dice = (n: number): number => (random.bytes(1)[0] as number) % n;
      for (let i = 0; i < 30; i++) {
        const path = ["src/a", "src/b", "docs/one", "docs/two", "out/all", "src/noise"][dice(6)] as string;
        if (path === "docs/two" && dice(2) === 0) watched.remove(path);
        else watched.write(path, `${path} ${dice(5) === 0 ? "bad" : i} `);
        if (dice(3) === 0) hanging.add("join()");
        else if (hanging.delete("join()")) watched.write("src/a", `again ${i} `);
        await world.clock.advance(dice(4) * 7);
      }
      hanging.clear();
      watched.write("src/a", "last a ");
      watched.write("src/b", "last b ");
      for (const path of ["docs/one", "docs/two"]) watched.write(path, "last docs ");
      await watched.until(() => summaryOf(watched.rounds.at(-1) as Round)?.outcome === "ok");
      await world.clock.advance(500);
      await watched.until(() => summaryOf(watched.rounds.at(-1) as Round)?.outcome === "ok");
      const again = await world.build();
      expect(again.summary).toMatchObject({ outcome: "ok", executed: 0, materialised: 0 });
      expect(world.read("out/all")).toBe("LAST A LAST B ");
    },
  );
});
