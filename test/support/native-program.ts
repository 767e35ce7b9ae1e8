import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { skipReason } from "./skip-reason.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

export const HAS_COMPILER =
  process.platform === "linux" && spawnSync("sh", ["-c", 'command -v "${CC:-cc}"'], { stdio: "ignore" }).status === 0;

/** Behind the name of a test that needs one of the native programs. */
export const WITHOUT_COMPILER = skipReason(HAS_COMPILER, "C compiler", "apt-get install gcc libc6-dev");

/**
 * A program of native/, built where that is needed; `undefined` where there is nothing to build it with.
 *
 * @throws where there is a compiler and no program came of it: that is a mistake of ours, and no test may be skipped for it.
 */
export function nativeProgram(name: "begat-spawn-server" | "begat-change-feed"): string | undefined {
  execFileSync("sh", [`${root}native/build.sh`], { stdio: "inherit" });
  const program = `${root}build/native/${name}`;
  if (existsSync(program)) return program;
  if (HAS_COMPILER) throw new Error(`native/build.sh made no ${name} though there is a C compiler; it says why above`);
  return undefined;
}
