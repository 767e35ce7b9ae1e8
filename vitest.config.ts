import { createHash } from "node:crypto";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Rooms whose tests own nothing but their world: no mount, no user, no signal, no global, no directory changed. Their files
 * share a process, and with it the modules they import, which is half of what such a file costs.
 */
const SHARING = [
  ...["base", "cache", "cli", "console", "daemons", "dictum-parser", "e2e", "fulcrum", "fulcrum-client", "hermetic"],
  ...["protocol", "provenance", "scheduler"],
];
/** Files of those rooms that become another user, change the umask or what a whole process is told by its environment. */
const APART = [
  ...["cache/store-faults", "cli/live", "e2e/builder", "e2e/with-builder/incremental", "e2e/with-engine/incremental"],
  "hermetic/image-provider",
].map((name) => `test/${name}.test.ts`);

const FILES = "**/*.test.{ts,tsx}";
const shared = SHARING.map((room) => `test/${room}/${FILES}`);

/**
 * Which files begin first: those that start commands, as a long one at the end would leave a processor with nothing to do; then
 * those that want a process of their own; the small ones at the end fill both processors to the last. Among alike the
 * order is no promise of theirs: the seed makes it, and replays it with npx vitest run --sequence.seed=N
 */
class LongOnesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { root } = this.ctx.config;
    const { seed } = this.ctx.config.sequence;
    const key = ({ moduleId, project }: TestSpecification): string => {
      const place = moduleId.slice(root.length);
      const rank = /^\/test\/(docs|e2e)\//.test(place) ? 0 : project.name === "sharing" ? 2 : 1;
      return `${rank}${project.name}${createHash("sha256").update(`${seed}${place}`).digest("hex")}`;
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
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 120_000,
    sequence: { shuffle: { files: true, tests: false }, sequencer: LongOnesFirst, seed: Date.now() },
    retry: SECOND_TRIES,
    reporters: ["default", "./tools/summary-reporter.mjs"],
    projects: [
      { extends: true, test: { name: "sharing", include: shared, exclude: APART, isolate: false } },
      { extends: true, test: { name: "apart", include: [`test/!(${SHARING.join("|")})/${FILES}`, ...APART] } },
    ],
  },
});
