import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Digest } from "../../src/base/index.ts";
import { statusNumber } from "../../src/fulcrum-client/index.ts";
import { farm, unpackAny } from "../../src/protocol/index.ts";
import { reapiContract } from "../contracts/reapi.contract.ts";
import { BegatHome } from "../support/begat.ts";
import { FarmClient } from "../support/farm-client.ts";
import { FulcrumProcess, freePort, processesWith, until } from "../support/fulcrum-process.ts";

// One farm for all of it: a leader that executes nothing, and two rnodes.
let leaderHome: BegatHome;
let homes: BegatHome[];
let leader: FulcrumProcess;
let rnodes: FulcrumProcess[];
let client: FarmClient;
let leaderArgs: readonly string[];
const OFFER = ["--slots", "2", "--label", "pool=small"];

beforeAll(async () => {
  leaderHome = new BegatHome();
  // In systemd's place: writes down what it is told.
  const told = join(leaderHome.path, "told");
  writeFileSync(join(leaderHome.path, "systemd-notify"), `#!/bin/sh\necho "$@" >> ${told}\n`, { mode: 0o755 });
  leaderHome.env.PATH = `${leaderHome.path}:${process.env.PATH}`;
  leaderHome.env.NOTIFY_SOCKET = join(leaderHome.path, "notify");
  homes = [new BegatHome(), new BegatHome()];
  const [listen, plain, status] = await Promise.all([freePort(), freePort(), freePort()]);
  leaderArgs = ["--leader", "--name", "boss", "--listen", `127.0.0.1:${listen}`, "--slots", "0"];
  leaderArgs = [...leaderArgs, "--insecure-listen", `127.0.0.1:${plain}`, "--status-listen", `127.0.0.1:${status}`];
  leader = await FulcrumProcess.start(leaderHome, leaderArgs);
  rnodes = [];
  for (const [at, home] of homes.entries())
    rnodes.push(await FulcrumProcess.start(home, await joining(`worker-${at}`)));
  client = await FarmClient.open(leader.ready.insecureListen as string);
}, 120_000);

afterAll(async () => {
  client?.close();
  await Promise.all([...(rnodes ?? []), leader].map((one) => one?.kill()));
  for (const home of [leaderHome, ...(homes ?? [])]) home?.dispose();
});

async function joining(name: string): Promise<string[]> {
  const token = await leaderHome.workspace().begat(["farm", "token", "--role", "rnode"]);
  const listen = `127.0.0.1:${await freePort()}`;
  const to = ["--join", leader.ready.listen, "--token", token.stdout.trim()];
  return ["--name", name, "--listen", listen, ...to, ...OFFER];
}

/** What a member needs to serve again: who it is stands in its state home. */
async function again(): Promise<string[]> {
  return ["--listen", `127.0.0.1:${await freePort()}`, ...OFFER];
}

async function page(path: string): Promise<string> {
  const response = await fetch(new URL(path, leader.ready.status));
  expect(response.status).toBe(200);
  return response.text();
}

reapiContract(
  "a farm with rnodes of its own",
  async () => ({ address: leader.ready.insecureListen as string, instance: "" }),
  { execution: true, updates: false },
);

test("executes for a client without a certificate, fetching what the rnode lacks and bringing what it made", async () => {
  const asked = await client.sh("cat in/a.txt in/b.txt > out/both.txt; echo done; echo careful >&2", {
    inputs: { "in/a.txt": "one\n", "in/b.txt": "two\n" },
    outputs: ["out/both.txt"],
  });
  const { result, cachedResult } = await asked.response;
  expect(cachedResult).toBe(false);
  expect(result?.exitCode).toBe(0);
  const [both] = result?.outputFiles ?? [];
  const { reapi: calls } = client.raw;
  expect((await calls.download(calls.readName(both?.digest as Digest))).toString()).toBe("one\ntwo\n");
  expect(result?.executionMetadata?.worker).toMatch(/^worker-[01]$/);
  const auxiliary = result?.executionMetadata?.auxiliaryMetadata ?? [];
  expect(unpackAny(auxiliary, "radix.farm.v1.Travail", farm.Travail)?.body.length).toBeGreaterThan(100);
});

