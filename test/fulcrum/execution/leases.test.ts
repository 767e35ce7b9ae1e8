import { expect, test } from "vitest";
import { executionHints } from "../../../src/fulcrum-client/index.ts";
import { farm, reapi } from "../../../src/protocol/index.ts";
import { endFarmsAfterEach, leadingFarm } from "../../support/leading.ts";
import { statusOfCall } from "../../support/reapi-client.ts";
import { failure, ScriptedRnode, success } from "../../support/scripted-rnode.ts";

endFarmsAfterEach();

type Farm = Awaited<ReturnType<typeof leadingFarm>>;

async function begun(lead: Parameters<typeof leadingFarm>[0] = {}, hello: Parameters<Farm["rnode"]>[1] = {}) {
  const made = await leadingFarm(lead);
  const worker = await made.rnode("r1", hello);
  const execution = made.client.execute(await made.client.action());
  return { ...made, worker, execution, assign: await worker.next("assign") };
}

const held = ({ leaseId, fence, key, actionDigest }: farm.Assign): farm.HeldLease => ({
  leaseId,
  fence,
  key,
  actionDigest,
});

/** Lets time pass while these rnodes say their beats. */
async function pass(endpoint: Farm["endpoint"], ms: number, beating: readonly ScriptedRnode[]): Promise<void> {
  for (let gone = 0; gone < ms; gone += 3_000) {
    await endpoint.clock.advance(Math.min(3_000, ms - gone));
    for (const rnode of beating) rnode.beat();
    for (const rnode of beating) await rnode.next("renewed");
  }
}

test("an rnode is told how long leases live, and which live on", async () => {
  const { endpoint, client } = await leadingFarm();
  const worker = new ScriptedRnode("r1");
  const { leaderBoot, ...welcome } = await worker.connect(endpoint.address);
  expect(welcome).toEqual({ leaseMs: 15_000, heartbeatMs: 3_000, resultBlobBytes: 65_536 });
  expect(leaderBoot).toMatch(/^[0-9a-f]{16}$/);
  const execution = client.execute(await client.action());
  const assign = await worker.next("assign");
  expect(assign).toMatchObject({ heard: 0, hedge: false, probe: false, context: { log: "ledger.test", attempt: 1 } });
  worker.beat();
  expect(await worker.next("renewed")).toEqual({ sequence: 1, leases: [assign.leaseId] });
  worker.beat(["L999"]);
  expect(await worker.next("cancel")).toEqual({ leaseId: "L999", reason: "stale" });
  expect(await worker.next("renewed")).toEqual({ sequence: 2, leases: [] });
  worker.result(assign, success());
  await execution.response;
  worker.close();
});

test("a result that comes twice counts once and is acknowledged twice", async () => {
  const { worker, execution, assign, client } = await begun();
  worker.result(assign, success());
  worker.result(assign, success());
  for (let i = 0; i < 2; i++)
    expect(await worker.next("acknowledged")).toEqual({ leaseId: assign.leaseId, counted: true });
  expect((await execution.response).result?.exitCode).toBe(0);
  const { decisions } = await client.control.describe({ name: await execution.name });
  expect(decisions.filter(({ text }) => text.includes("counts"))).toHaveLength(1);
});

test("a result that comes before its own acceptance counts", async () => {
  const { worker, execution, assign } = await begun();
  worker.result(assign, success());
  worker.accept(assign);
  expect((await execution.response).result?.exitCode).toBe(0);
});

test("a result under another fence counts for nothing", async () => {
  const { worker, execution, assign } = await begun();
  worker.result({ ...assign, fence: assign.fence - 1 }, success());
  expect(await worker.next("acknowledged")).toEqual({ leaseId: assign.leaseId, counted: false });
  worker.result(assign, success());
  expect((await execution.response).result?.exitCode).toBe(0);
});

test("an assignment that was lost on the way is sent again, under the same lease", async () => {
  const { worker, execution, assign, endpoint } = await begun();
  await endpoint.clock.advance(3_500);
  worker.beat([]);
  expect(await worker.next("assign")).toMatchObject({ leaseId: assign.leaseId, fence: assign.fence });
  worker.result(assign, success());
  expect((await execution.response).result?.exitCode).toBe(0);
});

test("an rnode that comes back with what it holds goes on with it", async () => {
  const { worker, execution, assign, endpoint } = await begun();
  worker.accept(assign);
  worker.close();
  await worker.connect(endpoint.address, { held: [held(assign)] });
  worker.result(assign, success());
  expect(await worker.next("acknowledged")).toMatchObject({ counted: true });
  expect((await execution.response).result?.exitCode).toBe(0);
  expect(worker.heard.filter(({ $case }) => $case === "assign")).toEqual([]);
});

