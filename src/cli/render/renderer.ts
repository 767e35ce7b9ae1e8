import type { BuildEvent } from "../../scheduler/index.ts";

/** A reader of a build's events that shows them. */
export interface Renderer {
  onEvent(event: BuildEvent): void;
  /** The build is being cancelled; `text` is a line that says so. */
  cancelling(text: string): void;
  /** Shows what is still held back and leaves the terminal as it was. Idempotent. */
  finish(): void;
}
