import type { EvaluatedChore } from "../dictum-parser/index.ts";
import type { ExecutionRequest } from "../executor/index.ts";
import type { Plan } from "./plan.ts";

/** Where a chore runs, and why there: the live view, `begat why` and the ledger show the same. */
export interface Place {
  readonly on: "here" | "farm";
  readonly because: string;
}

/** What an rnode is told of a recipe's needs; any other name is a pool that this build shares out. */
const TRAVELLING_RESOURCES: ReadonlySet<string> = new Set(["cpu", "memory", "pids"]);

/** Why this chore runs on this machine whatever a farm could do; `undefined` where it need not. */
export function boundHere(
  plan: Plan,
  chore: number,
  { attributes, depfile }: Pick<EvaluatedChore, "attributes" | "depfile">,
  request: ExecutionRequest,
): string | undefined {
  if (plan.has(chore, "image")) return "begat builds images itself";
  if (attributes.interactive) return "it has the terminal";
  if (attributes.exclusive) return "it runs alone on this machine";
  if (attributes.traced || depfile !== undefined) return "what it reads is looked at here";
  if (request.network === "host") return "it uses this machine's network";
  const pool = Object.keys(request.resources).find((name) => !TRAVELLING_RESOURCES.has(name));
  return pool === undefined ? undefined : `${pool} is shared out here`;
}
