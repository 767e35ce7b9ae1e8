import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "test/**/*.test.tsx"],
    environment: "node",
    // Processes, not threads: tests change directory, send signals and load a native module.
    pool: "forks",
    maxWorkers: 2,
    // No begat that a test starts shall leave an engine behind; those that are about it say so.
    env: { BEGAT_DAEMON: "0" },
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // The order in which files run is no promise of theirs; a number replays a run: npx vitest run --sequence.seed=N
    sequence: { shuffle: { files: true, tests: false } },
    reporters: ["default", "./tools/summary-reporter.mjs"],
  },
});
