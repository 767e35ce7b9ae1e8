import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Digest, digestOf, parseCanonicalJson, type Sha256, sha256 } from "../../../src/base/index.ts";
import { readAction } from "../../../src/executor/index.ts";
import { LeaseJournal, Memoir, Placing, Rnode, type RnodeOptions } from "../../../src/fulcrum/index.ts";
import { BlobsMissingError, statusNumber } from "../../../src/fulcrum-client/index.ts";
import { SILENT_LOG } from "../../../src/ports/index.ts";
import { farm, rpc, unpackAny } from "../../../src/protocol/index.ts";
import {
  type PublicKeyEntry,
  readTravail,
  signerFromSeed,
  travailProblem,
  verifyLedger,
  verifyPossession,
} from "../../../src/provenance/index.ts";
import { type ActionParts, actionIn } from "../../support/action-blobs.ts";
import { copyOf } from "../../support/copied-files.ts";
import { FakeExecutor, type FakeRecipe, type FakeRun } from "../../support/fake-executor.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { MemoryBlobStore } from "../../support/memory-blob-store.ts";
import { MemoryFileTree } from "../../support/memory-file-tree.ts";
import { MemoryLedger } from "../../support/memory-ledger.ts";
import { ScriptedLeader } from "../../support/scripted-leader.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

const HOST = `begat-host:sha256:${sha256("host")}`;
const HOST_WITH_CC = `begat-host:sha256:${sha256("host with cc")}`;
const IMAGE = sha256("an image");
const NAMES = { build: "build-1", chore: "compile(a.c)", dictum: "compile", attempt: 1 };
const CONTEXT: Partial<farm.TravailContext> = { log: "client.test/ledger/7", ...NAMES };

let clock: ManualClock;
let files: MemoryFileTree;
let leaderBlobs: MemoryBlobStore;
let blobs: MemoryBlobStore;
let leader: ScriptedLeader;
let memoir: MemoryLedger;
let executor: FakeExecutor;
let recipe: FakeRecipe;
let boots = 0;
const stops: (() => Promise<void>)[] = [];

