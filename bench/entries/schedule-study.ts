// Simulated builds on simulated farms: what the leader's choices alone are worth. No time is measured.
//
//   node schedule-study.mjs SEEDS LOAD      prints {farms: [{slots, known, unknown, moved}], interactive}

import {
  FARMS,
  p95,
  studyEstimates,
  studyInteractive,
  studyNoHistory,
} from "../../test/fulcrum/leader/schedule-study.ts";

const [seedCount = 20, load = 10_000] = process.argv.slice(2).map(Number);
const seeds = Array.from({ length: seedCount }, (_, seed) => seed);
const farms = [...FARMS, { tasks: 12_000, rnodes: 64, slots: 8 }].map((farm) => {
  const estimates = seeds.map((seed) => studyEstimates(seed, farm));
  return {
    slots: farm.rnodes * farm.slots,
    rnodes: farm.rnodes,
    known: p95(estimates.map(({ ofBound }) => ofBound)),
    unknown: p95(seeds.map((seed) => studyNoHistory(seed, farm))),
    moved: p95(estimates.map(({ ofFifo }) => ofFifo)),
  };
});
const interactive = p95(seeds.map((seed) => studyInteractive(seed, load, { rnodes: 4, slots: 4 })));
console.log(JSON.stringify({ farms, interactive }));
