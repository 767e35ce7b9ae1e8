import type { MeasuredLevels } from "./levels.ts";
import type { Prepared } from "./prepare.ts";
import type { BuildOptions, BuildRooms, ChosenExecutor } from "./rooms.ts";

/**
 * What executes in a build, measured when something must be executed. Until then the levels of the last measurement say
 * what earlier results are held against: a build that only restores needs no sandbox tried.
 */
export class MeasuredExecutor {
  readonly #prepared: Prepared;
  readonly #options: BuildOptions;
  readonly #rooms: BuildRooms;

  constructor(prepared: Prepared, options: BuildOptions, rooms: BuildRooms) {
    this.#prepared = prepared;
    this.#options = options;
    this.#rooms = rooms;
  }

  async levels(): Promise<MeasuredLevels> {
    const remembered = this.#options.choseExecutor ? undefined : this.#prepared.state.defaultLevels;
    return remembered ?? levelsOf(await this.chosen());
  }

  /** Measures, and remembers what came of it where the user left the choice to begat. */
  async chosen(): Promise<ChosenExecutor> {
    const chosen = await this.#rooms.executor(this.#prepared.loaded.plan.hasImages);
    if (!this.#options.choseExecutor) this.#prepared.state.defaultLevels = levelsOf(chosen);
    return chosen;
  }
}

function levelsOf(chosen: ChosenExecutor): MeasuredLevels {
  return { host: chosen.hostLevel, image: chosen.imageLevel, by: chosen.executor.name };
}
