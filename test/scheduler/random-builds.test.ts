import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/base/index.ts";
import { pruneAction } from "../../src/executor/index.ts";
import { verifyLedger } from "../../src/provenance/index.ts";
import { CHECKOUT } from "../../src/scheduler/index.ts";
import type { FakeRecipe } from "../support/fake-executor.ts";
import { MemoryBuilds, type MemoryBuilt, memoryLister } from "../support/memory-build.ts";

/** How many invented histories are played; each has up to a dozen builds. */
const RUNS = Number(process.env.BEGAT_RANDOM_BUILDS ?? 150);

const SOURCES = ["src/0", "src/1", "src/2", "src/3"] as const;

/** What a chore makes of its inputs. */
type Kind = "mix" | "head" | "tree" | "property" | "deps";

interface ChoreSketch {
  readonly kind: Kind;
  /** Numbers that choose among what is there to be read. */
  readonly reads: readonly number[];
  readonly version: number;
  readonly volatile: boolean;
}

type Step =
  | { readonly do: "write"; readonly source: number; readonly content: string }
  | { readonly do: "remove"; readonly source: number }
  | { readonly do: "touch"; readonly source: number }
  | { readonly do: "damage"; readonly output: number; readonly how: "remove" | "scribble" | "directory" }
  | { readonly do: "evict"; readonly blob: number }
  | { readonly do: "corrupt"; readonly blob: number }
  | { readonly do: "redeclare"; readonly chore: number; readonly sketch: ChoreSketch }
  | { readonly do: "add"; readonly sketch: ChoreSketch }
  | { readonly do: "drop" }
  | { readonly do: "forget"; readonly what: "state" | "delta" | "plan" | "index" | "both" }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "turn back"; readonly ms: number }
  | { readonly do: "build"; readonly jobs: number; readonly target: number | undefined };

