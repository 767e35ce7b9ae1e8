import { defineConfig } from "vitest/config";

/**
 * Rooms whose tests own nothing but their world: no mount, no user, no signal, no global, no directory changed. Their files
 * share a process, and with it the modules they import, which is half of what such a file costs.
 */
const SHARING = ["base", "dictum-parser", "fulcrum", "protocol", "scheduler"];
const FILES = "**/*.test.{ts,tsx}";
const shared = SHARING.map((room) => `test/${room}/${FILES}`);

/**
 * On a machine that other work may hold up for seconds at any point a test gets a second try where nobody watches. The summary
 * names those that needed it, with the whole of what went wrong: a property's seed and counterexample are to be looked at.
 */
const SECOND_TRIES = process.env.CI ? 1 : 0;

export default defineConfig({
  test: {
    environment: "node",
    // Processes, not threads: tests change directory, send signals and load a native module.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // The order in which files run is no promise of theirs; a number replays a run: npx vitest run --sequence.seed=N
    sequence: { shuffle: { files: true, tests: false } },
    retry: SECOND_TRIES,
    reporters: ["default", "./tools/summary-reporter.mjs"],
    projects: [
      { extends: true, test: { name: "sharing", include: shared, isolate: false } },
      { extends: true, test: { name: "apart", include: [`test/${FILES}`], exclude: shared } },
    ],
  },
});
