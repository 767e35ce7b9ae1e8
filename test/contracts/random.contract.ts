import { describe, expect, test } from "vitest";
import type { Random } from "../../src/ports/index.ts";

export function randomContract(name: string, make: () => Random): void {
  describe(`random contract: ${name}`, () => {
    test.each([0, 1, 32, 70_000])("bytes(%i) has that many", (count) => {
      const bytes = make().bytes(count);
      expect(bytes).toBeInstanceOf(Uint8Array);
      expect(bytes.length).toBe(count);
    });

    test("bytes differ from call to call", () => {
      const random = make();
      expect(Buffer.from(random.bytes(16)).equals(random.bytes(16))).toBe(false);
    });

    test("every byte value comes up", () => {
      expect(new Set(make().bytes(20_000)).size).toBe(256);
    });

    test.each([1, 2, 7, 1000, 2 ** 31])("below(%i) stays in range and is an integer", (bound) => {
      const random = make();
      for (let i = 0; i < 1000; i++) {
        const value = random.below(bound);
        expect(Number.isInteger(value) && value >= 0 && value < bound).toBe(true);
      }
    });

    test("below is about uniform", () => {
      const random = make();
      const counts = new Array<number>(8).fill(0);
      for (let i = 0; i < 16_000; i++) {
        const at = random.below(8);
        counts[at] = (counts[at] ?? 0) + 1;
      }
      for (const count of counts) {
        // 2,000 expected; 300 is seven standard deviations.
        expect(Math.abs(count - 2000)).toBeLessThan(300);
      }
    });
  });
}
