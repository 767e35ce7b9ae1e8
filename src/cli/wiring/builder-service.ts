import { codeOf, explain } from "../../base/index.ts";
import { Builder, localFileSystems, type StandbyEnd } from "../../engine/index.ts";
import { NativeChangeFeed } from "../../platform/index.ts";
import { Checkout, type Plan, type Selection, WarmCheckout, WatchedDirectories } from "../../scheduler/index.ts";
import { bundleFile, changeFeedProgram } from "../engine/bundle-file.ts";
import { closeInheritedFiles } from "../engine/inherited-files.ts";
import { Declined, runFor } from "../engine/run-for.ts";
import type { Host } from "../host.ts";
import type { Services } from "../services.ts";
import { schedulerOptions } from "./build-options.ts";
import { enginePlace, noteFailure } from "./daemon-service.ts";
import { Machine } from "./machine.ts";
import { quickSummary } from "./quick-service.ts";
import { Workbench } from "./workbench.ts";

/**
 * Builds in one checkout for whoever asks, until it is told to stop or has been idle for so long. What every build opens
 * is opened for each of them: ledger, index, keys, executor; what is kept is the plan, and what is known of its files.
 */
export async function builderServe(
  machine: Machine,
  directory: string,
  idleMs: number,
  signal: AbortSignal,
): Promise<StandbyEnd> {
  closeInheritedFiles();
  const workspace = machine.workspace(directory, []);
  const { root } = workspace;
  const bench = new Workbench(workspace);
  const place = enginePlace(machine);
  const noted = (error: unknown): never => {
    if (codeOf(error) !== "DAEMON_RUNNING") noteFailure(place, error);
    throw error;
  };
  const feed = await NativeChangeFeed.start(changeFeedProgram()).catch(noted);
  const directories = new WatchedDirectories(feed, machine.fs, localFileSystems());
  const warm = new WarmCheckout(root, { feed, directories, clock: machine.clock, pause });
  const builder = new Builder({
    directory: place,
    bundleFile: bundleFile(),
    version: machine.host.version.version,
    root,
    idleMs,
    env: { ...process.env },
    run: (session) => runFor(session, machine.host, (host) => servicesFor(host, root, warm, bench)),
    after: async (signal) => {
      bench.tidy();
      await warm.settle(signal);
    },
  });
  try {
    await builder.start().catch(noted);
    signal.addEventListener("abort", () => builder.stop());
    return await builder.untilEnd();
  } finally {
    await bench.close();
    await feed.close();
  }
}

/** What one command opens. */
function servicesFor(
  host: Host,
  root: string,
  warm: WarmCheckout,
  bench: Workbench,
): Pick<Services, "build" | "close"> {
  const machine = new Machine(host);
  let isSound = true;
  return {
    close: async () => {
      // Its file system can be unmounted while nothing is built.
      process.chdir("/");
      await (isSound ? bench.rest(machine.clock) : bench.close());
    },
    async build(options, listener, signal) {
      const started = machine.clock.monotonicMs();
      const workspace = machine.workspace(options.directory, options.begatfiles);
      if (workspace.root !== root) throw new Declined("another checkout");
      // Where a build alone stands, for whatever it starts.
      process.chdir(root);
      const asked = schedulerOptions(machine, workspace, options);
      const checkout = new Checkout(machine.fs, root, { ledger: machine.ledgerFile });
      const rest = options.executor === undefined ? await feeding(warm.atRest(asked, checkout)) : undefined;
      if (rest?.upToDate) return quickSummary(rest, listener, machine.clock.monotonicMs() - started);
      const rooms = { ...(await bench.rooms(host, options, listener)), onPlan: refuseTerminal };
      // What could not be opened, or broke, is opened anew.
      isSound = false;
      const summary = await feeding(warm.build(asked, rooms, listener, signal));
      isSound = true;
      return summary;
    },
  };
}

/** Without a change feed, whose end shows before anything is done, this is no builder any more; `settle` ends it. */
async function feeding<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (codeOf(error) === "FEED_ENDED") throw new Declined(explain(error));
    throw error;
  }
}

function refuseTerminal(plan: Plan, { needed }: Selection): void {
  for (let chore = 0; chore < plan.choreCount; chore++)
    if (needed[chore] && plan.has(chore, "interactive")) throw new Declined("a recipe that wants the terminal");
}

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
