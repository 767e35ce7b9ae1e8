// What a farm costs its clients: large blobs, and a build of small chores over two rnodes on the loopback.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundleEntry } from "./bundles.mjs";
import { JOBS } from "./contestants.mjs";
import { takeTurns } from "./samples.mjs";
import { independent } from "./workloads.mjs";

const PATH = "/usr/local/bin:/usr/bin:/bin";
const env = { PATH };
/** Words before Node's: as the launcher starts a fulcrum. */
const START = ["sh", fileURLToPath(new URL("../packaging/start-fulcrum", import.meta.url))];

/** A fulcrum that has had nothing to do for so long is idle. */
const IDLE_MS = 5000;
/** Of /proc's processor times; the same on every Linux. */
const TICK_MS = 10;

/** What those processes take beside the time of a build, each as `[name, measure, unit, figure, most]`. */
const FARM_FIGURES = [
  ["farm-client-cpu", "N x cp, all on the rnodes, CPU of the client for each", "ms", ({ cpu }) => cpu.client],
  ["farm-leader-cpu", "the same, CPU of the leader", "ms", ({ cpu }) => cpu.leader],
  ["farm-rnode-cpu", "the same, CPU of the rnode, its recipe left out", "ms", ({ cpu }) => cpu.rnodes],
  ["fulcrum-leader-fresh", "a fulcrum that leads, its RSS, fresh", "MB", ({ fresh }) => fresh.leader.rssMB, 90],
  ["fulcrum-rnode-fresh", "an rnode's, fresh", "MB", ({ fresh }) => fresh.one.rssMB, 90],
  ["fulcrum-leader-idle", "the leader's, idle after all these builds", "MB", ({ after }) => after.leader.rssMB, 90],
  ["fulcrum-rnode-idle", "the rnode's, idle after them", "MB", ({ after }) => after.one.rssMB, 90],
];

export const farmMeasures = [
  {
    name: "stream-blob",
    rows: ["stream-write", "stream-read", "stream-memory"],
    async run(arena) {
      const megabytes = arena.size(1000, 4);
      const command = [...START, ...(await bundleEntry("stream-blob"))];
      const runs = [];
      takeTurns(arena.rounds(3), [
        () => {
          const words = [...command, arena.folder(), `${megabytes}`, "8"];
          runs.push(JSON.parse(arena.processes.run(words, { directory: arena.folder(), env }).output));
          return 0;
        },
      ]);
      const row = (name, measure, unit, begat, goal) => ({ name, measure, unit, begat, peerName: "", goal });
      const perSecond = (figure) => runs.map((run) => run.sizeBytes / 1e3 / figure(run));
      const peak = runs.map(({ client, server }) => Math.max(client.peakKib, server.peakKib) / 1024);
      const blob = `a blob of ${megabytes} MB through ByteStream`;
      return [
        row(
          "stream-write",
          `${blob}, written, MB a second`,
          "rate",
          perSecond((run) => run.writeMs),
          { least: 300 },
        ),
        row(
          "stream-read",
          `${blob}, read, MB a second`,
          "rate",
          perSecond((run) => run.readMs),
          { least: 300 },
        ),
        row("stream-memory", `${blob}, peak RSS of either side`, "MB", peak, { most: 150 }),
      ];
    },
  },
  {
    name: "farm-1000",
    rows: ["farm-throughput", ...FARM_FIGURES.map(([name]) => name)],
    async run(arena) {
      const count = arena.size(1000, 20);
      const farm = await Farm.start(arena);
      const fresh = farm.used();
      try {
        return await arena.contest(
          (folder) => independent(folder, count),
          async (begat, _ninja, { chores, renew }) => {
            let builds = 0;
            /** The farm remembers what it made in the round before. */
            const forget = () => {
              begat.forget();
              renew(++builds);
            };
            const alone = () => {
              forget();
              return ended(begat.build("usual"), chores);
            };
            const together = () => {
              forget();
              farm.join(begat);
              return ended(begat.build("usual", "--farm", "joined"), chores);
            };
            const [without, withFarm] = takeTurns(arena.rounds(3), [alone, together]);
            const apart = async () => {
              forget();
              farm.join(begat);
              const before = farm.used();
              const built = begat.build("usual", "--farm", "joined", "-j0");
              ended(built, chores);
              const after = farm.used();
              const each = (name) => (after[name].cpuMs - before[name].cpuMs) / chores;
              await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
              return { client: built.cpuMs / chores, leader: each("leader"), rnodes: each("one") + each("two") };
            };
            const cpu = fresh === undefined ? undefined : await apart();
            const after = farm.used();
            return [
              {
                name: "farm-throughput",
                measure: `cold, ${count} x cp, two rnodes on this machine, time by that without a farm`,
                unit: "ms",
                begat: withFarm,
                peer: without,
                peerName: "no farm",
                goal: { ratio: 1.25 },
              },
              ...FARM_FIGURES.map(([name, measure, unit, figure, most]) => ({
                name,
                measure: measure.replace("N", count),
                unit,
                begat: cpu && [figure({ cpu, fresh, after })],
                peerName: "",
                ...(most === undefined ? {} : { goal: { most } }),
                skipped: cpu ? undefined : "what a process uses is read from /proc",
              })),
            ];
          },
        );
      } finally {
        await farm.stop();
      }
    },
  },
];

