import { posix } from "node:path";
import type { ExecutionRequest } from "./executor.ts";

/** Where a recipe finds things, by the paths it sees itself. */
export interface RecipePlaces {
  readonly build: string;
  readonly home: string;
  readonly tmp: string;
}

/** Linux: MAX_ARG_STRLEN, 32 pages, for `name=value` and its NUL. */
const LONGEST_VARIABLE_BYTES = 128 * 1024;
/** A quarter of the usual 8 MiB stack is for arguments and environment together; half of that is ours. */
const ENVIRONMENT_BYTES = 1024 * 1024;

/**
 * The environment a recipe gets: the request's, with HOME and TMPDIR, and the path variables made absolute. A variable
 * longer than the kernel takes is left out (10,000 input names do not fit into `in`; they are in the file BEGAT_IN),
 * and so are the longest ones while all together are over 1 MiB. Both limits are the same on every machine.
 */
export function recipeEnvironment(request: ExecutionRequest, places: RecipePlaces): [name: string, value: string][] {
  const base = request.directory === "" ? places.build : `${places.build}/${request.directory}`;
  const variables: [string, string][] = [];
  let total = 0;
  for (const [name, given] of request.env) {
    if (name === "HOME" || name === "TMPDIR") continue;
    const value = request.pathVariables.includes(name) ? posix.join(base, given) : given;
    // No environment can hold it.
    if (value.includes("\0")) continue;
    const size = byteLength(name) + byteLength(value) + 2;
    if (size > LONGEST_VARIABLE_BYTES) continue;
    total += size;
    variables.push([name, value]);
  }
  if (total > ENVIRONMENT_BYTES) leaveOutLongest(variables, total);
  variables.push(["HOME", places.home], ["TMPDIR", places.tmp]);
  return variables;
}

function leaveOutLongest(variables: [string, string][], total: number): void {
  // By the text as declared, not as staged: what is left out must not depend on where the slot is.
  const bySize = [...variables].sort((a, b) => byteLength(b[1]) - byteLength(a[1]));
  for (const longest of bySize) {
    if (total <= ENVIRONMENT_BYTES) return;
    total -= byteLength(longest[0]) + byteLength(longest[1]) + 2;
    variables.splice(variables.indexOf(longest), 1);
  }
}

/** Counting bytes costs; most strings are short enough whatever they hold. */
function byteLength(text: string): number {
  return text.length < 1024 ? text.length : Buffer.byteLength(text);
}
