import { spawnSync } from "node:child_process";
import { mkdirSync, statfsSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { farm } from "../../src/protocol/index.ts";
import { BegatHome } from "../support/begat.ts";
import { FarmClient } from "../support/farm-client.ts";
import { FulcrumProcess, freePort, processesWith, until } from "../support/fulcrum-process.ts";
import { MAY_MOUNT, SmallDisk } from "../support/small-disk.ts";

// Rnodes that come to grief, all at once, since each takes seconds to be noticed: one stopped, one cut off, one with a full
// disk. What they took must be done by another one.
const WHY = MAY_MOUNT ? "" : " (skipped: mounts and network namespaces need root)";
const NETWORK = "begat-farm-test";
const HOST_END = "10.213.77.1";
const FAR_END = "10.213.77.2";

let homes: BegatHome[] = [];
let fulcrums: FulcrumProcess[] = [];
let leader: FulcrumProcess;
let client: FarmClient;
let disk: SmallDisk | undefined;

const ip = (...words: string[]) => spawnSync("ip", words, { encoding: "utf8" });

beforeAll(async () => {
  if (!MAY_MOUNT) return;
  removeNetwork();
  for (const words of [
    ["netns", "add", NETWORK],
    ["link", "add", "begat-host", "type", "veth", "peer", "name", "begat-far", "netns", NETWORK],
    ["addr", "add", `${HOST_END}/30`, "dev", "begat-host"],
    ["link", "set", "begat-host", "up"],
    ["-n", NETWORK, "addr", "add", `${FAR_END}/30`, "dev", "begat-far"],
    ["-n", NETWORK, "link", "set", "begat-far", "up"],
    ["-n", NETWORK, "link", "set", "lo", "up"],
  ]) {
    const { status, stderr } = ip(...words);
    if (status !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr}`);
  }
  const [listen, plain] = await Promise.all([freePort(), freePort()]);
  const home = newHome();
  const where = ["--listen", `${HOST_END}:${listen}`, "--insecure-listen", `127.0.0.1:${plain}`];
  leader = await FulcrumProcess.start(home, ["--leader", "--name", "boss", ...where, "--slots", "0"]);
  fulcrums.push(leader);
  client = await FarmClient.open(leader.ready.insecureListen as string);
}, 60_000);

afterAll(async () => {
  client?.close();
  for (const fulcrum of fulcrums) fulcrum.signal("SIGCONT");
  await Promise.all(fulcrums.map((fulcrum) => fulcrum.kill()));
  disk?.dispose();
  if (MAY_MOUNT) removeNetwork();
  for (const home of homes) home.dispose();
  homes = [];
  fulcrums = [];
});

function removeNetwork(): void {
  ip("netns", "del", NETWORK);
  ip("link", "del", "begat-host");
}

function newHome(): BegatHome {
  const home = new BegatHome();
  homes.push(home);
  return home;
}

async function rnode(
  name: string,
  offers: readonly string[],
  options: { readonly before?: readonly string[]; readonly home?: BegatHome } = {},
): Promise<FulcrumProcess> {
  const { before = [], home = newHome() } = options;
  const token = await (homes[0] as BegatHome).workspace(`token-${name}`).begat(["farm", "token", "--role", "rnode"]);
  const labels = offers.flatMap((offer) => ["--label", `${offer}=yes`]);
  const listen = before.length === 0 ? `127.0.0.1:${await freePort()}` : `${FAR_END}:7301`;
  const to = ["--join", leader.ready.listen, "--token", token.stdout.trim()];
  const fulcrum = await FulcrumProcess.start(
    home,
    ["--name", name, "--listen", listen, ...to, "--slots", "1", ...labels],
    before,
  );
  fulcrums.push(fulcrum);
  return fulcrum;
}

async function statusOf(name: string): Promise<farm.ExecutionStatus | undefined> {
  return (await client.raw.status.get({})).executions.find((execution) => execution.name === name);
}

test.skipIf(!MAY_MOUNT)(
  `what a stopped, a cut off and a full rnode took is done by another one, once and rightly${WHY}`,
  async () => {
    const fullHome = newHome();
    mkdirSync(fullHome.cache, { recursive: true });
    disk = new SmallDisk(fullHome.cache, "12m");
    const [stopped, far] = await Promise.all([
      rnode("stopped", ["stop"]),
      rnode("far", ["cut"], { before: ["ip", "netns", "exec", NETWORK] }),
      rnode("full", ["full"], { home: fullHome }),
    ]);
    disk.fill(100_000);
    expect(statfsSync(fullHome.cache).bavail).toBeLessThan(200);

    const script = (nonce: string) => `sleep ${nonce}; cat in | wc -c > out`;
    const parts = (offer: string) => ({ platform: { [offer]: "yes" }, inputs: { in: "7 bytes" }, outputs: ["out"] });
    const onStopped = await client.sh(script("2.1717"), parts("stop"));
    const onFar = await client.sh(script("2.1718"), parts("cut"));
    for (const asked of [onStopped, onFar]) {
      const name = await asked.name;
      await until(async () => (await statusOf(name))?.startedAt !== undefined);
    }
    stopped.signal("SIGSTOP");
    expect(ip("link", "set", "begat-host", "down").status).toBe(0);
    await rnode("healthy", ["stop", "cut", "full"]);
    // One each for the two that offer it: the full one says what is wrong with it, and its work goes to the other.
    const large = (at: number) => ({ ...parts("full"), inputs: { in: String(at).repeat(1_000_000) } });
    const onFull = await Promise.all([1, 2, 3].map((at) => client.sh(script("0.1719"), large(at))));

    const results = await Promise.all([onStopped, onFar, ...onFull].map(({ response }) => response));
    const ends = results.map(({ status, result }) => [status?.code ?? 0, result?.exitCode]);
    expect(ends).toEqual(results.map(() => [0, 0]));
    expect(new Set(results.map(({ result }) => result?.executionMetadata?.worker))).toEqual(new Set(["healthy"]));
    const { nodes } = await client.raw.status.get({});
    expect(nodes.map(({ name }) => name).sort()).toEqual(["far", "full", "healthy", "stopped"]);

    // Back again, they find that nobody waits for what they have, and work on.
    stopped.signal("SIGCONT");
    expect(ip("link", "set", "begat-host", "up").status).toBe(0);
    await until(async () => {
      const now = (await client.raw.status.get({})).nodes;
      return ["stopped", "far"].every((name) => now.find((node) => node.name === name)?.state === "ready");
    });
    const again = await Promise.all([
      client.sh("echo again > out", { ...parts("stop"), doNotCache: true }),
      client.sh("echo again > out", { ...parts("cut"), doNotCache: true }),
    ]);
    for (const { response } of again) expect((await response).result?.exitCode).toBe(0);
    for (const nonce of ["2.1717", "2.1718", "0.1719"]) expect(processesWith(nonce)).toEqual([]);
    for (const fulcrum of [stopped, far]) expect(fulcrum.child.exitCode).toBeNull();
  },
  120_000,
);