test("shows an operator what runs where and why, and ends it for her", async () => {
  const home = new BegatHome();
  homes.push(home);
  const token = await leaderHome.workspace().begat(["farm", "token", "--role", "operator"]);
  const own = home.workspace();
  await own.begat(["farm", "join", leader.ready.listen, "--token", token.stdout.trim(), "--name", "ada"]);
  const asked = await client.sh("sleep 60");
  const status = async () => JSON.parse((await own.begat(["farm", "status", "--json"])).stdout);
  let report = await status();
  while (report.executions[0]?.state !== "executing") report = await status();
  expect(report).toMatchObject({
    leader: "boss",
    queued: 0,
    executions: [{ rnodes: [expect.stringMatching("worker")] }],
  });
  const { name } = report.executions[0];
  const described = await own.begat(["farm", "describe", name]);
  expect(described.stdout).toMatch(/placed on rnode worker-\d: /);
  expect((await own.begat(["farm", "kill", name, "--reason", "it sleeps"])).stdout).toBe(`ended ${name}\n`);
  const message = "ended by an operator: it sleeps";
  expect((await asked.response).status).toMatchObject({ code: statusNumber("CANCELLED"), message });
  const refused = await leaderHome.workspace().begat(["farm", "kill", name]);
  expect([refused.status === 0, refused.stderr.includes("is no operator of a farm")]).toEqual([false, true]);
});

test("answers the same action from the cache the second time", async () => {
  const again = () => client.sh("echo cached > out", { outputs: ["out"] });
  expect((await (await again()).response).cachedResult).toBe(false);
  expect((await (await again()).response).cachedResult).toBe(true);
});

test("tells the service manager that it is ready", async () => {
  const told = join(leaderHome.path, "told");
  await until(() => existsSync(told));
  expect(readFileSync(told, "utf8")).toBe(`--pid=${leader.pid} READY=1\n`);
});

test("runs no recipe as the owner of the keys, and lets none read them", async () => {
  const script = "id -u; cat $KEYS/keys/rnode.key $KEYS/farm/*/rnode/key.pem 2>&1; ls $KEYS 2>&1; true";
  const asked = await client.sh(script.replaceAll("$KEYS", homes[0]?.state ?? ""));
  const other = await client.sh(script.replaceAll("$KEYS", homes[1]?.state ?? ""));
  for (const { response } of [asked, other]) {
    const text = await client.stdout(await response);
    expect(text).not.toContain("PRIVATE KEY");
    expect(text).toMatch(/cannot access|Permission denied|No such file/);
  }
});

describe("what cannot be", () => {
  test("a property that no rnode offers is refused by name", async () => {
    const { status } = await (await client.sh("true", { platform: { gpu: "8" } })).response;
    expect(status?.code).toBe(statusNumber("FAILED_PRECONDITION"));
    expect(status?.message).toContain("gpu");
  });

  test("a label of the rnodes is understood", async () => {
    const { result } = await (await client.sh("true", { platform: { pool: "small", OSFamily: "linux" } })).response;
    expect(result?.exitCode).toBe(0);
  });

  test("calls without a certificate are refused where one is needed", async () => {
    const { openChannel } = await import("../../src/fulcrum-client/index.ts");
    const channel = await openChannel({ address: leader.ready.insecureListen as string });
    async function* hello(): AsyncGenerator<farm.WorkerMessage> {
      yield { message: { $case: "hello", value: farm.Hello.fromPartial({ name: "eve", bootId: "1", slots: 1 }) } };
    }
    const work = channel.client(farm.LeaseDefinition).work(hello());
    await expect(work.next()).rejects.toMatchObject({ code: "RPC_PERMISSION_DENIED" });
    const enrol = channel.client(farm.EnrolDefinition).authority({});
    await expect(enrol).rejects.toMatchObject({ code: "RPC_UNIMPLEMENTED" });
    channel.close();
  });

  test("a second fulcrum of the same state home", async () => {
    const again = FulcrumProcess.start(leaderHome, ["--leader", "--listen", "127.0.0.1:0"]);
    await expect(again).rejects.toThrow(/serves this state home already/);
  });

  test("a status page that others could read", async () => {
    const home = new BegatHome();
    const exposed = FulcrumProcess.start(home, [
      "--leader",
      "--listen",
      "127.0.0.1:0",
      "--slots",
      "0",
      "--status-listen",
      "0.0.0.0:0",
    ]);
    await expect(exposed).rejects.toThrow(/FULCRUM_STATUS_EXPOSED|not shown at 0\.0\.0\.0/);
    home.dispose();
  });
});

test("tells people and Prometheus what there is", async () => {
  const html = await page("/");
  for (const text of ["worker-0", "worker-1", "pool=small", "leader", "memoir"]) expect(html).toContain(text);
  const metrics = await page("/metrics");
  expect(metrics).toMatch(/^begat_leader_rnodes 2$/m);
  expect(metrics).toMatch(/^begat_leader_slots 4$/m);
  expect(metrics).toMatch(/^begat_leader_results_total\{outcome="executed"\} [1-9]/m);
});

