import { describe, expect, test } from "vitest";
import {
  type ExecutionOptions,
  type ExecutionRequest,
  type ExecutionResult,
  type Executor,
  ExecutorError,
  type ExecutorErrorCode,
} from "../../src/executor/index.ts";
import {
  BuildAccounts,
  type ExecBody,
  type LedgerRecord,
  normaliseFacts,
  signExecution,
  toExecOutput,
  travailBytes,
} from "../../src/provenance/index.ts";
import type { BuildEvent, Farm } from "../../src/scheduler/index.ts";
import { FakeExecutor, type FakeRun } from "../support/fake-executor.ts";
import { MemoryBuilds } from "../support/memory-build.ts";

/** What each recipe of the present test takes. */
const slow = { ms: 100, clock: { tick: (_ms: number): void => {} } };

const recipe = (run: FakeRun) => {
  slow.clock.tick(slow.ms);
  for (const { path } of run.request.outputs) run.write(path, `made for ${path}\n`);
  return undefined;
};

const BEGATFILE = `
dictum make(n) { in [ src ] out [ out/$n ] exec [[[ : ]]] }
apply(make [ a b c d e f g h ])
`;

function builds(begatfile = BEGATFILE, takesMs = 100): MemoryBuilds {
  const memory = new MemoryBuilds(recipe);
  Object.assign(slow, { ms: takesMs, clock: memory.clock });
  memory.write("begatfile", begatfile);
  memory.write("src", "1");
  return memory;
}

type Ending = (request: ExecutionRequest, result: ExecutionResult) => ExecutionResult;

/** A farm of one rnode, w1, that signs: what it is asked for, and how each of that ends. */
class TestFarm implements Farm {
  readonly slots: number;
  readonly asked: string[] = [];
  /** By chore: the rank it was asked for with. */
  readonly ranks = new Map<string, number | undefined>();
  readonly executor: Executor;
  mostAtOnce = 0;
  refusal: string | undefined;
  end: Ending = (_, result) => result;
  #running = 0;

  constructor(memory: MemoryBuilds, slots = 4) {
    this.slots = slots;
    const { clock, fs } = memory;
    this.executor = {
      name: "remote",
      slots,
      probe: async () => Promise.reject(new Error("nobody asks")),
      close: async () => {},
      execute: async (request, options) => {
        this.asked.push(request.label);
        this.ranks.set(request.label, options.purpose?.rankMs);
        this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#running);
        const worker = new FakeExecutor({ blobs: memory.blobs, clock, files: fs, recipe, slots: 1 });
        try {
          return this.end(request, signed(memory, request, options, await worker.execute(request, options)));
        } finally {
          this.#running--;
        }
      },
    };
  }

  refuses(): string | undefined {
    return this.refusal;
  }
}

/** As an rnode whose key the ledger knows signs it. */
function signed(
  { ledger }: MemoryBuilds,
  request: ExecutionRequest,
  { purpose }: ExecutionOptions,
  result: ExecutionResult,
): ExecutionResult {
  if (purpose === undefined) throw new Error("nobody said what it is for");
  const { encoded, argv, env, directory } = request;
  const listing = {
    argv,
    env,
    directory,
    platform: encoded?.platform ?? [],
    inputs: request.inputs.map(({ path, digest }) => ({ path, digest: digest.hash })),
  };
  const facts = normaliseFacts({
    kind: "exec" as const,
    build: purpose.build,
    action: request.actionDigest.hash,
    asize: request.actionDigest.sizeBytes,
    dictum: purpose.dictum,
    chore: purpose.chore,
    image: encoded?.platform[0]?.[1] ?? "",
    in: { n: 0, root: encoded?.inputRoot.hash ?? request.actionDigest.hash },
    out: result.outputs.map(toExecOutput),
    io: { out: request.actionDigest.hash, err: request.actionDigest.hash },
    exit: 0,
    t0: result.startedAtMs,
    t1: result.finishedAtMs,
    ms: result.durationMs,
    rnode: "w1",
    level: result.isolation.level,
    sandbox: { backend: "process" },
    ver: "1",
    why: { r: "new" },
    attempt: purpose.attempt,
    cacheable: true,
  });
  const body = signExecution(facts, listing, purpose.log, ledger.signer);
  const travail = { body: travailBytes(body), log: purpose.log };
  return { ...result, elsewhere: { rnode: "w1", cached: false, travail } };
}

