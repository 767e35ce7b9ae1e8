import type { ExecutionRequest, Isolation, OutputListener } from "./executor.ts";
import type { LaunchedCommand } from "./launcher/launcher.ts";
import type { Containment } from "./launcher/launcher-command.ts";
import type { RecipePlaces } from "./recipe-environment.ts";
import type { BoundInput } from "./staging/input-stager.ts";
import type { Variation } from "./variation.ts";

/** What the back ends share a run with: one slot's directories. */
export interface SlotPlaces {
  /** The slot's own directory, absolute; `build`, `home`, `tmp`, `io` stand in it. */
  readonly directory: string;
  readonly build: string;
  readonly uid: number | undefined;
  readonly medium: "memory" | "disk";
  /** `file` as whoever runs in this slot reaches it; `undefined` when it cannot. */
  readonly reach: (file: string) => string | undefined;
  /** The root file system of recipes in this slot, as its launcher reaches it; `undefined`: the host's own tools. */
  readonly image: string | undefined;
  /** The same, as begat reaches it. */
  readonly imageRoot: string | undefined;
  /** Number of its seat: two recipes that run at once have different ones. */
  readonly index: number;
}

/** One recipe, staged. */
export interface RecipeRun {
  readonly request: ExecutionRequest;
  readonly environment: readonly (readonly [string, string])[];
  readonly slot: SlotPlaces;
  readonly bound: readonly BoundInput[];
  /** How long a process that outlives the recipe may take to end by itself; hundredths of a second. */
  readonly patience: number;
  readonly variation?: Variation | undefined;
  /** Numbers of the processors it is to use, which the fewest others use now; absent: as its seat and variation say. */
  readonly processors?: readonly number[] | undefined;
  /** What stands before a command to trace it. */
  readonly tracer?: readonly string[] | undefined;
}

/** How one back end differs from another; everything else is `StagedExecutor`. */
export interface BackEnd {
  readonly name: Isolation["backend"];
  /** Best first; the first that starts is used. */
  readonly containments: readonly Containment[];
  /** Large inputs are seen in place instead of being copied. */
  readonly bindsInputs: boolean;
  /** Directories that only begat's own user can enter are no obstacle to what is seen in place. */
  readonly reachesAll?: boolean;
  /** Words before the launcher's own, for what its children inherit. */
  wrap?(slot: SlotPlaces): readonly string[];
  /** Called while a launcher starts, before it gets its first command. */
  prepare(slot: SlotPlaces): void;
  /** Shell text for a launcher's start. */
  setup(slot: SlotPlaces): string;
  placesOf(slot: SlotPlaces): RecipePlaces;
  /** Name of the program that makes the sandbox and then starts the recipe in it; `undefined`: there is none. */
  readonly sandbox: string | undefined;
  /** The first program which that one starts is the recipe; else it is one that looks after the recipe. */
  readonly sandboxStartsRecipe?: boolean;
  /** Shell text that runs the recipe and leaves its status in `$?`. */
  command(run: RecipeRun): string;
  /** Runs the recipe itself, without a launcher; aborting kills it. */
  run?(run: RecipeRun, signal: AbortSignal, onOutput: OutputListener | undefined): Promise<LaunchedCommand>;
  /** Argument vector for a recipe that has the terminal; run by begat itself. */
  interactiveCommand(run: RecipeRun): {
    readonly argv: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly cwd: string;
    /** It becomes the recipe's user itself. */
    readonly dropsUser?: boolean;
  };
  /** The slot in `directory` is no more. */
  leave?(directory: string): void;
}
