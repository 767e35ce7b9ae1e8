import type { Output, Ticker } from "../output.ts";
import type { Narrator } from "./narrator.ts";
import type { Renderer } from "./renderer.ts";

/** Text is gathered this long: writes to a pipe are synchronous, and one for each of 10,000 lines costs 50 ms. */
const GATHER_MS = 50;

/** Lines for logs, and for a terminal until the live view is there. */
export function createPlainRenderer(output: Output, narrator: Narrator, every: Ticker): Renderer {
  let held = "";
  let stop: (() => void) | undefined;
  const flush = () => {
    stop?.();
    stop = undefined;
    if (held === "") return;
    const text = held;
    held = "";
    output.write(text);
  };
  return {
    onEvent(event) {
      const text = narrator.tell(event);
      if (text === "") return;
      held += text;
      // What calls for a person is shown at once: begat may be killed next.
      if (event.type === "chore-failed" || event.type === "notice" || event.type === "waiting") flush();
      else stop ??= every(GATHER_MS, flush);
    },
    cancelling(text) {
      held += text;
      flush();
    },
    finish: flush,
  };
}