describe("with real faults", () => {
  test("an rnode that is killed: its work is done elsewhere, nothing of it is left, and it says so when it is back", async () => {
    const nonce = "3.0613";
    const asked = await client.sh(`sleep ${nonce}; echo made > out`, { outputs: ["out"] });
    const name = await asked.name;
    const at = Number((await nodeOf(name)).slice(-1));
    await until(() => processesWith(nonce).length > 0);
    await (rnodes[at] as FulcrumProcess).kill("SIGKILL");
    const leases = join(homes[at]?.state ?? "", "fulcrum/leases");
    expect(readdirSync(leases).filter((entry) => entry.endsWith(".lease"))).toHaveLength(1);
    // Its sandbox goes with it: whatever runs from now on belongs to a second attempt.
    await until(() => processesWith(nonce).length === 0);
    rnodes[at] = await FulcrumProcess.start(homes[at] as BegatHome, await again());
    // The rnode says so itself: nobody waits for the lease to end.
    const { result } = await asked.response;
    expect(result?.outputFiles.map(({ path }) => path)).toEqual(["out"]);
    expect(processesWith(nonce)).toEqual([]);
    await until(() => readdirSync(leases).length === 0);
  }, 60_000);

  test("a leader that is killed: the rnode goes on, and the client is told by the leader that follows", async () => {
    const asked = await client.sh("sleep 2; echo made > out", { outputs: ["out"] });
    const name = await asked.name;
    await nodeOf(name);
    await leader.kill("SIGKILL");
    await asked.response.catch(() => {});
    leader = await FulcrumProcess.start(leaderHome, leaderArgs);
    client.close();
    client = await FarmClient.open(leader.ready.insecureListen as string);
    const { result } = await client.raw.wait(name).response;
    expect(result?.exitCode).toBe(0);
    expect(result?.outputFiles.map(({ path }) => path)).toEqual(["out"]);
  }, 60_000);

  test("an rnode that is drained ends what it runs, hands it over and exits 0", async () => {
    const asked = await client.sh("sleep 1; echo drained > out", { outputs: ["out"] });
    const at = Number((await nodeOf(await asked.name)).slice(-1));
    const drained = await (rnodes[at] as FulcrumProcess).kill("SIGTERM");
    expect(drained).toMatchObject({ status: 0, signal: null });
    const { result } = await asked.response;
    expect(result?.executionMetadata?.worker).toBe(`worker-${at}`);
    expect(readdirSync(join(homes[at]?.state ?? "", "fulcrum/leases"))).toEqual([]);
    expect(existsSync(join(homes[at]?.state ?? "", "fulcrum/process.json"))).toBe(false);
    const verified = await (homes[at] as BegatHome).workspace().begat(["ledger", "verify"]);
    expect(verified).toMatchObject({ status: 0, stdout: expect.stringContaining("the ledger holds") });
  }, 60_000);
});

test("an rnode keeps its cache to a size, until its membership is revoked: then it ends, and says why", async () => {
  // The one that was drained, if that test ran; else another has to go first.
  const at = Math.max(
    0,
    rnodes.findIndex(({ child }) => child.exitCode !== null),
  );
  await (rnodes[at] as FulcrumProcess).kill("SIGTERM");
  const home = homes[at] as BegatHome;
  const old = join(home.cache, "cas/00", "0".repeat(62));
  mkdirSync(dirname(old), { recursive: true });
  writeFileSync(old, "long not used");
  utimesSync(old, 1_000_000_000, 1_000_000_000);
  const rnode = await FulcrumProcess.start(home, [...(await again()), "--max-size", "1"]);
  await until(() => !existsSync(old));
  const member = `rnode/${rnode.ready.name}`;
  const revoked = await leaderHome.workspace("revoking").begat(["farm", "revoke", member, "--reason", "test"]);
  expect(revoked.status).toBe(0);
  const { status, stderr } = await rnode.ended;
  expect(status).toBe(1);
  expect(stderr).toContain("was revoked");
}, 60_000);

async function statusOf(name: string): Promise<farm.ExecutionStatus | undefined> {
  return (await client.raw.status.get({})).executions.find((execution) => execution.name === name);
}

/** The rnode it runs on, once it does. */
async function nodeOf(name: string): Promise<string> {
  let node: string | undefined;
  await until(async () => {
    const status = await statusOf(name);
    node = status?.nodes[0];
    return node !== undefined && status?.startedAt !== undefined;
  });
  return node as string;
}