const records = ({ ledger }: MemoryBuilds): LedgerRecord[] =>
  Array.from({ length: ledger.size() }, (_, seq) => ledger.record(seq) as LedgerRecord);
const executions = (memory: MemoryBuilds): ExecBody[] =>
  records(memory).filter((record): record is LedgerRecord & ExecBody => record.kind === "exec");
const codes = (events: readonly BuildEvent[]): string[] =>
  events.flatMap((event) => (event.type === "notice" ? [event.code] : []));

function booksHold(memory: MemoryBuilds): void {
  const books = new BuildAccounts();
  for (const record of records(memory)) expect(books.enter(record)).toBeUndefined();
}

const spoil = (code: ExecutorErrorCode): Ending => {
  return () => {
    throw new ExecutorError(code, "the test says so");
  };
};

describe("a build with a farm", () => {
  test("runs here while a slot is free, else there, and records which and why", async () => {
    const memory = builds();
    const farm = new TestFarm(memory);
    const { summary } = await memory.build({ jobs: 1, rooms: { farm: async () => farm } });
    expect(summary).toMatchObject({ outcome: "ok", executed: 8 });
    const made = executions(memory);
    const there = made.filter(({ rnode }) => rnode === "w1");
    expect(there.length).toBe(farm.asked.length);
    expect(there.length).toBeGreaterThan(0);
    expect(summary.elsewhere).toEqual({ w1: there.length });
    expect(new Set(there.map(({ why }) => why.on))).toEqual(new Set(["no slot was free here"]));
    expect(made.find(({ rnode }) => rnode === "frodo")?.why.on).toBe("a slot was free here");
    booksHold(memory);
  });

  test("tells the farm how long the way from each chore to the build's end is", async () => {
    const chain = ["a", "b", "c"].map((name, i, all) => {
      return `dictum ${name} { in [ ${all[i - 1] ?? "src"} ] out [ ${name} ] exec [[[ : ]]] }\nrun ${name}()\n`;
    });
    const memory = builds(chain.join(""));
    const farm = new TestFarm(memory);
    const rooms = { farm: async () => farm };
    await memory.build({ jobs: 0, rooms });
    // Of what nobody has seen yet each takes a second.
    const unseen = { "a()": 3_000, "b()": 2_000, "c()": 1_000 };
    expect(Object.fromEntries(farm.ranks)).toEqual(unseen);
    memory.write("src", "2");
    await memory.build({ jobs: 0, rooms });
    expect(Object.fromEntries(farm.ranks)).toEqual({ ...unseen, "a()": 300 });
  });

  test("does not send what takes less time than sending it does", async () => {
    const memory = builds(BEGATFILE, 3);
    await memory.build({ jobs: 1 });
    // By now it is known how little each of them takes.
    memory.write("src", "2");
    const farm = new TestFarm(memory);
    const { summary } = await memory.build({ jobs: 1, rooms: { farm: async () => farm } });
    expect([summary.executed, farm.asked]).toEqual([8, []]);
  });

  // The executor tells of 7 ms of processor time; the first one is known when the others are placed.
  test.each([
    ["waited for a processor", 40, false],
    ["waits for something else", 400, true],
  ])("a recipe that %s, %d ms in all, is worth sending: %s", async (_, takesMs, isSent) => {
    const rest = ["b", "c", "d", "e", "f", "g", "h"].map((name) => `run make(${name} [ out/a src ])`);
    const memory = builds(
      ["dictum make(n from) { in [ $from ] out [ out/$n ] exec [[[ : ]]] }", "run make(a src)", ...rest, ""].join("\n"),
      takesMs,
    );
    const farm = new TestFarm(memory);
    const { summary } = await memory.build({ jobs: 1, rooms: { farm: async () => farm } });
    expect([summary.executed, farm.asked.length > 0]).toEqual([8, isSent]);
    // Now each has its own record of as much wall time.
    memory.write("src", "2");
    farm.asked.length = 0;
    const again = await memory.build({ jobs: 1, rooms: { farm: async () => farm } });
    expect([again.summary.executed, farm.asked.length > 0]).toEqual([8, isSent]);
  });

  test("with no jobs of its own runs there all that can go there, as many at once as there is room for", async () => {
    const memory = builds();
    const farm = new TestFarm(memory, 3);
    const { summary, executed } = await memory.build({ jobs: 0, rooms: { farm: async () => farm } });
    expect([summary.outcome, executed, farm.asked.length]).toEqual(["ok", [], 8]);
    expect(farm.mostAtOnce).toBeLessThanOrEqual(3);
    // Used again as any result is, farm or none.
    memory.remove("out/a");
    const again = await memory.build({ jobs: 2 });
    expect(again.summary).toMatchObject({ outcome: "ok", executed: 0 });
  });

  test.each([
    ["attr[interactive]", "it has the terminal"],
    ["attr[exclusive]", "it runs alone on this machine"],
    ["attr[traced]", "what it reads is looked at here"],
    ["network host", "it uses this machine's network"],
    ["resources[ linker=1 ]", "linker is shared out here"],
  ])("runs here what must: %s", async (section, because) => {
    const memory = builds(`dictum make { in [ src ] out [ o ] ${section} exec [[[ : ]]] }\nrun make()\n`);
    const farm = new TestFarm(memory);
    const { events } = await memory.build({ jobs: 0, rooms: { farm: async () => farm } });
    const [started] = events.filter((event) => event.type === "chore-started");
    expect([farm.asked, started?.place]).toEqual([[], { on: "here", because }]);
  });

  test("runs here what the farm does not take, for the farm's reason", async () => {
    const memory = builds();
    const farm = new TestFarm(memory);
    farm.refusal = "no rnode has these tools";
    const { summary } = await memory.build({ jobs: 0, rooms: { farm: async () => farm } });
    expect([summary.executed, farm.asked]).toEqual([8, []]);
    expect(executions(memory)[0]?.why.on).toBe("no rnode has these tools");
  });

  test.each([
    ["EXECUTOR_REFUSED", ["FARM_REFUSED"], 8, "the farm did not execute it: the test says so"],
    ["EXECUTOR_UNTRUSTED", ["FARM_UNTRUSTED"], 16, "the farm proved none of 2 results"],
  ] as const)("runs here what came to nothing there: %s", async (code, notices, asked, because) => {
    const memory = builds();
    const farm = new TestFarm(memory);
    farm.end = spoil(code);
    const { summary, events } = await memory.build({ jobs: 0, rooms: { farm: async () => farm } });
    expect(summary).toMatchObject({ outcome: "ok", executed: 8 });
    expect(summary.elsewhere).toBeUndefined();
    expect(new Set(codes(events))).toEqual(new Set(notices));
    expect(farm.asked.length).toBe(asked);
    expect(executions(memory).every(({ why, rnode }) => why.on === because && rnode === "frodo")).toBe(true);
    booksHold(memory);
  });

  test("fails what an operator ended there, and runs it nowhere else", async () => {
    const memory = builds();
    const farm = new TestFarm(memory);
    farm.end = spoil("EXECUTOR_ENDED");
    const { summary, events } = await memory.build({ jobs: 0, keepGoing: true, rooms: { farm: async () => farm } });
    expect([summary.outcome, summary.executed, farm.asked.length]).toEqual(["failed", 0, 8]);
    const [failed] = events.filter((event) => event.type === "chore-failed");
    expect(failed?.failure).toMatchObject({ verdict: "executor-error", detail: "the test says so" });
    booksHold(memory);
  });

  test("goes on here when the farm is gone in the middle, and says so once", async () => {
    const memory = builds();
    const farm = new TestFarm(memory);
    farm.end = (request, result) => (farm.asked.length > 1 ? spoil("EXECUTOR_GONE")(request, result) : result);
    const { summary, events } = await memory.build({ jobs: 1, rooms: { farm: async () => farm } });
    expect(summary).toMatchObject({ outcome: "ok", executed: 8 });
    expect(codes(events)).toEqual(["FARM_GONE"]);
    booksHold(memory);
  });

  test("fails clearly when it is gone and nothing may run here instead", async () => {
    const memory = builds();
    const farm = async () => Promise.reject(new Error("nobody listens there"));
    const { summary, events } = await memory.build({ jobs: 0, rooms: { farm } });
    expect([summary.outcome, summary.executed]).toEqual(["failed", 0]);
    const [failed] = events.filter((event) => event.type === "chore-failed");
    expect(failed?.failure).toMatchObject({
      detail: "the farm is gone: nobody listens there",
      hint: "with -j 1 or more it runs here",
    });
    booksHold(memory);
  });

  test("takes no result that is isolated less than one made here would be", async () => {
    const memory = builds();
    const farm = new TestFarm(memory);
    const executor = new FakeExecutor({ blobs: memory.blobs, clock: memory.clock, files: memory.fs, recipe, slots: 2 });
    const contained: Executor = {
      name: "process",
      slots: 2,
      probe: () => executor.probe(),
      close: async () => {},
      async execute(request, options) {
        const own = new FakeExecutor({ ...memory, recipe, level: "contained", files: memory.fs, slots: 2 });
        return own.execute(request, options);
      },
    };
    const rooms = {
      farm: async () => farm,
      executor: async () => ({ executor: contained, hostLevel: "contained", imageLevel: "none" }) as const,
    };
    const { summary, events } = await memory.build({ jobs: 0, rooms });
    expect([summary.outcome, codes(events).includes("FARM_TOO_WEAK")]).toEqual(["ok", true]);
    expect(new Set(executions(memory).map(({ level }) => level))).toEqual(new Set(["contained"]));
  });

  test("counts as a hit what had been executed there before, and the books hold", async () => {
    const memory = builds();
    const farm = new TestFarm(memory);
    farm.end = (_, { elsewhere, ...result }) =>
      elsewhere === undefined ? result : { ...result, elsewhere: { ...elsewhere, cached: true } };
    const { summary, events } = await memory.build({ jobs: 0, rooms: { farm: async () => farm } });
    expect(summary).toMatchObject({ outcome: "ok", executed: 0, cached: 8 });
    expect(events.filter(({ type }) => type === "chore-cached").length).toBe(8);
    expect(executions(memory).every(({ from }) => from?.cached === true)).toBe(true);
    booksHold(memory);
  });

  test("records what nobody signed by its own word, at level none", async () => {
    const memory = builds();
    const farm = new TestFarm(memory);
    const elsewhere = { rnode: "grpc://elsewhere:1", cached: true, travail: undefined };
    farm.end = (_, result) => ({ ...result, elsewhere });
    const { summary } = await memory.build({ jobs: 0, rooms: { farm: async () => farm } });
    expect(summary).toMatchObject({ outcome: "ok", cached: 8 });
    expect(new Set(executions(memory).map(({ rnode, level }) => `${rnode} ${level}`))).toEqual(
      new Set(["grpc://elsewhere:1 none"]),
    );
    booksHold(memory);
  });
});

