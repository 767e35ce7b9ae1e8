import { expect, test } from "vitest";
import { digestOf } from "../../../src/base/index.ts";
import { executionHints, requestMetadata } from "../../../src/fulcrum-client/index.ts";
import { durationOf, farm, packAny, reapi, rpc, unpackAny } from "../../../src/protocol/index.ts";
import type { ExecutionClient } from "../../support/execution-client.ts";
import { endFarmsAfterEach, leadingFarm } from "../../support/leading.ts";
import { statusOfCall } from "../../support/reapi-client.ts";
import { failure, success } from "../../support/scripted-rnode.ts";

endFarmsAfterEach();

const { QUEUED, EXECUTING, COMPLETED } = reapi.ExecutionStage_Value;
const SAID = new TextEncoder();

/** In the order they are assigned to a rnode of one slot. */
async function orderOf(
  { client, rnode }: Awaited<ReturnType<typeof leadingFarm>>,
  asked: readonly {
    readonly word: string;
    readonly hints?: Partial<farm.ExecutionHints>;
    readonly priority?: number;
  }[],
): Promise<string[]> {
  const words = new Map<string, string>();
  const responses: Promise<unknown>[] = [];
  for (const { word, hints, priority = 0 } of asked) {
    const action = await client.action();
    words.set(action.hash, word);
    const metadata = hints === undefined ? {} : executionHints(farm.ExecutionHints.fromPartial(hints));
    const execution = client.execute(action, { executionPolicy: { priority } }, { metadata });
    await execution.name;
    responses.push(execution.response);
  }
  const worker = await rnode("r1");
  const order: string[] = [];
  for (const _ of asked) {
    const assign = await worker.next("assign");
    order.push(words.get(assign.actionDigest?.hash ?? "") ?? "?");
    worker.result(assign, success());
  }
  await Promise.all(responses);
  return order;
}

test("an execution goes from the queue to an rnode to its result", async () => {
  const { client, rnode, endpoint } = await leadingFarm();
  const execution = client.execute(await client.action({ outputs: ["out"] }));
  const name = await execution.name;
  expect(name).toMatch(/^executions\/[0-9a-f]{40}$/);
  const waiting = await client.control.describe({ name });
  expect(waiting.execution).toMatchObject({
    state: "queued",
    reason: "pending because no rnode is connected",
    attempt: 1,
  });
  const worker = await rnode("r1");
  const assign = await worker.next("assign");
  worker.accept(assign);
  while (execution.stages.at(-1) !== EXECUTING) await new Promise(setImmediate);
  const stats = { ...farm.ExecutionStats.create(), cpu: durationOf(2_340), peakMemoryBytes: 45 * 2 ** 20 };
  worker.result(assign, { ...success({ out: endpoint.store.write(SAID.encode("made")) }), stats });
  const response = await execution.response;
  expect(response).toMatchObject({ cachedResult: false, status: undefined });
  expect(response.result?.executionMetadata?.worker).toBe("r1");
  expect(execution.stages).toEqual([QUEUED, EXECUTING, COMPLETED]);
  expect((await client.control.describe({ name })).decisions.map(({ text }) => text)).toEqual([
    "pending because no rnode is connected",
    "placed on rnode r1: no other rnode had a free slot; 0 of 0 input bytes are missing there",
    "the result of rnode r1 counts: 2.34 s of processor time, 45 MiB of memory at most",
  ]);
});

test("a chore brings its blobs along, its rnode gets them with the assignment, and outputs come with the result", async () => {
  const { client, rnode, endpoint } = await leadingFarm();
  const text = Buffer.from("the source");
  const directory = reapi.Directory.encode(
    reapi.Directory.fromPartial({ files: [{ name: "a", digest: digestOf(text) }] }),
  ).finish();
  const command = reapi.Command.encode(
    reapi.Command.fromPartial({ arguments: ["make"], outputPaths: ["out"] }),
  ).finish();
  const action = reapi.Action.encode(
    reapi.Action.fromPartial({ commandDigest: digestOf(command), inputRootDigest: digestOf(directory) }),
  ).finish();
  const chore = (blobs: Uint8Array[]) =>
    client.chore({ execute: { actionDigest: digestOf(action), inlineOutputFiles: ["out"] }, blobs });
  const early = await chore([action, command, directory]).response;
  const missing = unpackAny(early.status?.details ?? [], "google.rpc.PreconditionFailure", rpc.PreconditionFailure);
  expect(missing?.violations.map(({ subject }) => subject)).toEqual([`blobs/${digestOf(text).hash}/10`]);

  const worker = await rnode("r1");
  const asked = chore([text]);
  const assign = await worker.next("assign");
  expect(assign.blobs.map((bytes) => digestOf(bytes).hash)).toEqual(
    [action, command, directory, text].map((bytes) => digestOf(bytes).hash),
  );
  const made = Buffer.from("made elsewhere");
  worker.result(assign, { ...success({ out: digestOf(made) }), blobs: [Buffer.from("made otherwise")] });
  // Other bytes than those that are named are other blobs: the result has none of its outputs.
  expect((await client.control.describe({ name: await asked.name })).decisions.at(-1)?.text).toContain("queued again");
  const other = await rnode("r2");
  worker.close();
  other.result(await other.next("assign"), { ...success({ out: digestOf(made) }), blobs: [made] });
  const { result } = await asked.response;
  expect(result?.outputFiles.map(({ contents }) => String(contents))).toEqual(["made elsewhere"]);
  expect(endpoint.store.read(digestOf(made)).toString()).toBe("made elsewhere");
});

