// Simulated builds on simulated farms: what the leader's choices alone are worth. No time is measured.
//
//   node schedule-study.mjs SEEDS LOAD      prints {farms: [{slots, rnodes, known, unknown, moved}], unknown, interactive}

import {
  FARMS,
  p95,
  studyEstimates,
  studyInteractive,
  studyNoHistory,
} from "../../test/fulcrum/leader/schedule-study.ts";

const [seedCount = 10, load = 10_000] = process.argv.slice(2).map(Number);
const seeds = Array.from({ length: seedCount }, (_, seed) => seed);
const farms = FARMS.map((farm) => {
  const estimates = seeds.map((seed) => studyEstimates(seed, farm));
  return {
    slots: farm.rnodes * farm.slots,
    rnodes: farm.rnodes,
    known: p95(estimates.map(({ ofBound }) => ofBound)),
    unknown: seeds.map((seed) => studyNoHistory(seed, farm)),
    moved: p95(estimates.map(({ ofFifo }) => ofFifo)),
  };
});
const interactive = [
  { rnodes: 4, slots: 4 },
  { rnodes: 16, slots: 8 },
].map((farm) => p95(seeds.map((seed) => studyInteractive(seed, load, farm))));
const unknown = p95(farms.flatMap((farm) => farm.unknown));
console.log(
  JSON.stringify({ farms: farms.map((farm) => ({ ...farm, unknown: p95(farm.unknown) })), unknown, interactive }),
);
