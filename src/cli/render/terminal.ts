import type { BuildEvent } from "../../scheduler/index.ts";
import type { Output, Ticker } from "../output.ts";
import { LiveState } from "./live-state.ts";
import type { Narrator } from "./narrator.ts";
import { createPlainRenderer } from "./plain.ts";
import type { Renderer } from "./renderer.ts";

/** A build that ends before this never shows a live view, and never pays for loading it. */
const LIVE_AFTER_MS = 300;

export interface LiveTools {
  readonly every: Ticker;
  readonly now: () => number;
  readonly colour: boolean;
  /** Loads the live view; rejects where it cannot be had. */
  readonly load: () => Promise<typeof import("./live.tsx")>;
}

/** Plain lines first, the live view once the build has lasted; both tell the same lines. */
export function createTerminalRenderer(output: Output, narrator: Narrator, tools: LiveTools): Renderer {
  const state = new LiveState(narrator.tally, tools.now());
  let current = createPlainRenderer(output, narrator, tools.every);
  let isLive = false;
  let finished = false;

  const goLive = async (): Promise<void> => {
    let module: typeof import("./live.tsx");
    try {
      module = await tools.load();
    } catch {
      // Plain lines say the same; a build does not fail for want of a prettier view of it.
      return;
    }
    if (finished) return;
    current.finish();
    current = module.createLiveRenderer(output, narrator, state, tools);
    isLive = true;
  };
  let stopWaiting: (() => void) | undefined = tools.every(LIVE_AFTER_MS, () => {
    stopWaiting?.();
    stopWaiting = undefined;
    void goLive();
  });

  return {
    onEvent(event: BuildEvent) {
      current.onEvent(event);
      if (!isLive) state.apply(event, tools.now());
    },
    cancelling(text) {
      state.cancel();
      current.cancelling(text);
    },
    finish() {
      finished = true;
      stopWaiting?.();
      stopWaiting = undefined;
      current.finish();
    },
  };
}
