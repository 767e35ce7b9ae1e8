import { explain } from "../../base/index.ts";
import type { Log } from "../../ports/index.ts";
import { begatApart } from "./begat-apart.ts";
import type { Machine } from "./machine.ts";

/** A store grows by what a build moves in this time beyond its size. */
const EVERY_MS = 10 * 60_000;

/** Keeps the cache to its size while a daemon serves: at its start, and then every ten minutes. */
export async function keepToSize(
  machine: Pick<Machine, "directories" | "runner" | "environment" | "clock">,
  maxSizeBytes: number,
  log: Log,
  ended: AbortSignal,
): Promise<void> {
  while (!ended.aborted) {
    try {
      const { exitCode, said } = await begatApart(machine, ["cache", "gc", "--max-size", `${maxSizeBytes}`], ended);
      if (exitCode === 0) log.debug("the cache was kept to its size", { said });
      else log.warn("the cache cannot be kept to its size", { because: said });
    } catch (error) {
      if (!ended.aborted) log.warn("the cache cannot be kept to its size", { because: explain(error) });
    }
    await machine.clock.sleep(EVERY_MS, ended).catch(() => {});
  }
}
