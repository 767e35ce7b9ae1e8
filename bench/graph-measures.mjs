// Graphs of a size that nobody builds in a benchmark: planned, and asked about when there is nothing to do.

import { closeSync, mkdirSync, openSync, utimesSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Begat, setUpLauncher } from "./contestants.mjs";
import { takeTurns } from "./samples.mjs";
import { LAUNCHED, settleBegat } from "./settled.mjs";

/** `layers` of `width` chores, each with five inputs of the layer before; a begatfile as a generator writes it. */
function wide(folder, width, layers) {
  mkdirSync(join(folder, "src"), { recursive: true });
  for (let i = 0; i < width; i++) {
    writeFileSync(join(folder, `src/f${i}`), `${i}\n`);
    utimesSync(join(folder, `src/f${i}`), 500, 500);
  }
  const file = openSync(join(folder, "begatfile"), "w");
  writeSync(file, 'dictum join(name parts) { in [ $parts ] out [ out/$name ] exec [[[ cat $in > "$out" ]]] }\n');
  for (let layer = 0; layer < layers; layer++) {
    let text = "";
    for (let i = 0; i < width; i++) {
      const parts = [0, 1, 7, 31, 101].map((d) => (layer === 0 ? "src/f" : `out/l${layer - 1}-`) + ((i + d) % width));
      text += `run join(l${layer}-${i} [ ${parts.join(" ")} ])\n`;
    }
    writeSync(file, text);
  }
  // Beside the others, so that a change of its source calls for one chore and no more.
  writeFileSync(join(folder, "src/single"), "single\n");
  utimesSync(join(folder, "src/single"), 500, 500);
  writeSync(file, "run join(single [ src/single ])\n");
  const last = Array.from({ length: width }, (_, i) => `out/l${layers - 1}-${i}`);
  writeSync(file, `group all = [ out/single ${last.join(" ")} ]\n`);
  closeSync(file);
}

/** Runs `work`, which must find nothing to do, and answers the time of the whole command; its CPU goes into `cpu`. */
function nullMs(work, cpu = []) {
  const { wallMs, cpuMs, counts } = work();
  if (!counts().nothing) throw new Error(`a null build did something: ${counts().last}`);
  if (cpuMs !== undefined) cpu.push(cpuMs);
  return wallMs;
}

export const graphMeasures = [
  {
    name: "large-graph",
    rows: [
      "plan",
      "memory",
      "null",
      "client",
      "client-cpu",
      "engine",
      "engine-cpu",
      "engine-rss",
      "leaf",
      "leaf-memory",
      "builder",
      "builder-null",
      "builder-rss",
    ].map((what) => `large-graph-${what}`),
    async run(arena) {
      const width = arena.size(1000, 120);
      const layers = arena.size(1000, 3);
      const title = `${width * layers} chores, ${5 * width * layers} edges`;
      const folder = arena.folder();
      wide(folder, width, layers);
      setUpLauncher();
      const begat = new Begat(arena.processes, folder, ["out"], LAUNCHED);
      const planned = await settleBegat(arena, begat, LAUNCHED);
      const level = ["--min-isolation", "none"];
      const [node] = takeTurns(1, [() => nullMs(() => begat.build("any"))]);
      const asked = () => begat.launch("build", ...level);
      const alone = () => begat.launch("build", ...level, "--no-daemon");
      const [clientCpu, engineCpu] = [[], []];
      alone();
      const [client] = takeTurns(arena.rounds(9), [() => nullMs(alone, clientCpu)]);
      let engine;
      let rss;
      try {
        asked();
        begat.warm("any");
        [engine] = takeTurns(arena.rounds(9), [() => nullMs(asked, engineCpu)]);
        rss = begat.engine().rssBytes;
      } finally {
        begat.launch("daemon", "stop");
      }
      const changes = [];
      for (let round = 0; round < arena.rounds(2); round++) {
        writeFileSync(join(folder, "src/single"), `single ${round}\n`);
        const measured = begat.build("any", "--executor", "process");
        const { executed, last } = measured.counts();
        if (executed !== 1) throw new Error(`one file changed, and begat did: ${last}`);
        changes.push(measured);
      }
      const single = () => writeFileSync(join(folder, "src/single"), `single ${performance.now()}\n`);
      let [byBuilder, builderNull, builderRss] = [];
      try {
        const built = begat.builtByBuilder("any", single, ({ executed, last }) => {
          if (executed !== 1) throw new Error(`one file changed, and the builder did: ${last}`);
        });
        [byBuilder] = takeTurns(arena.rounds(9), [() => built().wallMs]);
        asked();
        [builderNull] = takeTurns(arena.rounds(9), [() => nullMs(asked)]);
        builderRss = begat.builder().rssBytes;
      } finally {
        begat.launch("daemon", "stop");
      }
      const row = (what, measure, unit, numbers, most) => ({
        name: `large-graph-${what}`,
        measure: `${measure}, ${title}`,
        unit,
        begat: numbers,
        peerName: "",
        ...(most === undefined ? {} : { goal: { most } }),
      });
      return [
        row("plan", "plan", "ms", [planned.planMs]),
        row("memory", "plan, peak RSS", "MB", [planned.rssBytes / 1e6], 1000),
        row("null", "null, new process", "ms", node),
        row("client", "null, glance", "ms", client),
        row("client-cpu", "null, glance, CPU", "ms", clientCpu),
        row("engine", "null, warm engine", "ms", engine, 20),
        row("engine-cpu", "null, warm engine, CPU without the engine's", "ms", engineCpu),
        row("engine-rss", "null, warm engine, its RSS", "MB", [rss / 1e6]),
        row(
          "leaf",
          "one file changed",
          "ms",
          changes.map(({ wallMs }) => wallMs),
        ),
        row(
          "leaf-memory",
          "one file changed, peak RSS",
          "MB",
          changes.map(({ rssBytes }) => (rssBytes ?? 0) / 1e6),
        ),
        row("builder", "one file changed, by a builder", "ms", byBuilder),
        row("builder-null", "null, by a builder", "ms", builderNull, 20),
        row("builder-rss", "the builder's RSS", "MB", [builderRss / 1e6]),
      ];
    },
  },
];
