import type { Sha256 } from "../base/index.ts";
import { type ActionListing, OWN_VARIABLES, readAction } from "../executor/index.ts";
import type { Decision } from "./events.ts";

const IMAGE = "container-image";

/**
 * Why an action differs from an earlier execution of the same chore: the first difference in the order image, recipe,
 * inputs, variables, the rest. `undefined` when the earlier action cannot be read or is the same.
 *
 * @param was Ledger seq of the earlier execution.
 * @param counts Whether another content of this input is a reason; that an input came or went always is.
 */
export function explainDifference(
  before: ActionListing | undefined,
  now: ActionListing,
  was: number,
  counts: (path: string) => boolean = () => true,
): Decision | undefined {
  if (before === undefined) return undefined;
  const platform = (listing: ActionListing): string => listing.platform.find(([name]) => name === IMAGE)?.[1] ?? "";
  if (platform(before) !== platform(now))
    return { reason: "image changed", from: platform(before), to: platform(now), was };
  if (before.recipe !== now.recipe || before.argv.join("\0") !== now.argv.join("\0"))
    return { reason: "recipe changed", was };

  const inputsBefore = new Map(before.inputs.map((input) => [input.path, input]));
  for (const { path, digest, executable } of now.inputs) {
    if (path.startsWith(".begat/") && !path.startsWith(".begat/source/")) continue;
    const earlier = inputsBefore.get(path);
    inputsBefore.delete(path);
    if (earlier === undefined) return { reason: "input changed", input: path, from: "absent", to: digest, was };
    if (earlier.digest !== digest && counts(path))
      return { reason: "input changed", input: path, from: earlier.digest, to: digest, was };
    if (earlier.executable !== executable) {
      return { reason: "input changed", input: path, from: mode(earlier.executable), to: mode(executable), was };
    }
  }
  for (const { path, digest } of inputsBefore.values()) {
    if (path.startsWith(".begat/") && !path.startsWith(".begat/source/")) continue;
    return { reason: "input changed", input: path, from: digest, to: "absent", was };
  }

  const envBefore = new Map(before.env);
  const names = new Set([...envBefore.keys(), ...now.env.map(([name]) => name)]);
  const envNow = new Map(now.env);
  for (const name of [...names].sort()) {
    if (OWN_VARIABLES.has(name) || envBefore.get(name) === envNow.get(name)) continue;
    return {
      reason: "variable changed",
      name,
      from: envBefore.get(name) ?? "unset",
      to: envNow.get(name) ?? "unset",
      was,
    };
  }
  if (before.directory !== now.directory) return { reason: "declaration changed", what: "directory", was };
  if (before.outputPaths.join("\0") !== now.outputPaths.join("\0"))
    return { reason: "declaration changed", what: "outputs", was };
  if (JSON.stringify(before.platform) !== JSON.stringify(now.platform))
    return { reason: "declaration changed", what: "network", was };
  // Whatever the list of files does not show: empty directories, and links that turned into files of the same text.
  const own = (listing: ActionListing): string =>
    listing.inputs.flatMap(({ path, digest }) => (path.startsWith(".begat/") ? digest : [])).join();
  if (before.inputRoot.hash !== now.inputRoot.hash && own(before) === own(now))
    return { reason: "declaration changed", what: "directories", was };
  return undefined;
}

const mode = (executable: boolean): string => (executable ? "executable" : "not executable");

/** As `readAction`, but whatever is wrong with the manifests only costs the explanation. */
export function readActionIfPossible(
  action: Sha256,
  manifest: (hash: Sha256) => Uint8Array | undefined,
): ActionListing | undefined {
  try {
    return readAction(action, manifest);
  } catch {
    return undefined;
  }
}
