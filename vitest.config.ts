import { createHash } from "node:crypto";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Test files share a process, and with it the modules they import, which is half of what a small one costs. Those that become
 * another user, mount, change the umask or what a whole process is told by its environment, or measure its memory, have their own.
 */
const APART = [
  ...["cache/store-faults", "cli/live", "e2e/builder", "e2e/incremental", "e2e/with-builder/incremental"],
  ...["executor/hermeticity/bubblewrap", "executor/hermeticity/lent-memory", "executor/hermeticity/server"],
  ...["executor/hermeticity/unsandboxed", "executor/hostile-recipes", "executor/staging", "hermetic/image-provider"],
  ...["platform/node-file-streams", "platform/node-file-tree", "platform/node-process-runner"],
].map((name) => `test/${name}.test.ts`);
/** What takes longest, half a minute and more, the longest first. */
const LONGEST = [
  ...["e2e/incremental", "executor/hermeticity/bubblewrap", "executor/hostile-recipes", "e2e/with-builder/incremental"],
  ...["e2e/crash", "docs/farm", "hermetic/real-images", "e2e/images", "executor/docker", "bench/bench", "e2e/chores"],
  ...["e2e/daemon", "e2e/commands", "e2e/farm-faults", "tools/setup"],
].map((name) => `/test/${name}.test.ts`);

/**
 * Which files begin first: those that want a process of their own, since between others each would cost the shared one its modules;
 * then those that start commands; the small ones at the end fill all processors to the last. Of each the longest come first, as one
 * of them at the end would leave a processor with nothing to do. Among alike the order is no promise of theirs: the seed makes it,
 * and replays it with npx vitest run --sequence.seed=N
 */
class LongOnesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { root } = this.ctx.config;
    const { seed } = this.ctx.config.sequence;
    const key = ({ moduleId, project }: TestSpecification): string => {
      const place = moduleId.slice(root.length);
      const long = LONGEST.indexOf(place);
      const rank = project.name === "apart" ? 0 : /^\/test\/(docs|e2e)\//.test(place) ? 2 : 3;
      if (long >= 0) return `${Math.min(rank, 1)}${String.fromCharCode(0x61 + long)}`;
      return `${rank}~${createHash("sha256").update(`${seed}${place}`).digest("hex")}`;
    };
    const keys = new Map(files.map((file) => [file, key(file)]));
    return [...files].sort((a, b) => ((keys.get(a) ?? "") < (keys.get(b) ?? "") ? -1 : 1));
  }
}

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
    // As many as the smallest machine has processors: a third one fills what tests wait, and costs more than that in their caches.
    maxWorkers: 2,
    setupFiles: ["./test/support/each-file.ts"],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    sequence: { shuffle: { files: true, tests: false }, sequencer: LongOnesFirst, seed: Date.now() },
    retry: SECOND_TRIES,
    reporters: ["default", "./tools/summary-reporter.mjs"],
    projects: [
      {
        extends: true,
        test: { name: "sharing", include: ["test/**/*.test.{ts,tsx}"], exclude: APART, isolate: false },
      },
      { extends: true, test: { name: "apart", include: APART } },
    ],
  },
});