const aSketch: fc.Arbitrary<ChoreSketch> = fc.record({
  kind: fc.constantFrom<Kind>("mix", "mix", "head", "tree", "property", "deps", "deps"),
  reads: fc.array(fc.nat(1000), { minLength: 1, maxLength: 4 }),
  version: fc.nat(2),
  volatile: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
});
/** Few contents, so that changes are taken back by chance; `!` breaks whoever reads it. */
const aContent = fc.constantFrom("a1", "a2", "b1", "b2", "!");
const aStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("build" as const),
      jobs: fc.integer({ min: 1, max: 3 }),
      target: fc.option(fc.nat(20), { nil: undefined, freq: 3 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("write" as const), source: fc.nat(3), content: aContent }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), source: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("touch" as const), source: fc.nat(3) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("damage" as const),
      output: fc.nat(20),
      how: fc.constantFrom("remove" as const, "scribble" as const, "directory" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("evict" as const), blob: fc.nat(1000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("corrupt" as const), blob: fc.nat(1000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("redeclare" as const), chore: fc.nat(20), sketch: aSketch }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("add" as const), sketch: aSketch }) },
  { weight: 1, arbitrary: fc.constant({ do: "drop" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("forget" as const),
      what: fc.constantFrom("state" as const, "delta" as const, "plan" as const, "index" as const, "both" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(10, 1000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("turn back" as const), ms: fc.integer({ min: 10, max: 100_000 }) }),
  },
);

/** A chore with its place: what it reads, by name, chosen from what stands before it. */
interface Chore {
  readonly index: number;
  readonly sketch: ChoreSketch;
  readonly inputs: readonly string[];
  readonly imports: readonly string[];
}

const outputOf = ({ index, sketch }: Pick<Chore, "index" | "sketch">): string | undefined =>
  sketch.kind === "property" ? undefined : sketch.kind === "tree" ? `tree/${index}/` : `out/${index}`;

function choresOf(sketches: readonly ChoreSketch[]): Chore[] {
  const chores: Chore[] = [];
  for (const [index, sketch] of sketches.entries()) {
    const choices: { readonly input?: string; readonly property?: string }[] = [
      ...SOURCES.map((input) => ({ input })),
      { input: "src/" },
    ];
    for (const before of chores) {
      const output = outputOf(before);
      if (output === undefined) choices.push({ property: `P${before.index}` });
      else choices.push({ input: output });
      if (output?.endsWith("/")) choices.push({ input: `${output}one` });
    }
    const chosen = sketch.reads.map((n) => choices[n % choices.length] as (typeof choices)[number]);
    const inputs = [...new Set(chosen.flatMap(({ input }) => input ?? []))];
    const imports = [...new Set(chosen.flatMap(({ property }) => property ?? []))];
    chores.push({ index, sketch, inputs, imports });
  }
  return chores;
}

const recipeOf = ({ index, sketch }: Chore): string => `${sketch.kind} ${index} ${sketch.version}`;

function begatfileOf(chores: readonly Chore[]): string {
  const texts = chores.map((chore) => {
    const { index, sketch, inputs, imports } = chore;
    const output = outputOf(chore);
    return `dictum c${index} {
    ${imports.length > 0 ? `import [ ${imports.join(" ")} ]` : ""}
    ${sketch.volatile ? "attr [ volatile ]" : ""}
    in [ ${inputs.join(" ")} ]
    ${sketch.kind === "deps" ? `depfile dep/${index}.d` : ""}
    ${output === undefined ? `up [ P${index} ]` : `out [ ${output} ]`}
    exec [ fake ] [[[ ${recipeOf(chore)} ]]]
}
run c${index}()
`;
  });
  const outputs = chores.flatMap((chore) => outputOf(chore) ?? []);
  return `${texts.join("")}group all = [ ${outputs.join(" ")} ]\n`;
}

/** What a `deps` recipe reads of what it may: on and on, until something ends in neither 1 nor a low digit. */
function usedOf<T extends readonly [path: string, content: string]>(inputs: readonly T[]): readonly T[] {
  const end = inputs.findIndex(([, content]) => !/[0134567]$/.test(content));
  return end < 0 ? inputs : inputs.slice(0, end + 1);
}

/** What a recipe does, for the executor and the model alike: a function of exactly what it is given. */
function result(
  recipe: string,
  inputs: readonly (readonly [path: string, content: string])[],
  imports: readonly (readonly [name: string, value: string])[],
): { readonly one: string; readonly two: string } | undefined {
  const all = JSON.stringify([inputs, imports]);
  if (all.includes("!")) return undefined;
  // "a1" and "a2" begin alike, so a change of one into the other goes no further than here.
  const first = JSON.stringify([
    inputs.map(([path, content]) => [path, content[0]]),
    imports.map(([, value]) => value[0]),
  ]);
  return { one: sha256(`${recipe} ${all}`).slice(0, 6), two: sha256(`${recipe} ${first}`).slice(0, 6) };
}

const fake: FakeRecipe = async (run) => {
  for (let turns = run.request.label.length % 3; turns > 0; turns--)
    await new Promise((resolve) => setImmediate(resolve));
  const recipe = run.inputs.get(".begat/recipe")?.toString().trim() ?? "";
  const inputs = [...run.inputs]
    .filter(([path]) => !path.startsWith(".begat/"))
    .map(([path, bytes]) => [path, bytes.toString()] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const imports = run.request.env.filter(([name]) => /^P\d+$/.test(name));
  const [kind, index] = recipe.split(" ");
  const used = kind === "deps" ? usedOf(inputs) : inputs;
  const made = result(recipe, used, imports);
  if (made === undefined) return 1;
  if (kind === "deps") run.write(`dep/${index}.d`, `out: ${used.map(([path]) => path).join(" \\\n  ")}\n`);
  if (kind === "mix" || kind === "deps") run.write(`out/${index}`, made.one);
  else if (kind === "head") run.write(`out/${index}`, made.two);
  else if (kind === "property") run.write(".begat/up", `P${index}=${made.two}\n`);
  else {
    run.write(`tree/${index}/one`, made.two);
    run.write(`tree/${index}/deep/two`, made.one);
  }
  return 0;
};

/** What ought to come of a build: said without graph, cache or state. */
interface Forecast {
  readonly refused: boolean;
  /** Contents by path, of everything that chores make. */
  readonly files: ReadonlyMap<string, string>;
  readonly failed: ReadonlySet<number>;
  readonly skipped: ReadonlySet<number>;
  readonly needed: ReadonlySet<number>;
  /** Names what each chore that comes to run would run on. */
  readonly keys: ReadonlyMap<number, string>;
}

function forecast(chores: readonly Chore[], sources: ReadonlyMap<string, string>, wanted: readonly string[]): Forecast {
  const makerOf = (input: string): number | undefined => {
    const match = /^(?:out|tree)\/(\d+)/.exec(input);
    return match ? Number(match[1]) : undefined;
  };
  const needed = new Set<number>();
  const need = (index: number): void => {
    if (needed.has(index)) return;
    needed.add(index);
    const chore = chores[index] as Chore;
    for (const input of chore.inputs) if (makerOf(input) !== undefined) need(makerOf(input) as number);
    for (const name of chore.imports) need(Number(name.slice(1)));
  };
  for (const output of wanted) need(makerOf(output) as number);
  const files = new Map<string, string>();
  const properties = new Map<string, string>();
  const failed = new Set<number>();
  const skipped = new Set<number>();
  const keys = new Map<number, string>();
  let refused = false;
  for (const chore of chores) {
    const { index, inputs, imports, sketch } = chore;
    if (!needed.has(index)) continue;
    // Sources are looked at before anything runs.
    if (inputs.some((input) => input.startsWith("src/") && input !== "src/" && !sources.has(input))) refused = true;
    const makers = [
      ...inputs.flatMap((input) => makerOf(input) ?? []),
      ...imports.map((name) => Number(name.slice(1))),
    ];
    if (makers.some((maker) => failed.has(maker) || skipped.has(maker))) {
      skipped.add(index);
      continue;
    }
    const read = new Map<string, string>();
    for (const input of inputs) {
      const pool = makerOf(input) === undefined ? sources : files;
      if (input.endsWith("/")) {
        for (const [path, content] of pool) if (path.startsWith(input)) read.set(path, content);
      } else read.set(input, pool.get(input) ?? "");
    }
    const given = [...read].sort(([a], [b]) => (a < b ? -1 : 1));
    const values = [...imports].sort().map((name) => [name, properties.get(name) ?? ""] as const);
    const used = sketch.kind === "deps" ? usedOf(given) : given;
    const names = given.map(([path]) => path);
    keys.set(index, JSON.stringify([recipeOf(chore), inputs, names, used, values]));
    const made = result(recipeOf(chore), used, values);
    if (made === undefined) failed.add(index);
    else if (sketch.kind === "property") properties.set(`P${index}`, made.two);
    else if (sketch.kind === "tree") {
      files.set(`tree/${index}/one`, made.two);
      files.set(`tree/${index}/deep/two`, made.one);
    } else files.set(`out/${index}`, sketch.kind === "head" ? made.two : made.one);
  }
  return { refused, files, failed, skipped, needed, keys };
}

/** Plays a history on the engine, and looks after every build whether it did what it ought to, and no more. */
class Player {
  readonly world = new MemoryBuilds(fake);
  readonly sources = new Map<string, string>();
  sketches: ChoreSketch[];
  /** What was executed with success, and not lost since. */
  readonly done = new Set<string>();
  blobsLost = false;

  constructor(sketches: readonly ChoreSketch[]) {
    this.sketches = [...sketches];
    for (const source of SOURCES) this.#write(source, "a1");
    this.#declare();
  }

  #write(source: string, content: string): void {
    this.sources.set(source, content);
    this.world.write(source, content);
  }

  #declare(): void {
    this.world.write("begatfile", begatfileOf(choresOf(this.sketches)));
  }

  async play(step: Step): Promise<void> {
    const { world } = this;
    switch (step.do) {
      case "write":
        return this.#write(SOURCES[step.source] as string, step.content);
      case "remove":
        this.sources.delete(SOURCES[step.source] as string);
        return world.remove(SOURCES[step.source] as string);
      case "touch": {
        const path = world.at(SOURCES[step.source] as string);
        if (world.fs.stat(path)) world.fs.setTimes(path, 1, world.clock.nowMs() + 5_000);
        return;
      }
      case "damage": {
        const index = step.output % this.sketches.length;
        const path = `${this.sketches[index]?.kind === "tree" ? "tree" : "out"}/${index}`;
        const kind = world.fs.stat(world.at(path))?.kind;
        if (kind === undefined) return;
        if (step.how === "remove") world.remove(path);
        else if (kind === "directory") world.write(`${path}/${step.how === "scribble" ? "one" : "stray"}`, "scribble");
        else if (step.how === "scribble") world.write(path, "scrbbl");
        return;
      }
      case "evict":
      case "corrupt": {
        const hash = [...world.blobs.used][step.blob % Math.max(1, world.blobs.used.size)];
        if (hash === undefined) return;
        this.blobsLost = true;
        if (step.do === "evict") world.blobs.evict(hash);
        else world.blobs.corrupt(hash, Buffer.from("rotten"));
        return;
      }
      case "redeclare":
        this.sketches[step.chore % this.sketches.length] = step.sketch;
        return this.#declare();
      case "add":
        if (this.sketches.length < 10) this.sketches.push(step.sketch);
        return this.#declare();
      case "drop":
        if (this.sketches.length > 1) this.sketches.pop();
        return this.#declare();
      case "forget":
        if (step.what === "index") world.index.clear();
        else world.remove(step.what === "both" ? CHECKOUT.plan : CHECKOUT[step.what]);
        if (step.what === "both") world.remove(CHECKOUT.state);
        return;
      case "wait":
        return world.clock.tick(step.ms);
      case "turn back":
        // A half, so that no moment comes twice.
        return world.clock.setWallMs(world.clock.nowMs() - step.ms - 0.5);
      case "build":
        return this.build(step.jobs, step.target);
    }
  }

  async build(jobs: number, target: number | undefined): Promise<void> {
    const { world } = this;
    const chores = choresOf(this.sketches);
    const outputs = chores.flatMap((chore) => outputOf(chore) ?? []);
    const chosen = target === undefined || outputs.length === 0 ? undefined : outputs[target % outputs.length];
    const wanted = chosen === undefined ? outputs : [chosen];
    const ought = forecast(chores, this.sources, wanted);
    const built = await world.build({ jobs, targets: chosen === undefined ? [] : [chosen] });
    this.#check(built, ought, chores, wanted);
    for (const index of ought.needed) {
      const key = ought.keys.get(index);
      if (!ought.refused && key !== undefined && !ought.failed.has(index)) this.done.add(key);
    }
  }

  #check(
    { summary, executed, events }: MemoryBuilt,
    ought: Forecast,
    chores: readonly Chore[],
    wanted: readonly string[],
  ): void {
    if (ought.refused) {
      expect(summary.outcome).toBe("refused");
      expect(executed).toEqual([]);
      return;
    }
    const { failed, skipped, needed, keys } = ought;
    expect(
      summary,
      JSON.stringify(events.filter(({ type }) => type === "chore-failed" || type === "notice")),
    ).toMatchObject({
      outcome: failed.size > 0 ? "failed" : "ok",
      planned: needed.size,
      failed: failed.size,
      skipped: skipped.size,
    });
    expect(summary.executed + summary.cached + summary.settled).toBe(needed.size - failed.size - skipped.size);
    for (const [path, content] of ought.files) {
      if (wanted.some((output) => (output.endsWith("/") ? path.startsWith(output) : path === output)))
        expect(this.world.read(path), path).toBe(content);
    }
    for (const output of wanted) {
      if (!output.endsWith("/") || !ought.files.has(`${output}one`)) continue;
      const there = [...this.world.fs.list(this.world.at(output.slice(0, -1))).keys()];
      expect(there.filter((path) => path.includes("stray"))).toEqual([]);
    }
    const must: string[] = [];
    const may: string[] = [];
    for (const { index, sketch } of chores) {
      const key = keys.get(index);
      if (!needed.has(index) || key === undefined || skipped.has(index)) continue;
      if (failed.has(index) || sketch.volatile || !this.done.has(key)) must.push(`c${index}()`);
      else if (this.blobsLost) may.push(`c${index}()`);
    }
    // Whoever lost a blob may make its maker run again, and nobody knows which blob it was: then it is "at least".
    expect([...new Set(executed)].filter((label) => !may.includes(label)).sort()).toEqual(must.sort());
    if (!this.blobsLost) expect(executed.length).toBe(must.length);
  }

  async likeAClean(): Promise<void> {
    const clean = new Player(this.sketches);
    for (const source of SOURCES) {
      const content = this.sources.get(source);
      if (content === undefined) await clean.play({ do: "remove", source: SOURCES.indexOf(source) });
      else await clean.play({ do: "write", source: SOURCES.indexOf(source), content });
    }
    await clean.build(2, undefined);
    await this.build(2, undefined);
    const chores = choresOf(this.sketches);
    const ought = forecast(
      chores,
      this.sources,
      chores.flatMap((chore) => outputOf(chore) ?? []),
    );
    if (!ought.refused && ought.failed.size === 0) {
      for (const path of ought.files.keys()) expect(this.world.read(path), path).toBe(clean.world.read(path));
    }
    const verdict = await verifyLedger(this.world.ledger, {
      signatures: true,
      lister: memoryLister,
      pruner: pruneAction,
    });
    expect(verdict.findings).toEqual([]);
    // Once more: nothing is left to be done, unless something must be done each time.
    const again = await this.world.build();
    const restless = chores.some(({ sketch }) => sketch.volatile) || ought.failed.size > 0 || ought.refused;
    if (!restless) expect(again.summary).toMatchObject({ outcome: "ok", executed: 0, cached: 0, materialised: 0 });
  }
}

