import type { Diagnostic, RenderOptions } from "../../dictum-parser/index.ts";
import type { BuildEvent, EventListener } from "../../scheduler/index.ts";

export type DrawDiagnostic = (diagnostic: Diagnostic, options: RenderOptions) => string;

/**
 * Draws mistakes with the parser's own printer, which is loaded with the first of them: a build without mistakes does
 * not read the parser at all, and reading it costs 3 ms.
 *
 * From the first mistake until the printer is there events are held back, in order.
 */
export class LateDiagnostics {
  readonly #load: () => Promise<DrawDiagnostic>;
  #draw: DrawDiagnostic | undefined;
  #held: BuildEvent[] | undefined;
  #loading: Promise<void> | undefined;

  constructor(load: () => Promise<DrawDiagnostic>) {
    this.#load = load;
  }

  /** For a narrator; only ever called for events that passed `listener`. */
  draw(diagnostic: Diagnostic, options: RenderOptions): string {
    return this.#draw?.(diagnostic, options) ?? `${diagnostic.message}\n`;
  }

  /** Passes events on to `next`, late where they must wait. */
  listener(next: EventListener): EventListener {
    return (event) => {
      if (this.#held !== undefined) {
        this.#held.push(event);
        return;
      }
      if (event.type !== "diagnostics" || this.#draw !== undefined) {
        next(event);
        return;
      }
      this.#held = [event];
      this.#loading = this.#load().then((draw) => {
        this.#draw = draw;
        const held = this.#held ?? [];
        this.#held = undefined;
        for (const late of held) next(late);
      });
    };
  }

  /** Resolves when nothing is held back any more. */
  async settled(): Promise<void> {
    await this.#loading;
  }
}
