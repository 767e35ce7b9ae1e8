import type { Difference } from "../../scheduler/index.ts";
import { formatCount } from "../quantity.ts";
import { oneLine } from "./sanitise.ts";

/** Where two results of one chore first differ: `obj/a.o differs at byte 120: 0x41, then 0x42`. */
export function differenceText(difference: Difference): string {
  return oneLine(`${place(difference)}${whatDiffers(difference)}`);
}

function place({ path, member }: Difference): string {
  return member === undefined ? path : `${path}/${member}`;
}

function whatDiffers({ kind, offset = 0, first, second, detail = "" }: Difference): string {
  switch (kind) {
    case "bytes": {
      const at = `at byte ${formatCount(offset)}`;
      if (first === undefined) return ` is longer the second time: it goes on ${at} with ${hex(second)}`;
      if (second === undefined) return ` is shorter the second time: it ends ${at}, before ${hex(first)}`;
      return ` differs ${at}: ${hex(first)}, then ${hex(second)}`;
    }
    case "missing":
      return " was not made the second time";
    case "extra":
      return " was made the second time only";
    case "kind":
      return " is of another kind the second time";
    case "link":
      return " leads elsewhere the second time";
    case "mode":
      return " is executable one time only";
    case "failed":
      return `the second run failed: ${detail}`;
  }
}

function hex(byte: number | undefined): string {
  return `0x${(byte ?? 0).toString(16).padStart(2, "0")}`;
}