test("equal actions in flight are executed once, and for everybody", async () => {
  const { client, rnode } = await leadingFarm();
  const action = await client.action();
  const both = [client.execute(action), client.execute(action)];
  const [first, second] = await Promise.all(both.map(({ name }) => name));
  expect(first).not.toBe(second);
  const worker = await rnode("r1", { slots: 4 });
  worker.result(await worker.next("assign"), success());
  const responses = await Promise.all(both.map(({ response }) => response));
  expect(responses.map(({ cachedResult }) => cachedResult)).toEqual([false, false]);
  expect(worker.heard.filter(({ $case }) => $case === "assign")).toEqual([]);
  expect((await client.execute(action).response).cachedResult).toBe(true);
});

test("an action that must not be cached is neither joined nor kept", async () => {
  const { client, rnode } = await leadingFarm();
  const action = await client.action({ doNotCache: true });
  const both = [client.execute(action), client.execute(action)];
  const worker = await rnode("r1", { slots: 4 });
  for (let i = 0; i < 2; i++) worker.result(await worker.next("assign"), success());
  await Promise.all(both.map(({ response }) => response));
  const again = client.execute(action);
  worker.result(await worker.next("assign"), success());
  expect((await again.response).cachedResult).toBe(false);
});

test("a stream that breaks ends nothing: who asks by name goes on", async () => {
  const { client, rnode } = await leadingFarm();
  const execution = client.execute(await client.action());
  const name = await execution.name;
  execution.drop();
  await expect(execution.response).rejects.toThrow("dropped");
  const worker = await rnode("r1");
  const assign = await worker.next("assign");
  const again = client.wait(name);
  await again.name;
  worker.result(assign, success());
  expect((await again.response).result?.exitCode).toBe(0);
  // And also when it has ended.
  expect((await client.wait(name).response).result?.exitCode).toBe(0);
});

test("what nobody asks for any more is ended after a while", async () => {
  const { client, rnode, endpoint } = await leadingFarm();
  const worker = await rnode("r1");
  const execution = client.execute(await client.action());
  const name = await execution.name;
  const assign = await worker.next("assign");
  execution.drop();
  await expect(execution.response).rejects.toThrow("dropped");
  const isCancelled = () => worker.heard.some(({ $case }) => $case === "cancel");
  for (let i = 0; i < 60 && !isCancelled(); i++) {
    worker.beat();
    await worker.next("renewed");
    await endpoint.clock.advance(3_000);
  }
  expect(await worker.next("cancel")).toEqual({ leaseId: assign.leaseId, reason: "not-wanted" });
  expect((await client.wait(name).response).status).toMatchObject({
    code: 10,
    message: "nobody waited for it any more",
  });
});

test("what its client says it wants no more is ended at once, unless somebody else waits for it", async () => {
  const { client, rnode } = await leadingFarm();
  const worker = await rnode("r1");
  const execution = client.execute(await client.action());
  const other = client.wait(await execution.name);
  const name = await execution.name;
  const assign = await worker.next("assign");
  expect(await other.name).toBe(name);
  await client.control.leave({ name });
  execution.drop();
  await expect(execution.response).rejects.toThrow("dropped");
  worker.beat();
  expect((await worker.next("renewed")).leases).toEqual([assign.leaseId]);
  other.drop();
  await expect(other.response).rejects.toThrow("dropped");
  expect(await worker.next("cancel")).toEqual({ leaseId: assign.leaseId, reason: "not-wanted" });
});

