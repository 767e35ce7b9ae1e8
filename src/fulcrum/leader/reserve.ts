import type { Needs } from "./needs.ts";

interface WaitedFor {
  readonly needs: Needs;
  executions: number;
  /** Once there are none: until when more of them are waited for. */
  untilMs: number;
}

/**
 * What somebody waits for, by its needs. A build that is waited for comes in waves: between two of them its slots would go
 * to others, and the next wave would wait until those have ended.
 */
export class Reserve {
  readonly #kinds = new Map<string, WaitedFor>();

  begun(needs: Needs): void {
    const kind = this.#kinds.get(needs.key);
    if (kind === undefined) this.#kinds.set(needs.key, { needs, executions: 1, untilMs: 0 });
    else kind.executions++;
  }

  /** @returns whether it was the last one. */
  ended(needs: Needs, untilMs: number): boolean {
    const kind = this.#kinds.get(needs.key);
    if (kind === undefined) return false;
    kind.executions--;
    kind.untilMs = untilMs;
    return kind.executions === 0;
  }

  /** Needs of all that is waited for now. */
  needs(now: number): readonly Needs[] {
    if (this.#kinds.size === 0) return NONE;
    const wanted: Needs[] = [];
    for (const [key, { needs, executions, untilMs }] of this.#kinds) {
      if (executions > 0 || now < untilMs) wanted.push(needs);
      else this.#kinds.delete(key);
    }
    return wanted;
  }
}

const NONE: readonly Needs[] = [];
