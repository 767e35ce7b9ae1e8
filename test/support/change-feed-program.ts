import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** begat-change-feed as native/ has it, built where that is needed; `undefined` where it cannot be. */
export function changeFeedProgram(): string | undefined {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  execFileSync("sh", [`${root}native/build.sh`], { stdio: "inherit" });
  const program = `${root}build/native/begat-change-feed`;
  return existsSync(program) ? program : undefined;
}
