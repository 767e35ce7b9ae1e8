// Measures begat against its goals and, where it is on the machine, against ninja in the same run.
//
//   node bench/run.mjs [NAME...] [--quick] [--json] [--begat FILE]
//
// NAME           just these measures, or groups of them; `list` names them. Also --only NAME
// --quick        small sizes, one round: shows that everything runs, its numbers mean nothing
// --json         one JSON document instead of the table
// --begat FILE   measure this begat.cjs instead of one bundled from the checkout
//
// The process exits with 0 whatever was missed: a benchmark on somebody's machine is no test.

import { mkdirSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { Arena } from "./arena.mjs";
import { bundleBegat, OUT } from "./bundles.mjs";
import { coldMeasures } from "./cold-measures.mjs";
import { farmMeasures } from "./farm-measures.mjs";
import { graphMeasures } from "./graph-measures.mjs";
import { imageMeasures } from "./image-measures.mjs";
import { leaderMeasures } from "./leader-measures.mjs";
import { limits } from "./limits.mjs";
import { partMeasures } from "./part-measures.mjs";
import { peerMeasures } from "./peer-measures.mjs";
import { provenanceMeasures } from "./provenance-measures.mjs";
import { judge, table } from "./rows.mjs";
import { warmMeasures } from "./warm-measures.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", multiple: true },
    json: { type: "boolean", default: false },
    begat: { type: "string" },
  },
});
/** In the order in which they run. */
const groups = {
  parts: partMeasures,
  provenance: provenanceMeasures,
  cold: coldMeasures,
  warm: warmMeasures,
  images: imageMeasures,
  leader: leaderMeasures,
  farm: farmMeasures,
  graphs: graphMeasures,
  peers: peerMeasures,
};
const measures = Object.entries(groups).flatMap(([group, list]) => list.map((measure) => ({ group, ...measure })));
const words = [...(options.only ?? []), ...positionals];
const isNamed = ({ name, group }) => words.includes(name) || words.includes(group);
const chosen = words.length === 0 ? measures : measures.filter(isNamed);
if (words.some((word) => !measures.some(({ name, group }) => word === name || word === group))) {
  console.log(`measures: ${measures.map(({ name }) => name).join(" ")}\ngroups: ${Object.keys(groups).join(" ")}`);
  process.exit(words.includes("list") ? 0 : 2);
}

mkdirSync(OUT, { recursive: true });
const begatCommand = options.begat === undefined ? bundleBegat() : [process.execPath, resolve(options.begat)];
const arena = new Arena({ quick: options.quick, begatCommand });
const judged = [];
/** Ctrl-C ends the command that runs and with it its measure; what was measured before is still shown. */
let isEnding = false;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    isEnding = true;
  });
}
try {
  for (const measure of chosen) {
    const begin = performance.now();
    judged.push(...(await rowsOf(measure)).map((row) => judge({ ...row, limit: limits[row.name] })));
    process.stderr.write(`bench: ${measure.name} ${((performance.now() - begin) / 1000).toFixed(1)} s\n`);
    // Signals are heard only between two turns of the event loop: the measures themselves never wait.
    await new Promise(setImmediate);
    if (isEnding) break;
  }
  report();
} finally {
  // Some 100,000s of files: after the report, since it takes a while.
  arena.close();
}

/** A measure that breaks must not take the others with it, and must not go unseen. */
async function rowsOf(measure) {
  try {
    return await measure.run(arena);
  } catch (error) {
    process.exitCode = 1;
    process.stderr.write(`bench: ${measure.name}: ${error.stack}\n`);
    const skipped = String(error.message).split("\n")[0];
    return measure.rows.map((name) => ({ name, measure: name, unit: "ms", peerName: "", skipped }));
  }
}

function report() {
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? "?"}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}, Node ${process.version}`;
  if (options.json) console.log(JSON.stringify({ machine, quick: options.quick, rows: judged }, null, 2));
  else
    console.log(
      `${machine}${options.quick ? " (--quick: these numbers mean nothing)" : ""}\n\n${table(judged, { withLimits: !options.quick })}`,
    );
}