beforeEach(() => {
  clock = new ManualClock();
  files = new MemoryFileTree();
  leaderBlobs = new MemoryBlobStore();
  blobs = new MemoryBlobStore();
  leader = new ScriptedLeader();
  memoir = new MemoryLedger(clock);
  recipe = (run) => {
    run.write("out/a.o", "object");
    return undefined;
  };
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** Moves what is missing between the two stores, as the wire would. */
const remote = {
  async fetch(digests: Iterable<Digest>) {
    const missing = [...digests].filter((digest) => !blobs.has(digest));
    const gone = missing.filter((digest) => !leaderBlobs.has(digest));
    if (gone.length > 0) throw new BlobsMissingError(gone, "the leader");
    for (const digest of missing) blobs.write(leaderBlobs.read(digest));
    return { blobs: missing.length, bytes: missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
  },
  async upload(digests: Iterable<Digest>) {
    const missing = [...digests].filter((digest) => !leaderBlobs.has(digest));
    for (const digest of missing) leaderBlobs.write(blobs.read(digest));
    return { blobs: missing.length, bytes: missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
  },
};

const signer = signerFromSeed(Buffer.alloc(32, 2), "rnode", "frodo");

async function start(parts: Partial<RnodeOptions> = {}): Promise<{ rnode: Rnode; stop: () => Promise<void> }> {
  executor = new FakeExecutor({ blobs, clock, recipe: (run) => recipe(run), slots: 2 });
  const end = new AbortController();
  const rnode = new Rnode({
    name: "frodo",
    version: "0.1.0",
    slots: 2,
    bootId: `boot ${++boots}`,
    hello: { executor: "process", hostLevel: "none", imageLevel: "contained", anyImage: true },
    placing: new Placing({
      labels: { Arch: "amd64" },
      hostImage: (tools) => (tools.includes("cc") ? HOST_WITH_CC : HOST),
      images: { standing: () => [IMAGE], root: async () => "/images/one/root" },
      runsImages: true,
    }),
    executor,
    blobs,
    remote,
    connect: leader.connect,
    signing: { signer, endorsement: Buffer.from("endorsed"), rnode: "frodo", version: "0.1.0" },
    memoir: new Memoir({ ledger: memoir, blobs, clock, log: SILENT_LOG, who: "tester", bootId: `boot-${boots}` }),
    ledgerOrigin: memoir.origin,
    journal: new LeaseJournal(files, "/state/leases"),
    revocations: { list: () => [], take: () => {} },
    clock,
    random: new SeededRandom(1),
    log: SILENT_LOG,
    ...parts,
  });
  const running = rnode.run(end.signal);
  const stop = async () => {
    end.abort(new Error("the test is over"));
    await running;
  };
  stops.push(stop);
  await rnode.welcomed();
  return { rnode, stop };
}

const action = (parts?: ActionParts): Digest => actionIn(leaderBlobs, parts);

const asked = (actionDigest: Digest, context: Partial<farm.TravailContext> | undefined = CONTEXT) => ({
  actionDigest,
  context: context && farm.TravailContext.fromPartial(context),
});

const hang = (run: FakeRun) => run.hang();

test("introduces itself with what it offers", async () => {
  await start();
  expect(await leader.next("hello")).toMatchObject({
    name: "frodo",
    slots: 2,
    labels: { Arch: "amd64" },
    executor: "process",
    images: [HOST, `sha256:${IMAGE}`],
    anyImage: true,
    held: [],
  });
});

describe("an assignment", () => {
  test("is fetched, executed, signed, uploaded, recorded and said until it is acknowledged", async () => {
    const { rnode } = await start();
    const digest = action({ platform: { "container-image": HOST, Arch: "amd64" } });
    const { leaseId } = leader.assign(asked(digest));
    expect(await leader.next("accepted")).toEqual({ leaseId, fence: 1 });
    expect(await leader.next("running")).toMatchObject({ leaseId });
    const result = await leader.next("result");
    expect(result).toMatchObject({ leaseId, fence: 1, key: "key 1", actionDigest: digest, verdict: "ok" });
    expect(result.status).toBeUndefined();
    const [file] = result.actionResult?.outputFiles ?? [];
    expect(file).toMatchObject({ path: "out/a.o", digest: digestOf("object") });
    expect(leaderBlobs.read(digestOf("object")).toString()).toBe("object");
    expect(result.stats).toMatchObject({ cpu: { nanos: 7_000_000 }, fetchedBytes: rnode.figures().fetchedBytes });

    const travail = farm.Travail.decode(result.travail);
    const body = readTravail(travail.body);
    const key = parseCanonicalJson(travail.key) as unknown as PublicKeyEntry;
    await clock.advance(2_999);
    expect(memoir.size()).toBe(1);
    await clock.advance(1);
    const listing = readAction(digest.hash, (hash) => memoir.manifest(hash));
    expect(listing && travailProblem(body, listing, CONTEXT.log as string, key)).toBeUndefined();
    expect(listing && travailProblem(body, listing, "another/ledger", key)).toBeDefined();
    expect(verifyPossession(key, travail.pop, CONTEXT.log as string)).toBe(true);
    expect(body).toMatchObject({ kind: "exec", image: HOST, exit: 0, cacheable: true, rnode: "frodo", in: { n: 1 } });
    expect(
      unpackAny(result.actionResult?.executionMetadata?.auxiliaryMetadata ?? [], "radix.farm.v1.Travail", farm.Travail),
    ).toEqual(travail);

    expect(await leader.next("beat")).toEqual({ sequence: 1, held: [leaseId] });
    expect((await leader.next("result")).leaseId).toBe(leaseId);
    leader.acknowledge(leaseId);
    await clock.advance(3_000);
    expect((await leader.next("beat")).held).toEqual([]);
    expect(rnode.figures()).toMatchObject({ executed: 1, failed: 0, unacknowledged: 0, cpuMs: 7 });
    const verdict = await verifyLedger(memoir, {
      signatures: true,
      lister: (hash, manifest) => readAction(hash, manifest) ?? expect.fail("a manifest is missing"),
    });
    expect(verdict).toMatchObject({ verdict: "holds", executions: 1, builds: { finished: 1, unfinished: 0 } });
  });

  test("whose blobs come along is neither asked for nor kept, and small outputs go along with its result", async () => {
    leader.resultBlobBytes = 100;
    const held = new Map<Sha256, Buffer>();
    leaderBlobs = new MemoryBlobStore(undefined, held);
    await start();
    const digest = action({ inputs: { "src/a.c": "int along;" } });
    const along = [...held.values()];
    held.clear();
    leader.assign({ ...asked(digest), blobs: [...along, Buffer.from("of no interest")] });
    const result = await leader.next("result");
    expect(result).toMatchObject({ verdict: "ok", status: undefined });
    expect(result.blobs.map(String)).toEqual(["object"]);
    expect([...held]).toEqual([]);
    expect(executor.executed[0]?.inputs.map(({ from }) => "bytes" in from && String(from.bytes))).toEqual([
      "int along;",
    ]);
    expect(along.filter((bytes) => blobs.has(digestOf(bytes)))).toEqual([]);
  });

  test("whose outputs are larger than a result may bring has them uploaded", async () => {
    leader.resultBlobBytes = 5;
    await start();
    leader.assign(asked(action()));
    expect((await leader.next("result")).blobs).toEqual([]);
    expect(leaderBlobs.has(digestOf("object"))).toBe(true);
  });

  test("that comes twice is executed once", async () => {
    await start();
    const assign = leader.assign(asked(action()));
    await leader.next("result");
    leader.say({ $case: "assign", value: assign });
    expect((await leader.next("result")).leaseId).toBe(assign.leaseId);
    leader.acknowledge(assign.leaseId);
    leader.say({ $case: "assign", value: assign });
    await clock.advance(3_000);
    expect((await leader.next("beat")).held).toEqual([]);
    expect(executor.executed).toHaveLength(1);
  });

  test("that is cancelled is stopped and said to be; one that is not known too", async () => {
    recipe = hang;
    await start();
    const { leaseId } = leader.assign(asked(action()));
    await leader.next("running");
    leader.say({ $case: "cancel", value: { leaseId, reason: "superseded" } });
    expect(await leader.next("result")).toMatchObject({ leaseId, status: { code: 1, message: "superseded" } });
    leader.say({ $case: "cancel", value: { leaseId: "L99", reason: "stale" } });
    expect(await leader.next("result")).toMatchObject({ leaseId: "L99", status: { code: 1 } });
    leader.say({ $case: "assign", value: farm.Assign.fromPartial({ leaseId: "L99", ...asked(action()) }) });
    await clock.advance(3_000);
    expect(executor.executed).toHaveLength(1);
  });

  test("or not: it hears of memberships that are over, from the first it does not know", async () => {
    const list = () => new Array(2);
    const heard = new Promise((take) => start({ revocations: { list, take } }));
    expect((await leader.next("hello")).revocations).toBe(2);
    leader.say({ $case: "revoked", value: { documents: [Buffer.from("one")] } });
    expect(await heard).toEqual([Buffer.from("one")]);
  });

  test("above its slots is refused", async () => {
    recipe = hang;
    await start();
    for (const word of ["one", "two", "three"]) leader.assign(asked(action({ inputs: { word } })));
    expect(await leader.next("refused")).toEqual({
      leaseId: "L3",
      fence: 3,
      reason: "all 2 slots are taken",
      unfit: false,
    });
  });

  const refusals: readonly (readonly [name: string, parts: ActionParts, tools: string[], reason: string])[] = [
    [
      "a property that nobody knows",
      { platform: { gpu: "8" } },
      [],
      "platform property gpu=8 is not known here; known are container-image, Arch",
    ],
    [
      "another value of a label",
      { platform: { Arch: "arm64" } },
      [],
      "platform property Arch is amd64 here, not arm64",
    ],
    [
      "tools of another host",
      { platform: { "container-image": HOST_WITH_CC } },
      [],
      `the host's tools are ${HOST} here, not ${HOST_WITH_CC}`,
    ],
    [
      "other versions of named tools",
      { platform: { "container-image": HOST } },
      ["cc"],
      `the host's tools with cc are ${HOST_WITH_CC} here, not ${HOST}`,
    ],
    [
      "an image by name",
      { platform: { "container-image": "docker://debian" } },
      [],
      'container-image "docker://debian" is neither sha256:DIGEST nor begat-host:sha256:DIGEST',
    ],
  ];
  for (const [name, parts, tools, reason] of refusals) {
    test(`for ${name} is refused by name`, async () => {
      await start();
      leader.assign(asked(action(parts), { ...CONTEXT, tools }));
      expect(await leader.next("refused")).toMatchObject({ reason, unfit: true });
      expect(executor.executed).toEqual([]);
    });
  }

  test("with tools that are the same here, and in an image, runs there", async () => {
    await start();
    leader.assign(asked(action({ platform: { "container-image": HOST_WITH_CC } }), { ...CONTEXT, tools: ["cc"] }));
    await leader.next("result");
    leader.assign(asked(action({ platform: { "container-image": `sha256:${IMAGE}` } })));
    await leader.next("result");
    expect(executor.executed.map(({ imageRoot }) => imageRoot)).toEqual([undefined, "/images/one/root"]);
  });

  test("whose inputs are gone says which", async () => {
    await start();
    const digest = action({ inputs: { "src/a.c": "gone" } });
    leaderBlobs.evict(digestOf("gone").hash);
    leader.assign(asked(digest));
    const { status } = await leader.next("result");
    expect(status?.code).toBe(statusNumber("FAILED_PRECONDITION"));
    const failure = unpackAny(status?.details ?? [], "google.rpc.PreconditionFailure", rpc.PreconditionFailure);
    const subject = `blobs/${digestOf("gone").hash}/4`;
    expect(failure?.violations).toEqual([{ type: "MISSING", subject, description: "" }]);
  });
});

describe("what an execution comes to", () => {
  const outcome = async (made: FakeRecipe, context: Partial<farm.TravailContext> = {}, parts: ActionParts = {}) => {
    recipe = made;
    await start();
    leader.assign(asked(action(parts), { ...CONTEXT, ...context }));
    const result = await leader.next("result");
    return { result, body: readTravail(farm.Travail.decode(result.travail).body) };
  };

  test("an exit status is no failure of the rnode", async () => {
    const { result, body } = await outcome(() => 3);
    expect(result).toMatchObject({ verdict: "exit", actionResult: { exitCode: 3 } });
    expect(result.status).toBeUndefined();
    expect(body).toMatchObject({ kind: "fail", exit: 3, verdict: "exit" });
  });

  test("an output that was not made is left out, unless it is required", async () => {
    const { result, body } = await outcome(() => undefined);
    expect(result).toMatchObject({ verdict: "ok", actionResult: { exitCode: 0, outputFiles: [] } });
    expect(body.kind).toBe("exec");
  });

  test("an output that was not made is a failure where it is required", async () => {
    const { result, body } = await outcome(() => undefined, { outputsRequired: true });
    expect(result).toMatchObject({ verdict: "output-missing", actionResult: { exitCode: 0 } });
    expect(body).toMatchObject({ kind: "fail", verdict: "output-missing" });
  });

  test("processes left behind are a failure also to who knows exit codes alone", async () => {
    const { result, body } = await outcome((run) => {
      run.leaveProcess("sleep");
      return undefined;
    });
    expect(result).toMatchObject({ verdict: "leftover-processes", actionResult: { exitCode: 1 } });
    expect(body.exit).toBe(1);
    const stderr = result.actionResult?.stderrDigest as Digest;
    expect(leaderBlobs.read(stderr).toString()).toMatch(/^begat: leftover-processes: /);
  });

  test("a timeout is status 4 with the result beside it", async () => {
    recipe = hang;
    await start();
    leader.assign(asked(action({ action: { timeout: { seconds: 5, nanos: 0 } } })));
    await leader.next("running");
    await clock.advance(5_000);
    const result = await leader.next("result");
    expect(result).toMatchObject({ verdict: "timeout", status: { code: 4 }, actionResult: { exitCode: 137 } });
  });

  test("outputs of the older lists keep their kinds, and directories come as trees", async () => {
    const { result } = await outcome(
      (run) => {
        run.write("w/bin/tool", "tool", true);
        run.write("w/docs/index", "index");
      },
      {},
      {
        inputs: { "w/in": "1" },
        command: {
          workingDirectory: "w",
          outputPaths: [],
          outputFiles: ["bin/tool", "bin/never"],
          outputDirectories: ["docs"],
        },
      },
    );
    const { outputFiles = [], outputDirectories = [] } = result.actionResult ?? {};
    expect(outputFiles.map(({ path, isExecutable }) => [path, isExecutable])).toEqual([["bin/tool", true]]);
    expect(outputDirectories.map(({ path }) => path)).toEqual(["docs"]);
    expect(leaderBlobs.has(outputDirectories[0]?.treeDigest as Digest)).toBe(true);
    expect(leaderBlobs.has(digestOf("index"))).toBe(true);
  });

  test("properties of a dictum are signed as such", async () => {
    const { body } = await outcome(
      (run) => {
        run.write("out/a.o", "object");
        run.write(".begat/up", "VERSION=7\n");
      },
      { outputsRequired: true },
      {
        inputs: { ".begat/recipe": "make", ".begat/in": "", ".begat/out": "out/a.o\n" },
        command: { outputPaths: [".begat/up", "out/a.o"] },
      },
    );
    expect(body).toMatchObject({ kind: "exec", props: { VERSION: "7" }, out: [{ p: "out/a.o" }] });
  });
});

describe("a lease", () => {
  test("ends by the rnode's own clock when no beat is answered, and its work with it", async () => {
    recipe = hang;
    const { rnode } = await start();
    leader.assign(asked(action()));
    await leader.next("running");
    leader.answersBeats = false;
    leader.welcomes = false;
    await clock.advance(13_900);
    expect(rnode.figures().running).toHaveLength(1);
    await clock.advance(200);
    expect(rnode.figures()).toMatchObject({ running: [], stopped: 1 });
    expect(files.readDirectory("/state/leases")).toEqual([]);
    expect(leader.connections).toBeGreaterThan(1);
  });

  test("lives on over a connection that is cut, and its result is said over the next", async () => {
    let finish = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    recipe = async (run) => {
      await finished;
      run.write("out/a.o", "object");
    };
    await start();
    const { leaseId } = leader.assign(asked(action()));
    await leader.next("running");
    leader.cut();
    finish();
    await clock.advance(5_000);
    await leader.next("hello");
    expect((await leader.next("hello")).held).toEqual([{ leaseId, fence: 1, key: "key 1", actionDigest: action() }]);
    expect(await leader.next("result")).toMatchObject({ leaseId, verdict: "ok" });
    expect(executor.executed).toHaveLength(1);
  });
});

describe("after a kill", () => {
  test("what was under way is said to be over and not begun again; what had ended is said once more", async () => {
    const first = await start();
    const ended = leader.assign(asked(action()));
    await leader.next("result");
    recipe = hang;
    const underWay = leader.assign(asked(action({ inputs: { other: "2" } })));
    await leader.next("running");
    await leader.next("running");
    // A kill runs no code: the next process has what lay on the disk at that moment.
    const left = copyOf(files, "/state/leases");
    await first.stop();
    files = left;
    leader.heard.length = 0;
    await start();
    const { held } = await leader.next("hello");
    expect(held.map((lease) => lease.leaseId).sort()).toEqual([ended.leaseId, underWay.leaseId]);
    const said = [await leader.next("result"), await leader.next("result")];
    const byLease = new Map(said.map((result) => [result.leaseId, result]));
    expect(byLease.get(ended.leaseId)).toMatchObject({ verdict: "ok", fence: ended.fence, key: ended.key });
    expect(byLease.get(underWay.leaseId)).toMatchObject({ status: { code: statusNumber("ABORTED") } });
    leader.say({ $case: "assign", value: underWay });
    expect((await leader.next("result")).leaseId).toBe(underWay.leaseId);
    expect(executor.executed).toEqual([]);
    for (const { leaseId } of [ended, underWay]) leader.acknowledge(leaseId);
    await clock.advance(3_000);
    expect(files.readDirectory("/state/leases")).toEqual([]);
  });
});

test("a drain takes no more work, ends what runs and waits until its result is known", async () => {
  let finish = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  recipe = async (run) => {
    await finished;
    run.write("out/a.o", "object");
  };
  const { rnode } = await start();
  const { leaseId } = leader.assign(asked(action()));
  await leader.next("running");
  let isDrained = false;
  const drained = rnode.drain().then(() => {
    isDrained = true;
  });
  await leader.next("draining");
  leader.assign(asked(action({ inputs: { more: "work" } })));
  expect((await leader.next("refused")).reason).toBe("the rnode is draining");
  finish();
  await leader.next("result");
  expect(isDrained).toBe(false);
  leader.acknowledge(leaseId);
  await drained;
  expect(rnode.figures()).toMatchObject({ executed: 1, unacknowledged: 0, isDraining: true });
});
