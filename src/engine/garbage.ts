import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

/**
 * Collects garbage now. A look at a large checkout reads plan and state, some 50 bytes a file, and drops them; V8 sees a
 * few small objects in that and no reason to hurry, and the process would hold on to it for as long as it is idle.
 */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
}