test("an answer is forgotten after five minutes", async () => {
  const { client, rnode, endpoint } = await leadingFarm();
  const worker = await rnode("r1");
  const execution = client.execute(await client.action());
  worker.result(await worker.next("assign"), success());
  await execution.response;
  endpoint.clock.tick(5 * 60_000 + 1);
  const later = client.execute(await client.action());
  worker.beat();
  worker.result(await worker.next("assign"), success());
  await later.response;
  expect(await statusOfCall(client.wait(await execution.name).response)).toBe("NOT_FOUND");
});

test("interactive goes before CI, which goes before background, by priority or by hint", async () => {
  const order = await orderOf(await leadingFarm(), [
    { word: "background", priority: 1 },
    { word: "ci" },
    { word: "interactive", priority: -1 },
    { word: "hinted", priority: 1, hints: { priorityClass: "interactive" } },
  ]);
  expect(order).toEqual(["interactive", "hinted", "ci", "background"]);
});

test("of one build the longest way to its end goes first", async () => {
  const metadata = requestMetadata(reapi.RequestMetadata.fromPartial({ toolInvocationId: "b" }));
  const { client, rnode } = await leadingFarm();
  const byRank = new Map<string, number>();
  const responses: Promise<unknown>[] = [];
  for (const seconds of [5, 50, 20]) {
    const action = await client.action();
    byRank.set(action.hash, seconds);
    const hints = executionHints(farm.ExecutionHints.fromPartial({ rank: { seconds, nanos: 0 } }));
    const execution = client.execute(action, {}, { metadata: { ...metadata, ...hints } });
    await execution.name;
    responses.push(execution.response);
  }
  const worker = await rnode("r1");
  const order: (number | undefined)[] = [];
  for (let i = 0; i < 3; i++) {
    const assign = await worker.next("assign");
    order.push(byRank.get(assign.actionDigest?.hash ?? ""));
    worker.result(assign, success());
  }
  expect(order).toEqual([50, 20, 5]);
  await Promise.all(responses);
});

const platform = (...properties: [string, string][]) => ({
  platform: { properties: properties.map(([name, value]) => ({ name, value })) },
});

test("a property nobody knows is refused by its name, with those that are known", async () => {
  const { client, rnode } = await leadingFarm();
  await rnode("r1", { labels: { gpu: "none", pool: "a" } });
  const { status } = await client.execute(await client.action(platform(["pol", "a"]))).response;
  expect(status).toMatchObject({
    code: 9,
    message: "platform property pol=a means nothing here; known are container-image, gpu, pool",
  });
  const failed = unpackAny(status?.details ?? [], "google.rpc.PreconditionFailure", rpc.PreconditionFailure);
  expect(failed?.violations.map(({ type, subject }) => [type, subject])).toEqual([["PLATFORM_PROPERTY", "pol"]]);
});

test("labels and images choose the rnode, and what waits for them says so", async () => {
  const { client, rnode } = await leadingFarm();
  const [a, b] = [
    await rnode("a", { labels: { pool: "a" } }),
    await rnode("b", { labels: { pool: "b" }, anyImage: false, images: ["sha256:1"] }),
  ];
  const inB = client.execute(await client.action(platform(["pool", "b"])));
  const assign = await b.next("assign");
  const elsewhere = client.execute(await client.action(platform(["pool", "b"], ["container-image", "sha256:2"])));
  const described = await client.control.describe({ name: await elsewhere.name });
  expect(described.execution?.reason).toBe("pending because no single rnode has all of pool=b, image sha256:2");
  b.result(assign, success());
  await inB.response;
  expect(a.heard.filter(({ $case }) => $case === "assign")).toEqual([]);
});

test("a failure of an rnode is no answer: another one does it, and the record says why", async () => {
  const { client, rnode } = await leadingFarm();
  const broken = await rnode("broken");
  const sound = await rnode("sound");
  const execution = client.execute(await client.action());
  broken.result(await broken.next("assign"), failure(8, "no space left"));
  sound.result(await sound.next("assign"), success());
  expect((await execution.response).result?.executionMetadata?.worker).toBe("sound");
  const { decisions } = await client.control.describe({ name: await execution.name });
  expect(decisions.map(({ text }) => text)).toContain(
    "queued again, keeping its place, after rnode broken: no space left",
  );
});

test("one that fails everywhere is given up with all that was tried", async () => {
  const { client, rnode, endpoint } = await leadingFarm();
  const broken = await rnode("broken");
  const execution = client.execute(await client.action());
  for (let i = 0; i < 3; i++) {
    broken.result(await broken.next("assign"), failure(8, `disk ${i} is full`));
    await broken.next("acknowledged");
    await endpoint.clock.advance(4_000);
  }
  expect((await execution.response).status).toMatchObject({
    code: 13,
    message:
      "given up after 3 attempts that never came to a result: broken: disk 0 is full; broken: disk 1 is full; broken: disk 2 is full",
  });
});

