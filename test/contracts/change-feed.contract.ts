import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ChangeFeed, ChangeFeedError, type Changes } from "../../src/ports/index.ts";

export interface ChangeFeedHarness {
  readonly feed: ChangeFeed;
  /** Absolute; there already are `a` and `a/b` in it, and a file `a/old`. */
  readonly root: string;
  write(path: string, text: string): void;
  makeDirectory(path: string): void;
  remove(path: string): void;
  rename(from: string, to: string): void;
  dispose(): void;
}

export function changeFeedContract(name: string, make: () => Promise<ChangeFeedHarness>): void {
  describe(`change feed contract: ${name}`, () => {
    let world: ChangeFeedHarness;
    beforeEach(async () => {
      world = await make();
    });
    afterEach(async () => {
      await world.feed.close();
      world.dispose();
    });

    const at = (path: string): string => `${world.root}/${path}`;

    /** What is told until `enough`; an exact feed needs one drain for it, any other has time. */
    async function told(enough: (changes: Changes) => boolean): Promise<Changes> {
      const all = { changed: new Set<number>(), lost: new Set<number>() };
      for (;;) {
        const something = new Promise<void>((resolve) => {
          const undo = world.feed.onChange(() => {
            undo();
            resolve();
          });
        });
        const { changed, lost } = await world.feed.drain();
        for (const number of changed) all.changed.add(number);
        for (const number of lost) all.lost.add(number);
        const changes = { changed: [...all.changed].sort(), lost: [...all.lost].sort(), doubt: undefined };
        if (enough(changes)) return changes;
        expect(world.feed.isExact, "an exact feed has told all in the first drain").toBe(false);
        await something;
      }
    }

    test("numbers directories, the same number for the same directory", async () => {
      const first = await world.feed.watch([at("a"), at("a/b"), at("a")]);
      expect(first).toEqual([0, 1, 0]);
      expect(await world.feed.watch([at("a/b")])).toEqual([1]);
      expect(await world.feed.drain()).toEqual({ changed: [], lost: [], doubt: undefined });
    });

    test.each<readonly [what: string, change: () => void]>([
      ["written anew", () => world.write(at("a/new"), "1")],
      ["written over", () => world.write(at("a/old"), "another text")],
      ["removed", () => world.remove(at("a/old"))],
      ["renamed", () => world.rename(at("a/old"), at("a/other"))],
      ["given a directory", () => world.makeDirectory(at("a/c"))],
    ])("tells in which directory something was %s", async (_what, change) => {
      await world.feed.watch([at("a"), at("a/b")]);
      change();
      const { changed, lost } = await told((changes) => changes.changed.includes(0));
      expect({ changed, lost }).toEqual({ changed: [0], lost: [] });
    });

    test("tells a change once, and the next one again", async () => {
      await world.feed.watch([at("a/b")]);
      world.write(at("a/b/x"), "1");
      await told(({ changed }) => changed.includes(0));
      world.write(at("a/b/x"), "22");
      await told(({ changed }) => changed.includes(0));
    });

    test("says nothing of what is deeper than a directory's own entries", async () => {
      await world.feed.watch([at("a")]);
      world.write(at("a/b/deep"), "1");
      world.write(at("a/near"), "1");
      await told(({ changed }) => changed.includes(0));
    });

    test("wakes who listens, until they listen no more", async () => {
      await world.feed.watch([at("a")]);
      let other = 0;
      world.feed.onChange(() => other++)();
      const woken = new Promise<void>((resolve) => world.feed.onChange(resolve));
      world.write(at("a/x"), "1");
      await woken;
      expect(other).toBe(0);
    });

    test("tells that a watched directory is gone, and watches the next one of that name anew", async () => {
      await world.feed.watch([at("a"), at("a/b")]);
      world.remove(at("a/b"));
      const { lost } = await told(
        (changes) => changes.lost.includes(1) || (!world.feed.isExact && changes.changed.includes(0)),
      );
      if (world.feed.isExact) expect(lost).toEqual([1]);
      world.feed.forget(at("a/b"));
      world.makeDirectory(at("a/b"));
      const [number] = await world.feed.watch([at("a/b")]);
      expect(number).toBe(2);
      world.write(at("a/b/x"), "1");
      await told(({ changed }) => changed.includes(2));
    });

    test("refuses what is not there", async () => {
      const refused = await world.feed.watch([at("a"), at("nowhere")]).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(ChangeFeedError);
      expect((refused as ChangeFeedError).code).toBe("FEED_REFUSED");
      expect(await world.feed.watch([at("a"), at("a/b")])).toEqual([0, 1]);
    });

    test("ends", async () => {
      await world.feed.watch([at("a")]);
      await world.feed.close();
      const refused = await world.feed.drain().catch((error: unknown) => error);
      expect((refused as ChangeFeedError).code).toBe("FEED_ENDED");
    });
  });
}
