import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Absolute; `undefined` where it cannot be built: no compiler, or not Linux. */
export const spawnServer: string | undefined = build();

function build(): string | undefined {
  const program = `${root}build/native/begat-spawn-server`;
  try {
    execFileSync("sh", [`${root}native/build.sh`], { stdio: ["ignore", "inherit", "inherit"] });
    accessSync(program, constants.X_OK);
    return program;
  } catch {
    return undefined;
  }
}