function ended({ wallMs, counts }, chores) {
  const { executed, last } = counts();
  if (executed !== chores) throw new Error(`begat ran ${executed} of ${chores} chores: ${last}`);
  return wallMs;
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A leader that executes nothing and two rnodes of as many slots as a build has jobs, each with homes of its own. */
class Farm {
  #arena;
  #home;
  #children = new Map();
  #members = 0;
  #address = "";

  static async start(arena) {
    const farm = new Farm();
    farm.#arena = arena;
    farm.#home = arena.folder();
    farm.#address = `127.0.0.1:${await freePort()}`;
    try {
      await farm.#serve("leader", ["--leader", "--slots", "0", "--listen", farm.#address]);
      for (const name of ["one", "two"]) {
        const listen = `127.0.0.1:${await freePort()}`;
        const to = ["--join", farm.#address, "--token", farm.#token("rnode")];
        await farm.#serve(name, ["--slots", `${JOBS}`, "--listen", listen, ...to]);
      }
      return farm;
    } catch (error) {
      await farm.stop();
      throw error;
    }
  }

  #env(name) {
    const home = join(this.#home, name);
    return {
      PATH,
      HOME: home,
      BEGAT_STATE_HOME: join(home, "state"),
      BEGAT_CACHE_HOME: join(home, "cache"),
      BEGAT_DAEMON: "0",
    };
  }

  /** CPU and RSS of each fulcrum by its name, its recipes left out; `undefined` where /proc does not tell. */
  used() {
    if (!existsSync("/proc/self/stat")) return undefined;
    const ofProcess = ([name, { pid }]) => {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const fields = stat
        .slice(stat.lastIndexOf(")") + 2)
        .split(" ")
        .map(Number);
      const [, rssKb] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
      return [name, { cpuMs: (fields[11] + fields[12]) * TICK_MS, rssMB: (Number(rssKb) * 1024) / 1e6 }];
    };
    return Object.fromEntries([...this.#children].map(ofProcess));
  }

  async #serve(name, words) {
    const command = [...this.#arena.begatCommand, "fulcrum", "serve", "--json", "--name", name, ...words];
    const [program, ...rest] = [...START, ...command];
    const child = spawn(program, rest, {
      cwd: this.#home,
      env: this.#env(name),
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.#children.set(name, child);
    let said = "";
    child.stdout.setEncoding("utf8");
    for await (const text of child.stdout) {
      said += text;
      if (!said.endsWith("}\n")) continue;
      if (JSON.parse(said).error === undefined) return;
      throw new Error(said);
    }
    throw new Error(`fulcrum ${name} ended before it was ready: ${said}`);
  }

  #token(role) {
    const command = [...this.#arena.begatCommand, "farm", "token", "--role", role];
    const { output } = this.#arena.processes.run(command, { directory: this.#home, env: this.#env("leader") });
    return /^radix-\S+$/m.exec(output)?.[0] ?? "";
  }

  /** Makes begat's present state home a client of the farm. */
  join(begat) {
    const name = `client-${++this.#members}`;
    const words = ["farm", "join", this.#address, "--name", name, "--token", this.#token("client")];
    this.#arena.processes.run([...this.#arena.begatCommand, ...words], {
      directory: begat.workspace,
      env: begat.env,
    });
  }

  async stop() {
    for (const child of this.#children.values()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const end = once(child, "exit");
      child.kill("SIGKILL");
      await end;
    }
  }
}