describe("a build with a shared cache", () => {
  test("takes from it what it has, gives it what it made, and asks for nothing that must run", async () => {
    const memory = builds();
    const store = new Map<string, ExecutionResult>();
    const found: string[] = [];
    const shared = {
      async find(request: ExecutionRequest) {
        found.push(request.label);
        return store.get(request.actionDigest.hash);
      },
      offer(request: ExecutionRequest, result: ExecutionResult) {
        const elsewhere = { rnode: "grpc://cache:1", cached: true, travail: undefined };
        store.set(request.actionDigest.hash, { ...result, elsewhere });
      },
    };
    const rooms = { sharedResults: async () => shared };
    const level = { minIsolation: undefined };
    const first = await memory.build({ ...level, rooms });
    // At level none nothing is shared.
    expect([first.summary.executed, store.size, found.length]).toEqual([8, 0, 8]);
    const make = async () => {
      const own = new FakeExecutor({ ...memory, recipe, level: "contained", files: memory.fs, slots: 2 });
      return { executor: own, hostLevel: "contained", imageLevel: "none" } as const;
    };
    await memory.build({ force: true, rooms: { ...rooms, executor: make } });
    expect([store.size, found.length]).toEqual([8, 8]);
    const other = builds();
    const find = async (request: ExecutionRequest) => {
      const result = await shared.find(request);
      for (const { digest } of result?.outputs ?? []) other.blobs.write(memory.blobs.read(digest));
      return result;
    };
    const taken = await other.build({ rooms: { sharedResults: async () => ({ find }) } });
    expect(taken.summary).toMatchObject({ outcome: "ok", executed: 0, cached: 8 });
    booksHold(other);
  });
});
