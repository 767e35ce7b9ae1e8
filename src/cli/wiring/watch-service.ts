import { existsSync } from "node:fs";
import { ListeningFeed, listenByChokidar, listenByNode, NativeChangeFeed } from "../../platform/index.ts";
import type { ChangeFeed } from "../../ports/index.ts";
import { type WatchObserver, watchBuilds } from "../../scheduler/index.ts";
import { changeFeedProgram } from "../engine/bundle-file.ts";
import type { BuildOptions } from "../services.ts";
import { schedulerOptions } from "./build-options.ts";
import { buildRooms } from "./build-service.ts";
import type { Machine } from "./machine.ts";

/** Rooms stay open from one build to the next: ledger, index, launchers, and what was measured of them. */
export async function watch(
  machine: Machine,
  options: BuildOptions,
  observer: WatchObserver,
  signal: AbortSignal,
): Promise<void> {
  const workspace = machine.workspace(options.directory, options.begatfiles);
  let listener = (_event: Parameters<ReturnType<WatchObserver["begin"]>>[0]): void => {};
  const rooms = buildRooms(machine, workspace, options, (event) => listener(event));
  const feed = await openFeed();
  // Feeds, like all that begat holds open, keep no process alive; here that is what is wanted.
  const alive = setInterval(() => {}, 2 ** 30);
  try {
    const told: WatchObserver = {
      begin: (because) => {
        listener = observer.begin(because);
        return listener;
      },
      end: (result) => observer.end(result),
      watching: (directories) => observer.watching(directories),
    };
    await watchBuilds(
      schedulerOptions(machine, workspace, options),
      rooms,
      { feed, root: workspace.root },
      told,
      signal,
    );
  } finally {
    clearInterval(alive);
    await feed.close();
  }
}

/** A change that shows a moment later is no harm to somebody who watches, so any feed will do. */
async function openFeed(): Promise<ChangeFeed> {
  const program = changeFeedProgram();
  if (existsSync(program)) {
    try {
      return await NativeChangeFeed.start(program);
    } catch {
      // Built for another machine, or too many watchers already: Node's own may still do.
    }
  }
  return new ListeningFeed(process.platform === "linux" ? listenByNode : listenByChokidar);
}
