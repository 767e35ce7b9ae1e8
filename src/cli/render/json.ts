import type { BuildEvent } from "../../scheduler/index.ts";
import type { Output, Ticker } from "../output.ts";
import type { Renderer } from "./renderer.ts";

/** Version of the event lines; raised when a member changes its meaning or goes. Members may be added at any time. */
export const EVENT_VERSION = 1;

/** One event as a line of JSON. A member that has no value is `null`, so that every line of a type has all members. */
export function eventLine(event: BuildEvent): string {
  return jsonLine(event);
}

/** Anything with a `type`, as a line among events. */
export function jsonLine(value: { readonly type: string }): string {
  return `${JSON.stringify({ v: EVENT_VERSION, ...value }, absentAsNull)}\n`;
}

/** One document for the verbs that answer once. */
export function documentText(verb: string, answer: object): string {
  return `${JSON.stringify({ v: EVENT_VERSION, verb, ...answer }, absentAsNull, 2)}\n`;
}

function absentAsNull(_key: string, value: unknown): unknown {
  return value === undefined ? null : value;
}

/** JSON Lines, gathered like plain lines; nothing else is on the stream. */
export function createJsonRenderer(output: Output, every: Ticker): Renderer {
  let held = "";
  let isUnderWay = false;
  let stop: (() => void) | undefined;
  const flush = () => {
    stop?.();
    stop = undefined;
    if (held !== "") output.write(held);
    held = "";
  };
  return {
    onEvent(event) {
      held += eventLine(event);
      // That it goes on is told at once; from the first chore on there are many lines, and they are gathered.
      if (isUnderWay) stop ??= every(50, flush);
      else flush();
      isUnderWay ||= event.type === "chore-started";
    },
    cancelling() {},
    finish: flush,
  };
}