/** Histories that once found a mistake. */
const KNOWN: readonly (readonly [what: string, sketches: readonly ChoreSketch[], steps: readonly Step[]])[] = [
  [
    "a source changed, a blob rotten",
    [
      { kind: "tree", reads: [548, 0], version: 0, volatile: true },
      { kind: "mix", reads: [257, 0], version: 0, volatile: true },
      { kind: "mix", reads: [61, 0], version: 0, volatile: true },
      { kind: "mix", reads: [581, 0], version: 0, volatile: true },
      { kind: "mix", reads: [515, 29, 0], version: 0, volatile: true },
      { kind: "mix", reads: [647, 0], version: 1, volatile: false },
    ],
    [
      { do: "build", jobs: 3, target: undefined },
      { do: "wait", ms: 1000 },
      { do: "corrupt", blob: 98 },
      { do: "write", source: 3, content: "a2" },
    ],
  ],
  [
    "blobs lost behind a chore of several",
    [
      { kind: "mix", reads: [0], version: 0, volatile: true },
      { kind: "property", reads: [0], version: 0, volatile: true },
      { kind: "mix", reads: [544], version: 0, volatile: false },
      { kind: "mix", reads: [983, 0], version: 0, volatile: true },
      { kind: "mix", reads: [998, 0], version: 0, volatile: true },
    ],
    [
      { do: "build", jobs: 1, target: 15 },
      { do: "redeclare", chore: 0, sketch: { kind: "mix", reads: [0], version: 0, volatile: true } },
      { do: "write", source: 0, content: "a1" },
      { do: "evict", blob: 0 },
      { do: "corrupt", blob: 593 },
    ],
  ],
  [
    "both blobs of a tree rotten, found one after the other",
    [
      { kind: "tree", reads: [0], version: 0, volatile: true },
      { kind: "mix", reads: [0], version: 0, volatile: true },
      { kind: "mix", reads: [37, 0], version: 0, volatile: true },
      { kind: "mix", reads: [0], version: 0, volatile: true },
    ],
    [
      { do: "build", jobs: 1, target: undefined },
      { do: "write", source: 0, content: "a1" },
      { do: "corrupt", blob: 961 },
      { do: "write", source: 0, content: "a1" },
      { do: "corrupt", blob: 332 },
    ],
  ],
];

describe("whatever happens between builds", () => {
  test.each(KNOWN)("%s", async (_, sketches, steps) => {
    const player = new Player(sketches);
    for (const step of steps) await player.play(step);
    await player.likeAClean();
  });

  test("each does what the model says, and runs what must run and nothing else", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(aSketch, { minLength: 1, maxLength: 8 }),
        fc.array(aStep, { minLength: 4, maxLength: 30 }),
        async (sketches, steps) => {
          const player = new Player(sketches);
          for (const step of steps) await player.play(step);
          await player.likeAClean();
        },
      ),
      { numRuns: RUNS, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: false },
    );
  }, 120_000);
});
