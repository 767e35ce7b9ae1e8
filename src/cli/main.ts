import { writeSync } from "node:fs";
import { nodeProblem } from "./node-version.ts";

// The entry. It stays small: `begat --version` is asked by every shell prompt and every CI step, and imports nothing
// that it does not need. The bundler puts version and build id in place of the two variables.
const version = {
  version: process.env.BEGAT_VERSION ?? "0.0.0-source",
  build: process.env.BEGAT_BUILD_ID ?? "unbundled",
  node: process.versions.node,
};

/** Straight to the descriptor: setting up `process.stdout` costs 3 ms. */
function print(descriptor: 1 | 2, line: string): void {
  try {
    writeSync(descriptor, `${line}\n`);
  } catch {
    // Whoever should have read it is gone; the exit code still tells.
  }
}

const problem = nodeProblem(version.node);
const [first, second] = process.argv.slice(2);
if (problem !== undefined) {
  print(2, `error: ${problem}`);
  process.exitCode = 2;
} else if (second === undefined && (first === "--version" || first === "-V" || first === "version")) {
  print(1, `begat ${version.version}`);
} else {
  import("./node-host.ts").then(
    ({ runProcess }) => runProcess(version),
    (error: unknown) => {
      print(2, `error: begat cannot start: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
    },
  );
}
