import { runCommand } from "../../src/cli/index.ts";
import { openServices } from "../../src/cli/wiring/index.ts";
import type { Workspace } from "./begat.ts";
import { FakeHost } from "./fake-host.ts";

/**
 * Exit codes of what must hold after anything that happens to a build. The commands run in this process: they are asked for
 * after nearly each step of a test, and the start of Node is most of what they cost.
 */
export async function verdicts({ home }: Workspace): Promise<{ ledger: number; cache: number }> {
  const begat = (...argv: string[]): Promise<number> => {
    const host = new FakeHost();
    Object.assign(host.env, home.environment());
    host.openServices = () => openServices(host);
    return runCommand(argv, host);
  };
  return { ledger: await begat("ledger", "verify"), cache: await begat("cache", "verify") };
}
