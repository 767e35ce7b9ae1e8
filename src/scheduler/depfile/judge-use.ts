import { relativeTo } from "../../base/index.ts";
import type { EvaluatedChore } from "../../dictum-parser/index.ts";
import type { ExecutionRequest, ExecutionResult } from "../../executor/index.ts";
import type { Plan } from "../plan.ts";
import type { BuildRooms } from "../rooms.ts";
import { parseDepfile } from "./parse-depfile.ts";
import { usedInputs } from "./used-inputs.ts";

/** A result as begat takes it. */
export interface Judged {
  readonly result: ExecutionResult;
  readonly properties: Readonly<Record<string, string>>;
  /** Inputs the recipe read, sorted; `undefined` where nobody knows. */
  readonly used?: readonly string[] | undefined;
}

const MOST_BYTES = 64 * 1024 * 1024;
const SHOWN = 5;

/** Takes what a good result says of the inputs that were read; a depfile that is none, or names what is not declared, spoils it. */
export function judgeUse(
  judged: Judged,
  { attributes, depfile }: Pick<EvaluatedChore, "attributes" | "depfile">,
  request: ExecutionRequest,
  rooms: Pick<BuildRooms, "blobs" | "checkout">,
): Judged {
  const { result } = judged;
  if (result.verdict !== "ok" || (depfile === undefined && !attributes.traced)) return judged;
  const spoilt = (verdict: "output-rejected" | "input-undeclared", detail: string): Judged => ({
    result: { ...result, verdict, detail },
    properties: {},
  });
  const seen = new Set<string>(result.reads ?? []);
  for (const { path, isInside, found } of result.accesses ?? []) if (isInside && found) seen.add(path);
  let prerequisites: readonly string[] = [];
  if (depfile !== undefined) {
    const output = result.outputs.find(({ path }) => path === depfile);
    if (output?.kind !== "file") return spoilt("output-rejected", `depfile ${depfile} is no regular file`);
    if (output.digest.sizeBytes > MOST_BYTES)
      return spoilt(
        "output-rejected",
        `depfile ${depfile} has ${output.digest.sizeBytes} bytes, ${MOST_BYTES} allowed`,
      );
    const parsed = parseDepfile(rooms.blobs.read(output.digest).toString());
    if (!parsed.ok) return spoilt("output-rejected", `depfile ${depfile}: ${parsed.problem}`);
    prerequisites = parsed.prerequisites;
  }
  const facts = { request, result, checkoutRoot: rooms.checkout.root, prerequisites, seen: [...seen] };
  const { used, undeclared } = usedInputs(facts);
  if (undeclared.length > 0) {
    const more = undeclared.length > SHOWN ? ` and ${undeclared.length - SHOWN} more` : "";
    return spoilt("input-undeclared", `${UNDECLARED}${undeclared.slice(0, SHOWN).join(", ")}${more}`);
  }
  const isKnown = depfile !== undefined || result.accesses !== undefined;
  return isKnown ? { ...judged, used } : judged;
}

const UNDECLARED = "the recipe read what in[] does not declare: ";

/** The line to add, as the begatfile has to have it. */
export function undeclaredHint(plan: Plan, chore: number, detail: string): string {
  const { dictum, directory } = plan.chore(chore);
  const names = detail
    .slice(UNDECLARED.length)
    .replace(/ and \d+ more$/, "")
    .split(", ");
  return `add to dictum ${dictum}: in [ ${names.map((name) => relativeTo(directory, name as typeof directory)).join(" ")} ]`;
}
