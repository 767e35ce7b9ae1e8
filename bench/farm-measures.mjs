// What a farm costs its clients: large blobs, and a build of small chores over two rnodes on the loopback.

import { spawn } from "node:child_process";
import { once } from "node:events";
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
    rows: ["farm-throughput"],
    async run(arena) {
      const count = arena.size(1000, 20);
      const farm = await Farm.start(arena);
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
  #children = [];
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

  async #serve(name, words) {
    const command = [...this.#arena.begatCommand, "fulcrum", "serve", "--json", "--name", name, ...words];
    const [program, ...rest] = [...START, ...command];
    const child = spawn(program, rest, {
      cwd: this.#home,
      env: this.#env(name),
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.#children.push(child);
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
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const end = once(child, "exit");
      child.kill("SIGKILL");
      await end;
    }
  }
}
