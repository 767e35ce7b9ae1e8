import { beforeEach, describe, expect, test } from "vitest";
import { type Sha256, sha256 } from "../../src/base/index.ts";
import {
  type AffectedTarget,
  affectedBy,
  completeArtifact,
  digestsStarting,
  endorsedKeys,
  findTaint,
  type History,
  ImageMakings,
  type KeyHistory,
  type ProvIndex,
  provPath,
  provShow,
  provTree,
  signExecution,
} from "../../src/provenance/index.ts";
import { memoryProvIndex } from "../support/memory-index-source.ts";
import { MemoryLedger } from "../support/memory-ledger.ts";
import { type ChoreSketch, listAction, sketchChore } from "../support/recorded-chore.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const PACKAGE = "the libc package\n";
const CONFIG = sha256("config of image cc");
const IMAGE = `sha256:${CONFIG}`;

let ledger: MemoryLedger;

async function run(sketch: ChoreSketch): Promise<number> {
  const chore = sketchChore({ level: "hermetic", ...sketch });
  const facts = { ...chore.facts, sandbox: { ...chore.facts.sandbox, network: "none" } };
  const body = signExecution(facts, chore.listing, ledger.origin, ledger.signer);
  const [added] = await ledger.append([{ body, manifests: chore.manifests }]);
  return added!.seq;
}

const historyNow = async (): Promise<History> => ({
  ledger,
  index: await memoryProvIndex(ledger),
  keys: endorsedKeys(ledger),
  lister: listAction,
});

/** image(cc) of a package; version() -> VERSION; compile in the image; link in it and with VERSION; two that stand apart. */
async function program(): Promise<Record<string, number>> {
  return {
    image: await run({
      chore: "image(cc)",
      image: "begat:hermetic",
      inputs: { ".begat/image/deb/libc6_2.36_amd64.deb": PACKAGE },
      outputs: {},
      props: { "image cc": IMAGE },
    }),
    version: await run({ chore: "version()", inputs: { VERSION: "7" }, outputs: {}, props: { VERSION: "1.7" } }),
    compile: await run({ chore: "cc(a.c)", image: IMAGE, inputs: { "a.c": "int a;" }, outputs: { "a.o": "object a" } }),
    link: await run({
      chore: "ld()",
      image: IMAGE,
      inputs: { ".begat/in": "a.o", "a.o": "object a" },
      outputs: { prog: "the program" },
      env: { VERSION: "1.7" },
    }),
    other: await run({ chore: "other()", inputs: { "o.c": "other" }, outputs: { other: "another" } }),
    host: await run({ chore: "host()", level: "contained", inputs: { "h.c": "h" }, outputs: { host: "of the host" } }),
    after: await run({ chore: "after()", inputs: { host: "of the host" }, outputs: { after: "after the host" } }),
  };
}

let at: Record<string, number>;
let history: History;
beforeEach(async () => {
  ledger = new MemoryLedger();
  at = await program();
  history = await historyNow();
});

const affected = (target: AffectedTarget) => {
  const { affected: found, clear, unknown, seen } = affectedBy(history, target);
  const by = found.map(({ evidence, through }) => [
    evidence.seq,
    through === undefined ? "itself" : "path" in through ? through.path : through.property,
  ]);
  return { by, clear, unknown, seen };
};
const digest = (text: string): AffectedTarget => ({ by: "digest", digest: sha256(text) });