test("an rnode that comes back without it gets it again", async () => {
  const { worker, execution, assign, endpoint } = await begun();
  worker.close();
  await worker.connect(endpoint.address);
  const again = await worker.next("assign");
  expect(again.fence).toBeGreaterThan(assign.fence);
  worker.result(again, success());
  expect((await execution.response).result?.exitCode).toBe(0);
});

test("a second stream of an rnode replaces the first, whose end is then no news", async () => {
  const { worker, execution, endpoint, assign } = await begun();
  const other = new ScriptedRnode("r1");
  await other.connect(endpoint.address, { held: [held(assign)] });
  worker.close();
  other.result(assign, success());
  expect((await execution.response).result?.exitCode).toBe(0);
  other.close();
});

test("what a silent rnode holds is begun elsewhere too, and the first result wins", async () => {
  const { worker, execution, assign, endpoint, rnode } = await begun();
  worker.accept(assign);
  const other = await rnode("r2");
  await pass(endpoint, 9_500, [other]);
  const again = await other.next("assign");
  expect([again.key, again.fence > assign.fence]).toEqual([assign.key, true]);
  other.result(again, success());
  expect((await execution.response).result?.executionMetadata?.worker).toBe("r2");
  expect(await worker.next("cancel")).toEqual({ leaseId: assign.leaseId, reason: "superseded" });
  // Too late, and only compared.
  worker.result(assign, success());
  expect(await worker.next("acknowledged")).toEqual({ leaseId: assign.leaseId, counted: false });
});

test("what must not run twice waits until a lost rnode must have stopped it", async () => {
  const { client, rnode, endpoint } = await leadingFarm();
  const [worker, other] = [await rnode("r1"), await rnode("r2")];
  const execution = client.execute(await client.action({ doNotCache: true }));
  const assign = await worker.next("assign");
  worker.accept(assign);
  worker.close();
  await pass(endpoint, 12_000, [other]);
  expect(other.heard.filter(({ $case }) => $case === "assign")).toEqual([]);
  await pass(endpoint, 6_000, [other]);
  other.result(await other.next("assign"), success());
  expect((await execution.response).result?.executionMetadata?.worker).toBe("r2");
});

test("a draining rnode ends what it has and gets no more", async () => {
  const { client, worker, execution, assign } = await begun({}, { slots: 2 });
  worker.accept(assign);
  worker.say({ $case: "draining", value: {} });
  while ((await client.status.get({})).nodes[0]?.state !== "draining");
  const second = client.execute(await client.action());
  const described = await client.control.describe({ name: await second.name });
  expect(described.execution?.reason).toBe("pending because rnode r1 takes no more work: draining");
  worker.result(assign, success());
  expect((await execution.response).result?.exitCode).toBe(0);
  expect(worker.heard.filter(({ $case }) => $case === "assign")).toEqual([]);
  second.drop();
  await expect(second.response).rejects.toThrow();
});

test("an rnode that fails again and again gets only a probe, after a while", async () => {
  const { client, rnode, endpoint } = await leadingFarm();
  const worker = await rnode("r1");
  const execution = client.execute(await client.action());
  for (const waitMs of [1_000, 4_000, 0]) {
    const assign = await worker.next("assign");
    await endpoint.clock.advance(100);
    worker.result(assign, failure(8, "no space left"));
    if (waitMs === 0) continue;
    const again = `pending because it failed on rnode r1; there again in ${waitMs / 1000} s`;
    const { name } = execution;
    while ((await client.control.describe({ name: await name })).execution?.reason !== again);
    await pass(endpoint, waitMs, [worker]);
  }
  expect((await execution.response).status?.code).toBe(13);
  const second = client.execute(await client.action());
  const described = await client.control.describe({ name: await second.name });
  expect(described.execution?.reason).toBe("pending because rnode r1 failed too often; next probe in 30 s");
  await pass(endpoint, 31_000, [worker]);
  const probe = await worker.next("assign");
  expect(probe.probe).toBe(true);
  worker.result(probe, success());
  expect((await second.response).result?.exitCode).toBe(0);
  expect((await client.status.get({})).nodes[0]?.state).toBe("ready");
});

