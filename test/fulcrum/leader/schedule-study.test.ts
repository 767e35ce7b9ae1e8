import { expect, test } from "vitest";
import { FARMS, p95, studyEstimates, studyInteractive, studyNoHistory } from "./schedule-study.ts";

// Fewer seeds than the bench has (`node bench/run.mjs --only schedule`), which says each farm's figures too.
const seeds = (count: number): number[] => Array.from({ length: count }, (_, seed) => seed);
const [small, , large] = FARMS as [(typeof FARMS)[0], unknown, (typeof FARMS)[0]];

test("a build is near its lower bound where durations are known to 30 %, and few of its inputs are moved", () => {
  for (const farm of [small, large]) {
    const studies = seeds(3).map((seed) => studyEstimates(seed, farm));
    expect(p95(studies.map(({ ofBound }) => ofBound))).toBeLessThanOrEqual(1.1);
    expect(p95(studies.map(({ ofFifo }) => ofFifo))).toBeLessThanOrEqual(0.65);
  }
});

test("a build is not far from its lower bound where nothing is known", () => {
  expect(p95(FARMS.flatMap((farm) => seeds(7).map((seed) => studyNoHistory(seed, farm))))).toBeLessThanOrEqual(1.25);
});

test("a build of 50 chores that somebody waits for is hardly slower beside 10,000 others", () => {
  for (const farm of [small, large]) {
    expect(p95(seeds(3).map((seed) => studyInteractive(seed, 10_000, farm)))).toBeLessThanOrEqual(1.3);
  }
});