describe("what something had a part in", () => {
  test("is told apart from what it cannot have reached, and from what nobody can say", () => {
    expect(affected(digest("int a;"))).toEqual({
      by: [
        [at.compile, "a.c"],
        [at.link, "a.o"],
      ],
      clear: 3,
      // What the host's tools could see, and what came of that.
      unknown: 2,
      seen: true,
    });
  });

  test("goes on through an image to all that ran in it", () => {
    expect(affected(digest(PACKAGE))).toMatchObject({
      by: [
        [at.image, ".begat/image/deb/libc6_2.36_amd64.deb"],
        [at.compile, "image cc"],
        [at.link, "image cc"],
      ],
      clear: 2,
      unknown: 2,
    });
  });

  test("goes on through a property to all that were given it, and not to those that had another value", async () => {
    const link = await run({ chore: "ld()", inputs: { x: "x" }, outputs: { prog: "other" }, env: { VERSION: "1.8" } });
    history = await historyNow();
    expect(affected(digest("7")).by).toEqual([
      [at.version, "VERSION"],
      [at.link, "VERSION"],
    ]);
    expect(affected(digest("7")).by).not.toContainEqual([link, "VERSION"]);
  });

  test("of an image is what ran in it, under all digests it had", async () => {
    const second = `sha256:${sha256("config 2")}`;
    await run({ chore: "image(cc)", image: "begat:hermetic", outputs: {}, props: { "image cc": second } });
    const later = await run({ chore: "cc(b.c)", image: second, outputs: { "b.o": "b" } });
    history = await historyNow();
    const names = new ImageMakings(history).named("cc").map((making) => `sha256:${making.digest}`);
    expect(names).toEqual([second, IMAGE]);
    expect(affected({ by: "image", names }).by).toEqual([
      [at.compile, "itself"],
      [at.link, "itself"],
      [later, "itself"],
    ]);
  });

  test("of what no record names is nothing, and says that it was never seen", () => {
    expect(affected(digest("never"))).toMatchObject({ by: [], clear: 5, unknown: 2, seen: false });
  });
});

test("a quarantine reaches what ran in an image of it, or was given a property of it, and nothing else", () => {
  const reached = (text: string): number[] => {
    const target = { t: "digest", is: sha256(text) } as const;
    const quarantine = { seq: 99, target, fromSeq: 0, toSeq: undefined, reason: "bad" };
    const decided = { quarantines: [quarantine], keys: () => [] } as unknown as KeyHistory;
    const parts = { ledger, lister: listAction, members: () => undefined, producers: () => [] };
    const taint = findTaint({ ...parts, history: decided });
    return Object.values(at).filter((seq) => taint.because(seq) !== undefined);
  };
  expect(reached(PACKAGE)).toEqual([at.image, at.compile, at.link]);
  expect(reached("7")).toEqual([at.version, at.link]);
  expect(reached("h")).toEqual([at.host, at.after]);
});

test("a path leads through the image an execution ran in", () => {
  const found = provPath(history, { path: "prog" }, { digest: sha256(PACKAGE) });
  if (!found.found) throw new Error(found.because);
  expect(found.answer.map(({ evidence, input }) => [evidence.seq, input.path])).toEqual([
    [at.link, "image cc"],
    [at.image, ".begat/image/deb/libc6_2.36_amd64.deb"],
  ]);
});

test("completeness counts images with what they hold, and none of begat's own lists", () => {
  const found = completeArtifact(history, { path: "prog" });
  if (!found.found) throw new Error(found.because);
  const { executions, sources, ingests, holes } = found.answer;
  expect(executions.map(({ seq }) => seq)).toEqual([at.image, at.compile, at.link]);
  expect({ sources, ingests, holes }).toEqual({ sources: 1, ingests: 1, holes: [] });
});

test("a digest is found by its beginning: of an output, a source, and of nothing", () => {
  for (const text of ["the program", "int a;", PACKAGE]) {
    for (const digits of [8, 12, 20, 63]) {
      expect(digestsStarting(history, sha256(text).slice(0, digits)), text).toEqual([sha256(text)]);
    }
  }
  expect(digestsStarting(history, sha256("never").slice(0, 12))).toEqual([]);
  // The index keeps the first twelve digits: what differs after them is told apart by the record.
  const nearly = `${sha256("the program").slice(0, 12)}${"0".repeat(8)}`;
  expect(digestsStarting(history, nearly)).toEqual([]);
});

