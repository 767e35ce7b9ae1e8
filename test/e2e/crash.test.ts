import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BegatHome, type RunningBuild, type Workspace } from "../support/begat.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { verdicts } from "../support/verdicts.ts";

/** How often a build is killed; two builds at a time, in two checkouts that share their stores. */
const KILLS = Number(process.env.BEGAT_CRASHES ?? 100);
const SEED = Number(process.env.BEGAT_CRASH_SEED ?? 20_261_122);
const SOURCES = ["a", "b", "c", "d", "e", "f"];

const BEGATFILE = `
dictum upper(x) { in [ src/$x ] out [ up/$x ] exec [[[ tr a-z A-Z < "$in" > "$out" ]]] }
dictum fact { in [ src/a ] up [ FACT ] exec [[[ echo "FACT=$(cat src/a)" > "$BEGAT_UP" ]]] }
dictum spread { in [ up/b up/c ] out [ tree/ ] exec [[
    mkdir -p tree/deep
    cat up/b > tree/b
    cat up/c > tree/deep/c
]] }
dictum join { import [ FACT ] in [ tree/ up/d up/e ] out [ joined ] exec [[[ echo "$FACT" > joined; cat tree/b tree/deep/c up/d up/e >> joined ]]] }
dictum last { in [ joined up/f ] out [ last ] exec [[[ cat joined up/f > last ]]] }
apply(upper [ ${SOURCES.join(" ")} ])
run fact()
run spread()
run join()
run last()
group all = [ last joined tree/ up/a ]
`;

/** What the begatfile says, said again. */
function expected(sources: ReadonlyMap<string, string>): Record<string, string> {
  const up = (name: string): string => (sources.get(name) as string).toUpperCase();
  const joined = `${(sources.get("a") as string).trim()}\n${up("b")}${up("c")}${up("d")}${up("e")}`;
  return { last: joined + up("f"), joined, "tree/b": up("b"), "tree/deep/c": up("c"), "up/a": up("a") };
}

class Lane {
  readonly checkout: Workspace;
  readonly sources = new Map<string, string>();
  readonly random: SeededRandom;
  readonly options: readonly string[];
  killed = 0;

  constructor(checkout: Workspace, seed: number, options: readonly string[]) {
    this.checkout = checkout;
    this.random = new SeededRandom(seed);
    this.options = options;
    checkout.begatfile(BEGATFILE);
    for (const name of SOURCES) this.change(name);
  }

  change(name: string): void {
    const content = `${name} ${this.random.below(1000)}\n`;
    this.sources.set(name, content);
    this.checkout.write(`src/${name}`, content);
  }

  /** A moment in the life of a build: a little after some event, or after its start. */
  async #moment(running: RunningBuild): Promise<void> {
    const { random } = this;
    const kind = random.pick(["start", "build-started", "chore-started", "chore-finished", "materialised"]);
    if (kind === "start") return pause(random.below(250));
    let count = 1 + random.below(4);
    await running.event(({ type }) => type === kind && --count <= 0);
    // The event was on its way for a while; what comes next is anybody's guess, and that is what is wanted.
    await pause(random.below(40));
  }

  async crash(): Promise<void> {
    const { random, checkout } = this;
    for (let changes = 1 + random.below(3); changes > 0; changes--) this.change(random.pick(SOURCES));
    if (random.chance(0.2)) checkout.remove(random.pick(["last", "tree", "up", "joined", ".begat/state.bin"]));
    const running = checkout.start(this.options);
    await Promise.race([this.#moment(running).catch(() => {}), running.done]);
    running.kill("SIGKILL");
    const ended = await running.done;
    if (ended.signal === "SIGKILL") this.killed++;
    else expect(ended.status, ended.stdout + ended.stderr).toBe(0);
    // Whatever stands in the checkout under an output's name is whole: a result of some state of the sources.
    for (const path of ["last", "joined"]) if (checkout.exists(path)) expect(checkout.read(path)).toMatch(/\n$/);
  }

  async mustBeRight(): Promise<void> {
    const built = await this.checkout.build(...this.options);
    expect(built.summary, `seed ${SEED}\n${built.stdout}\n${built.stderr}`).toMatchObject({ outcome: "ok" });
    const { checkout } = this;
    for (const [path, content] of Object.entries(expected(this.sources))) expect(checkout.read(path)).toBe(content);
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  }
}

let home: BegatHome;
beforeAll(() => {
  home = new BegatHome();
});
afterAll(() => home.dispose());

test(`a build killed ${KILLS} times leaves nothing wrong behind (seed ${SEED})`, { timeout: 300_000 }, async () => {
  const lanes = [new Lane(home.workspace(), SEED, []), new Lane(home.workspace(), SEED + 1, ["--executor", "process"])];
  await Promise.all(
    lanes.map(async (lane) => {
      for (let tries = 1; lane.killed < KILLS / 2; tries++) {
        expect(tries, `of ${tries} builds only ${lane.killed} could be killed`).toBeLessThan(2 * KILLS + 10);
        await lane.crash();
        if (tries % 25 === 0) await lane.mustBeRight();
      }
    }),
  );
  for (const lane of lanes) {
    await lane.mustBeRight();
    const clean = new BegatHome();
    const fresh = clean.workspace();
    fresh.begatfile(BEGATFILE);
    for (const [name, content] of lane.sources) fresh.write(`src/${name}`, content);
    expect((await fresh.build(...lane.options)).summary).toMatchObject({ outcome: "ok", cached: 0 });
    // What was restored and never asked for again may still stand in the checkout; the targets must be alike.
    const files = lane.checkout.files();
    for (const [path, content] of Object.entries(fresh.files())) expect(files[path], path).toBe(content);
    clean.dispose();
    expect((await lane.checkout.build(...lane.options)).summary).toMatchObject({ outcome: "ok", executed: 0 });
  }
  // What the killed left half done is not theirs for ever.
  expect((await lanes[0]?.checkout.begat(["cache", "gc", "--max-size", "10G"]))?.status).toBe(0);
  expect(readdirSync(join(home.cache, "tmp"))).toEqual([]);
});
