// Graphs of a size that nobody builds in a benchmark: planned, and asked about when there is nothing to do.

import { closeSync, mkdirSync, openSync, utimesSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Begat } from "./contestants.mjs";
import { takeTurns } from "./samples.mjs";
import { settleBegat } from "./settled.mjs";

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
      const planned = await settleBegat(arena, begat);
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