test("what takes longer than it ever did is begun a second time on an idle rnode, and the second may win", async () => {
  const { client, rnode, endpoint } = await leadingFarm();
  const [slow, idle] = [await rnode("r1"), await rnode("r2")];
  const hints = executionHints(farm.ExecutionHints.fromPartial({ expected: { seconds: 10, nanos: 0 } }));
  const execution = client.execute(await client.action(), {}, { metadata: hints });
  const assign = await slow.next("assign");
  slow.accept(assign);
  while (execution.stages.at(-1) !== reapi.ExecutionStage_Value.EXECUTING) await new Promise(setImmediate);
  await pass(endpoint, 14_900, [slow, idle]);
  expect(idle.heard.filter(({ $case }) => $case === "assign")).toEqual([]);
  await pass(endpoint, 300, [slow, idle]);
  const hedge = await idle.next("assign");
  expect([hedge.hedge, hedge.key, slow.heard.length]).toEqual([true, assign.key, 0]);
  idle.result(hedge, success());
  expect((await execution.response).result?.executionMetadata?.worker).toBe("r2");
  expect(await slow.next("cancel")).toEqual({ leaseId: assign.leaseId, reason: "superseded" });
  const { decisions } = await client.control.describe({ name: await execution.name });
  expect(decisions.map(({ text }) => text).join("\n")).toContain("begun on rnode r2 as well, since it takes long");
});

test("an rnode that is not made for a chore is spared it, and not blamed", async () => {
  const { client, rnode, endpoint } = await leadingFarm();
  const [unfit, fit] = [await rnode("r1", { slots: 2 }), await rnode("r2")];
  for (let i = 0; i < 4; i++) {
    await endpoint.clock.advance(100);
    const execution = client.execute(await client.action());
    const { leaseId, fence } = await unfit.next("assign");
    unfit.say({ $case: "refused", value: { leaseId, fence, reason: "other tools", unfit: true } });
    fit.result(await fit.next("assign"), success());
    await execution.response;
  }
  expect((await client.status.get({})).nodes.map(({ state }) => state)).toEqual(["ready", "ready"]);
});

test("what no rnode is made for ends with what each of them says, at once", async () => {
  const { client, rnode } = await leadingFarm();
  const workers = [await rnode("r1"), await rnode("r2")];
  const execution = client.execute(await client.action());
  for (const worker of workers) {
    const { leaseId, fence } = await worker.next("assign");
    worker.say({ $case: "refused", value: { leaseId, fence, reason: "other tools", unfit: true } });
  }
  const { status } = await execution.response;
  expect([status?.code, status?.message]).toEqual([13, "no rnode can run it: r1: other tools; r2: other tools"]);
});

test("an rnode is told of memberships that are over: those it has not heard of, then each within a heartbeat", async () => {
  const list = ["one", "two"].map((text) => Buffer.from(text));
  const documents = (from: number) => ({ count: list.length, documents: list.slice(from) });
  const { rnode } = await leadingFarm({ revocations: { documents } });
  const worker = await rnode("r1", { revocations: 1 });
  expect((await worker.next("revoked")).documents.map(String)).toEqual(["two"]);
  worker.beat();
  await worker.next("renewed");
  list.push(Buffer.from("three"));
  worker.beat();
  expect((await worker.next("revoked")).documents.map(String)).toEqual(["three"]);
});

test("an rnode that refuses what it was given is asked again after a while, and the chore has lost nothing", async () => {
  const { client, worker, execution, assign, endpoint } = await begun();
  let refused = assign;
  for (let i = 0; i < 3; i++) {
    const { leaseId, fence } = refused;
    worker.say({ $case: "refused", value: { leaseId, fence, reason: "its slot is taken", unfit: false } });
    const again =
      i < 2
        ? "rnode r1 refused what was assigned; asked again in 1 s"
        : "rnode r1 failed too often; next probe in 30 s";
    const name = await execution.name;
    while ((await client.control.describe({ name })).execution?.reason !== `pending because ${again}`);
    await pass(endpoint, i < 2 ? 1_000 : 31_000, [worker]);
    refused = await worker.next("assign");
  }
  expect(refused.probe).toBe(true);
  worker.result(refused, success());
  expect((await execution.response).result?.exitCode).toBe(0);
});

const refused: readonly (readonly [what: string, hello: Parameters<ScriptedRnode["connect"]>[1], status: string])[] = [
  ["no name", { name: "" }, "INVALID_ARGUMENT"],
  ["no boot", { bootId: "" }, "INVALID_ARGUMENT"],
  ["no slots", { slots: 0 }, "INVALID_ARGUMENT"],
  ["another's name", { name: "somebody" }, "PERMISSION_DENIED"],
];
test.each(refused)("an rnode with %s is not let in", async (_what, hello, status) => {
  const trust = () => ({ nameOf: () => "r1", belief: () => ({ holds: false, because: "" }) as const });
  const { endpoint } = await leadingFarm({ trust });
  const worker = new ScriptedRnode("r1");
  expect(await statusOfCall(worker.refusal(endpoint.address, hello))).toBe(status);
});
