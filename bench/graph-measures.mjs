// Graphs of a size that nobody builds in a benchmark: planned, and asked about when there is nothing to do.

import { execFileSync } from "node:child_process";
import { closeSync, cpSync, mkdirSync, openSync, utimesSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { bundleEntry } from "./bundles.mjs";
import { Begat } from "./contestants.mjs";
import { takeTurns } from "./samples.mjs";
import { independent } from "./workloads.mjs";

const env = { PATH: "/usr/local/bin:/usr/bin:/bin" };

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
  const last = Array.from({ length: width }, (_, i) => `out/l${layers - 1}-${i}`);
  writeSync(file, `group all = [ ${last.join(" ")} ]\n`);
  closeSync(file);
}

export const graphMeasures = [
  {
    name: "large-graph",
    rows: ["large-graph-plan", "large-graph-memory", "large-graph-null"],
    async run(arena) {
      const width = arena.size(1000, 120);
      const layers = arena.size(1000, 3);
      const title = `${width * layers} chores, ${5 * width * layers} edges`;
      const folder = arena.folder();
      wide(folder, width, layers);
      const begat = new Begat(arena.processes, folder, ["out"], arena.begatCommand);
      // Any build makes a ledger, and what is remembered counts only beside the one it was made with.
      const small = new Begat(arena.processes, arena.folder(), ["out"], arena.begatCommand);
      independent(small.workspace, 1);
      small.build("process");
      cpSync(small.env.BEGAT_STATE_HOME, begat.env.BEGAT_STATE_HOME, { recursive: true });
      const [program, ...words] = arena.begatCommand;
      const about = JSON.parse(execFileSync(program, [...words, "version", "--json"], { env: begat.env }));
      const ledger = join(begat.env.BEGAT_STATE_HOME, "ledger.db");
      const entry = [...(await bundleEntry("settled-checkout")), folder, `${about.version}+${about.build}`, ledger];
      const planned = JSON.parse(arena.processes.run(entry, { directory: folder, env }).output);
      const [idle] = takeTurns(arena.rounds(3), [
        () => {
          const { wallMs, counts } = begat.build("any");
          if (!counts().nothing) throw new Error(`a null build did something: ${counts().last}`);
          return wallMs;
        },
      ]);
      const common = { peerName: "" };
      return [
        { ...common, name: "large-graph-plan", measure: `plan, ${title}`, unit: "ms", begat: [planned.planMs] },
        {
          ...common,
          name: "large-graph-memory",
          measure: `plan, ${title}, peak RSS`,
          unit: "MB",
          begat: [planned.rssBytes / 1e6],
          goal: { most: 1000 },
        },
        { ...common, name: "large-graph-null", measure: `null, ${title}, new process`, unit: "ms", begat: idle },
      ];
    },
  },
];
