import { expect, test } from "vitest";
import { Journal } from "../../../src/fulcrum/execution/journal.ts";
import type { OperationRequest } from "../../../src/fulcrum/execution/operation.ts";
import { KernelRandom, NodeFileStreams, NodeFileTree } from "../../../src/platform/index.ts";
import { SILENT_LOG } from "../../../src/ports/index.ts";
import type { farm } from "../../../src/protocol/index.ts";
import { endFarmsAfterEach, leadingFarm } from "../../support/leading.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { scratchDirectory } from "../../support/scratch-directory.ts";
import { success } from "../../support/scripted-rnode.ts";

endFarmsAfterEach();

const held = ({ leaseId, fence, key, actionDigest }: farm.Assign): farm.HeldLease => ({
  leaseId,
  fence,
  key,
  actionDigest,
});

/** A leader whose journal another one goes on with. The first is not stopped: it was killed. */
async function twoLeaders() {
  const scratch = scratchDirectory();
  const directory = `${scratch.path}/leader`;
  const first = await leadingFarm({ directory });
  return {
    first,
    second: () => leadingFarm({ directory, results: first.endpoint.results }, first.endpoint),
    dispose: () => scratch.dispose(),
  };
}

test("a leader that was killed goes on: what ran is finished, what waited is run, and clients find both by name", async () => {
  const { first, second, dispose } = await twoLeaders();
  const worker = await first.rnode("r1");
  const running = first.client.execute(await first.client.action());
  const assign = await worker.next("assign");
  worker.accept(assign);
  const waiting = first.client.execute(await first.client.action());
  const names = await Promise.all([running.name, waiting.name]);
  for (const one of [running, waiting]) {
    one.drop();
    await expect(one.response).rejects.toThrow("dropped");
  }
  worker.close();

  const next = await second();
  const [goesOn, isQueued] = names.map((name) => next.client.wait(name));
  await Promise.all([goesOn?.name, isQueued?.name]);
  const described = await next.client.control.describe({ name: names[1] });
  expect(described.execution?.reason).toBe(
    "pending because the leader was restarted and waits up to 10 s for rnode r1 to say what runs there",
  );
  await worker.connect(next.endpoint.address, { held: [held(assign)] });
  worker.result(assign, success());
  expect(await worker.next("acknowledged")).toEqual({ leaseId: assign.leaseId, counted: true });
  expect((await goesOn?.response)?.result?.executionMetadata?.worker).toBe("r1");
  const second2 = await worker.next("assign");
  expect(second2.fence).toBeGreaterThan(assign.fence);
  worker.result(second2, success());
  expect((await isQueued?.response)?.result?.exitCode).toBe(0);
  dispose();
});

test("a leader waits in vain for an rnode that is gone, and then begins anew", async () => {
  const { first, second, dispose } = await twoLeaders();
  const worker = await first.rnode("r1");
  const running = first.client.execute(await first.client.action());
  await worker.next("assign");
  const name = await running.name;
  running.drop();
  await expect(running.response).rejects.toThrow("dropped");
  worker.close();
  const next = await second();
  const again = next.client.wait(name);
  await again.name;
  const other = await next.rnode("r2");
  expect(other.heard).toEqual([]);
  for (let i = 0; i < 4; i++) {
    await next.endpoint.clock.advance(3_000);
    other.beat();
    await other.next("renewed");
  }
  other.result(await other.next("assign"), success());
  expect((await again.response).result?.executionMetadata?.worker).toBe("r2");
  dispose();
});

test("what was answered is not done again, and a third leader has nothing to do", async () => {
  const { first, second, dispose } = await twoLeaders();
  const worker = await first.rnode("r1");
  const action = await first.client.action();
  const execution = first.client.execute(action);
  worker.result(await worker.next("assign"), success());
  await execution.response;
  const next = await second();
  expect((await next.client.control.list({})).executions).toEqual([]);
  expect((await next.client.execute(action).response).cachedResult).toBe(true);
  dispose();
});

const request = (name: string): OperationRequest =>
  ({ name, instance: "", submission: { historyKey: "k" } }) as unknown as OperationRequest;

function journal(directory: string): Journal {
  const ports = {
    files: new NodeFileTree(),
    streams: new NodeFileStreams(),
    clock: new ManualClock(),
    random: new KernelRandom(),
    log: SILENT_LOG,
  };
  return new Journal(ports, directory);
}

test("a journal counts its starts, keeps what is open, and passes over a line that was cut short", () => {
  const scratch = scratchDirectory();
  const directory = `${scratch.path}/journal`;
  const files = new NodeFileTree();
  const first = journal(directory);
  expect([first.epoch, first.begin()]).toEqual([1, { requests: [], rnodes: [], history: [] }]);
  for (const name of ["a", "b", "c"]) first.submitted(request(name));
  first.assigned("a", "r1");
  first.assigned("b", "r2");
  first.ended("b");
  for (let i = 1; i <= 25; i++) first.took("compile", i * 10);
  const [name] = files
    .readDirectory(directory)
    .map((entry) => entry.name)
    .filter((one) => one.startsWith("journal"));
  const path = `${directory}/${name}`;
  files.writeFile(path, Buffer.concat([files.readFile(path), Buffer.from('{"o":"end","x":"c')]));

  const second = journal(directory);
  const { requests, rnodes, history } = second.begin();
  expect([second.epoch, requests.map((one) => one.name), rnodes]).toEqual([2, ["a", "c"], ["r1"]]);
  expect(history).toEqual([["compile", Array.from({ length: 20 }, (_, i) => (i + 6) * 10)]]);
  expect(files.readDirectory(directory).map((entry) => entry.name)).toEqual(["epoch", "journal-0000002-00000"]);
  scratch.dispose();
});

test("a journal of many answered executions stays small", () => {
  const scratch = scratchDirectory();
  const one = journal(scratch.path);
  one.begin();
  one.submitted(request("stays"));
  for (let i = 0; i < 15_000; i++) {
    one.submitted(request(`${i}`));
    one.ended(`${i}`);
  }
  const files = new NodeFileTree();
  const sizes = files
    .readDirectory(scratch.path)
    .filter(({ name }) => name.startsWith("journal"))
    .map(({ name }) => files.stat(`${scratch.path}/${name}`)?.sizeBytes ?? 0);
  expect(sizes).toHaveLength(1);
  expect(sizes[0]).toBeLessThan(1_000_000);
  expect(
    journal(scratch.path)
      .begin()
      .requests.map(({ name }) => name),
  ).toEqual(["stays"]);
  scratch.dispose();
});
