import { writeSync } from "node:fs";
import type { Clock, Log } from "../ports/index.ts";

type Fields = Readonly<Record<string, string | number | boolean>>;
const LEVELS = ["debug", "info", "warn"] as const;
export type LogLevel = (typeof LEVELS)[number];

/** One JSON object a line on standard error: `{"at":"...","level":"warn","event":"...",...fields}`. */
export class StderrLog implements Log {
  readonly #clock: Clock;
  readonly #least: number;
  readonly #write: (line: string) => void;

  /** @param least Events below this level are dropped. */
  constructor(
    clock: Clock,
    least: LogLevel = "info",
    write: (line: string) => void = (line) => void writeSync(2, line),
  ) {
    this.#clock = clock;
    this.#least = LEVELS.indexOf(least);
    this.#write = write;
  }

  debug(event: string, fields?: Fields): void {
    this.#log("debug", event, fields);
  }

  info(event: string, fields?: Fields): void {
    this.#log("info", event, fields);
  }

  warn(event: string, fields?: Fields): void {
    this.#log("warn", event, fields);
  }

  #log(level: LogLevel, event: string, fields: Fields | undefined): void {
    if (LEVELS.indexOf(level) < this.#least) return;
    const at = new Date(this.#clock.nowMs()).toISOString();
    try {
      this.#write(`${JSON.stringify({ at, level, event, ...fields })}\n`);
    } catch {
      // A log that cannot be written (closed pipe, full disk) must not end the build it tells about.
    }
  }
}
