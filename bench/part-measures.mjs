// Parts of begat by themselves: starting, reading begatfiles.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundleEntry } from "./bundles.mjs";
import { Begat } from "./contestants.mjs";
import { takeTurns } from "./samples.mjs";

/** A dictum for each chore, as a generated begatfile has them. */
function manyDictums(count) {
  const lines = [];
  for (let i = 0; i < count; i++) {
    lines.push(
      `dictum d${i}(name) {\n    in [ src/\${name}.c include/a.h ]\n    out [ obj/\${name}.o ]\n    exec [[\n        cc -c "src/$name.c" -o "$out"\n    ]]\n}\nrun d${i}(f${i})\n`,
    );
  }
  return lines.join("");
}

const env = { PATH: "/usr/local/bin:/usr/bin:/bin" };

export const partMeasures = [
  {
    name: "startup",
    rows: ["startup"],
    async run(arena) {
      const begat = new Begat(arena.processes, arena.folder(), [], arena.begatCommand);
      const node = () => arena.processes.run([process.execPath, "-e", "0"], { directory: begat.workspace, env }).wallMs;
      const [mine, bare] = takeTurns(arena.rounds(25), [() => begat.version().wallMs, node]);
      return [
        {
          name: "startup",
          measure: "begat --version",
          unit: "ms",
          begat: mine,
          peer: bare,
          peerName: "node -e 0",
          goal: { ratio: 1.6 },
        },
      ];
    },
  },
  {
    name: "evaluate",
    rows: ["evaluate"],
    async run(arena) {
      const count = arena.size(100_000, 200);
      const folder = arena.folder();
      const file = join(folder, "begatfile");
      writeFileSync(file, manyDictums(count));
      const command = [...(await bundleEntry("evaluate-many")), file];
      const [mine] = takeTurns(arena.rounds(3), [
        () => {
          const { wallMs, chores } = JSON.parse(arena.processes.run(command, { directory: folder, env }).output);
          if (chores !== count) throw new Error(`${chores} of ${count} chores came out`);
          return wallMs;
        },
      ]);
      return [
        {
          name: "evaluate",
          measure: `parse and evaluate ${count} dictums`,
          unit: "ms",
          begat: mine,
          peerName: "",
          goal: { most: 1500 },
        },
      ];
    },
  },
];
