// Images, and what a sandbox costs: the numbers of hermetic builds.

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { bundleEntry } from "./bundles.mjs";
import { Begat } from "./contestants.mjs";
import { onPath } from "./measured-process.mjs";
import { takeTurns } from "./samples.mjs";

const BEGATFILE = `image gcc {
    deb  [ gcc libc6-dev dash coreutils make ]
    link [ /usr/bin/cc=gcc /bin/sh=dash ]
}
`;

/** Where a blob stands in a cache home. */
const blob = (cacheHome, sha256) => join(cacheHome, "cas", sha256.slice(0, 2), sha256.slice(2));

/** A workspace whose image is pinned and whose packages are fetched into `from`'s cache; builds it in a cache of its own. */
class ImageBuilder extends Begat {
  fetchedFrom(cacheHome) {
    const lock = JSON.parse(readFileSync(join(this.workspace, "begat.lock"), "utf8"));
    for (const { sha256 } of lock.images.gcc.deb) {
      const to = blob(this.env.BEGAT_CACHE_HOME, sha256);
      mkdirSync(dirname(to), { recursive: true });
      copyFileSync(blob(cacheHome, sha256), to);
    }
  }

  image(...words) {
    return this.build("usual", ...words, "image(gcc)").wallMs;
  }

  /** Takes the finished image away and leaves its packages unpacked. */
  removeImage() {
    const images = join(this.env.BEGAT_CACHE_HOME, "images");
    for (const name of readdirSync(images)) {
      if (/^[0-9a-f]{64}$/.test(name))
        renameSync(join(images, name), join(`${images}.aside-${name}-${performance.now()}`));
    }
  }
}

/** A row for each goal `[name, measure, most ms]`, in the order of the samples. */
function rowsFor(goals, samples, skipped) {
  return goals.map(([name, measure, most], i) => ({
    name,
    measure,
    unit: "ms",
    begat: samples?.[i],
    peerName: "",
    goal: { most },
    skipped,
  }));
}

export const imageMeasures = [
  {
    name: "image",
    rows: ["image-cold", "image-cached", "image-null"],
    async run(arena) {
      const goals = [
        ["image-cold", "gcc image, packages fetched, nothing unpacked", 8000],
        ["image-cached", "gcc image, all packages unpacked", 2000],
        ["image-null", "gcc image, nothing changed", 100],
      ];
      const rows = (samples, skipped) => rowsFor(goals, samples, skipped);
      if (arena.quick) return rows(undefined, "it takes 65 MB of packages");
      if (onPath("apt-get") === undefined) return rows(undefined, "there is no apt-get");
      const builder = () => {
        const folder = arena.folder();
        writeFileSync(join(folder, "begatfile"), BEGATFILE);
        return new ImageBuilder(arena.processes, folder, [], arena.begatCommand);
      };
      const first = builder();
      first.image();
      const lock = readFileSync(join(first.workspace, "begat.lock"));
      const [cold] = takeTurns(arena.rounds(3), [
        () => {
          const other = builder();
          writeFileSync(join(other.workspace, "begat.lock"), lock);
          other.fetchedFrom(first.env.BEGAT_CACHE_HOME);
          return other.image("--offline");
        },
      ]);
      const [cached] = takeTurns(arena.rounds(3), [
        () => {
          first.removeImage();
          return first.image("--force", "--offline");
        },
      ]);
      const [idle] = takeTurns(arena.rounds(7), [() => first.image()]);
      return rows([cold, cached, idle], undefined);
    },
  },
  {
    name: "sandbox",
    rows: ["sandbox-wall", "sandbox-cpu", "staging"],
    async run(arena) {
      const goals = [
        ["sandbox-wall", "bubblewrap over plain processes, 100 inputs, least wall", 6],
        ["sandbox-cpu", "bubblewrap over plain processes, 100 inputs, CPU", 5],
        ["staging", "1,000 inputs of 10 KB staged and removed, over none", 30],
      ];
      const rows = (samples, skipped) => rowsFor(goals, samples, skipped);
      if (onPath("bwrap") === undefined) return rows(undefined, "there is no bwrap");
      if (!existsSync("/proc/self/stat")) return rows(undefined, "CPU time is read from /proc");
      const command = await bundleEntry("sandbox-cost");
      const cost = (backEnd, inputs, bytes) => {
        const folder = arena.folder();
        const words = [folder, backEnd, `${inputs}`, `${bytes}`, `${arena.size(60, 3)}`];
        const env = { PATH: "/usr/local/bin:/usr/bin:/bin" };
        return JSON.parse(arena.processes.run([...command, ...words], { directory: folder, env }).output);
      };
      const samples = [[], [], []];
      for (let round = 0; round < arena.rounds(3); round++) {
        const plain = cost("process", 100, 1024);
        const boxed = cost("bubblewrap", 100, 1024);
        samples[0].push(Math.min(...boxed.wallMs) - Math.min(...plain.wallMs));
        samples[1].push(boxed.cpuMsEach - plain.cpuMsEach);
        samples[2].push(Math.min(...cost("process", 1000, 10_240).wallMs) - Math.min(...cost("process", 0, 0).wallMs));
      }
      return rows(samples, undefined);
    },
  },
  {
    name: "docker",
    rows: ["docker-create", "docker-exec"],
    async run(arena) {
      const lanes = [
        ["docker-create", "docker, a container for a chore", "create", 250],
        ["docker-exec", "docker, a chore in a standing container", "exec", 60],
      ];
      if (arena.quick) {
        return lanes.map(([name, measure]) => ({
          name,
          measure,
          unit: "ms",
          peerName: "",
          skipped: "it starts an engine",
        }));
      }
      const command = await bundleEntry("docker-cost");
      return lanes.map(([name, measure, lane, most]) => {
        const folder = arena.folder();
        const env = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };
        const words = [folder, lane, `${arena.size(20, 1)}`];
        const { wallMs, problem } = JSON.parse(
          arena.processes.run([...command, ...words], { directory: folder, env }).output,
        );
        return { name, measure, unit: "ms", begat: wallMs, peerName: "", goal: { most }, skipped: problem };
      });
    },
  },
];