const missing = (...subjects: string[]) => ({
  code: 9,
  message: "inputs are gone",
  details: [
    packAny("google.rpc.PreconditionFailure", rpc.PreconditionFailure, {
      violations: subjects.map((subject) => ({ type: "MISSING", subject, description: "" })),
    }),
  ],
});

test("inputs that are gone when an rnode wants them are named to the client", async () => {
  const { client, rnode } = await leadingFarm();
  const worker = await rnode("r1");
  const execution = client.execute(await client.action());
  const subject = `blobs/${digestOf("gone").hash}/4`;
  worker.result(await worker.next("assign"), { status: missing(subject) });
  const { status } = await execution.response;
  const failed = unpackAny(status?.details ?? [], "google.rpc.PreconditionFailure", rpc.PreconditionFailure);
  expect([status?.code, failed?.violations]).toEqual([9, [{ type: "MISSING", subject, description: "" }]]);
});

test("an rnode that misses what the store has is at fault itself", async () => {
  const { client, rnode, endpoint } = await leadingFarm();
  const worker = await rnode("r1");
  const there = await client.reapi.upload("there");
  const execution = client.execute(await client.action());
  worker.result(await worker.next("assign"), { status: missing(`blobs/${there.hash}/5`) });
  await worker.next("acknowledged");
  await endpoint.clock.advance(1_000);
  worker.result(await worker.next("assign"), success());
  expect((await execution.response).result?.exitCode).toBe(0);
});

test("an operator ends an execution, and the rnode stops it", async () => {
  const { client, rnode } = await leadingFarm();
  const worker = await rnode("r1");
  const execution = client.execute(await client.action());
  const assign = await worker.next("assign");
  const name = await execution.name;
  expect((await client.control.list({})).executions.map(({ name: one, nodes }) => [one, nodes])).toEqual([
    [name, ["r1"]],
  ]);
  expect(await client.control.kill({ name, reason: "it mines coins" })).toEqual({ killed: true });
  expect((await execution.response).status).toMatchObject({ code: 1, message: "ended by an operator: it mines coins" });
  expect(await worker.next("cancel")).toEqual({ leaseId: assign.leaseId, reason: "not-wanted" });
  expect(await client.control.kill({ name, reason: "" })).toEqual({ killed: false });
  expect(await statusOfCall(client.control.kill({ name: "executions/none", reason: "" }))).toBe("NOT_FOUND");
  expect((await client.control.list({})).executions).toEqual([]);
});

test("status, resources and figures say what there is", async () => {
  const { client, rnode, endpoint } = await leadingFarm();
  const watch = client.status.watch({});
  expect((await watch.next()).value).toMatchObject({ leader: "leader", nodes: [], queued: 0 });
  await rnode("r1", { slots: 2, labels: { os: "linux" }, executor: "bubblewrap", version: "1.2" });
  await endpoint.clock.advance(1_000);
  expect((await watch.next()).value).toMatchObject({
    nodes: [{ name: "r1", state: "ready", slots: 2, busy: 0, executor: "bubblewrap", version: "1.2" }],
  });
  await watch.return();
  for (let i = 0; i < 3; i++) await client.execute(await client.action()).name;
  expect(await client.status.get({})).toMatchObject({ queued: 1, nodes: [{ busy: 2 }] });
  const resources = client.reapi.channel.client(farm.ResourcesDefinition);
  expect(await resources.get({})).toEqual({ slots: 2, busy: 2, labels: { "os=linux": 1 } });
  expect(endpoint.leader?.figures()).toMatchObject({ submitted: 3, queued: 1, executing: 2, rnodes: 1, slots: 2 });
});

const invalid: readonly (readonly [what: string, make: (client: ExecutionClient) => Promise<reapi.Command>])[] = [
  ["no words", async () => reapi.Command.fromPartial({ arguments: [] })],
  ["an absolute output", async () => reapi.Command.fromPartial({ arguments: ["x"], outputPaths: ["/etc/passwd"] })],
  ["an output outside", async () => reapi.Command.fromPartial({ arguments: ["x"], outputPaths: ["a/../../b"] })],
  ["a directory outside", async () => reapi.Command.fromPartial({ arguments: ["x"], workingDirectory: ".." })],
];
test.each(invalid)("a command with %s is refused at once", async (_what, make) => {
  const { client } = await leadingFarm();
  const commandDigest = await client.reapi.upload(reapi.Command.encode(await make(client)).finish());
  const action = await client.action({ commandDigest });
  expect(await statusOfCall(client.execute(action).response)).toBe("INVALID_ARGUMENT");
});