describe("a wrong index", () => {
  /** Answers of the true one, with numbers put in, left out, or exchanged. */
  function wrong(index: ProvIndex, random: SeededRandom, size: number): ProvIndex {
    const pick = (bound: number) => Buffer.from(random.bytes(4)).readUInt32LE() % bound;
    const bend = (numbers: readonly number[], bound: number): number[] => {
      switch (pick(4)) {
        case 0:
          return [];
        case 1:
          return [...numbers, pick(bound)].sort((a, b) => a - b);
        case 2:
          return numbers.map((one) => (pick(2) === 0 ? one : pick(bound)));
        default:
          return [...numbers];
      }
    };
    const seqs = new Set(["producers", "producersOfPath", "executionsOf", "executionsOfImage", "consumers", "ingests"]);
    return new Proxy(index, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown;
        if (typeof value !== "function") return value;
        const method = value.bind(target) as (...words: unknown[]) => readonly number[];
        return seqs.has(String(name)) ? (...words: unknown[]) => bend(method(...words), size + 2) : method;
      },
    });
  }

  /** Every statement the answers make, as text; places and order aside, which are no statements. */
  function statements(asked: History): string[] {
    const said: string[] = [];
    for (const path of ["prog", "a.o", "other", "after"]) {
      const shown = provShow(asked, { path });
      if (shown.found) {
        const { digest: made, making, inputs } = shown.answer;
        const of = (madeBy: number | undefined) => (madeBy === undefined ? "" : ` by ${madeBy}`);
        said.push(`${path} is ${made}, made at ${making.evidence.seq}`);
        for (const input of inputs) said.push(`${path} had ${input.path} ${input.digest}${of(input.madeBy)}`);
      }
      const found = provPath(asked, { path }, { digest: sha256("int a;") });
      if (found.found)
        for (const { evidence, made, input } of found.answer)
          said.push(`${made} at ${evidence.seq} from ${input.path}`);
    }
    for (const text of ["int a;", PACKAGE, "7"]) {
      for (const { evidence, through } of affectedBy(asked, digest(text)).affected) {
        said.push(`${text} reached ${evidence.seq}`);
        // There may be several ways, and the index decides which is found: that it is one, the record says.
        if (through === undefined) continue;
        const has =
          "path" in through
            ? evidence.listing?.inputs.some((input) => input.path === through.path && input.digest === through.digest)
            : evidence.record.image === IMAGE || evidence.listing?.env.some(([name]) => name === through.property);
        expect(has).toBe(true);
      }
    }
    return said;
  }

  test("leaves statements out, and makes none that is not so", () => {
    const truth = new Set(statements(history));
    // That an input came from nobody is what an index without its maker comes to.
    const unmade = (statement: string) => [...truth].some((one) => one.startsWith(statement));
    let changed = 0;
    for (let seed = 0; seed < 100; seed++) {
      const asked = { ...history, seen: new Map(), index: wrong(history.index, new SeededRandom(seed), ledger.size()) };
      const said = statements(asked);
      if (said.length !== truth.size) changed++;
      for (const statement of said) {
        if (!truth.has(statement) && !unmade(statement)) expect.unreachable(`seed ${seed}: ${statement}`);
      }
    }
    expect(changed).toBeGreaterThan(30);
  });

  test("whose ledger is another's names no maker that the ledger does not have", async () => {
    const strange = new MemoryLedger();
    const own = ledger;
    ledger = strange;
    await run({ chore: "strange()", outputs: { prog: "a strange program" } });
    const index = await memoryProvIndex(strange);
    ledger = own;
    const asked = { ...history, index };
    expect(provShow(asked, { digest: sha256("a strange program") as Sha256 }).found).toBe(false);
    expect(provTree(asked, { digest: sha256("a strange program") as Sha256 }).found).toBe(false);
  });
});
