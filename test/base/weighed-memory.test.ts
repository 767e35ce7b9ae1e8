import fc from "fast-check";
import { expect, test } from "vitest";
import { sha256, WeighedMemory } from "../../src/base/index.ts";

test("whatever is remembered is what was set first since all was forgotten, and never weighs more than there is room for", () => {
  const step = fc.record({ of: fc.integer({ min: 0, max: 9 }), weight: fc.nat(12) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const memory = new WeighedMemory<number>(10);
      let kept = new Map<number, { value: number; weight: number }>();
      for (const [value, { of, weight }] of steps.entries()) {
        memory.set(sha256(`${of}`), value, weight);
        if (!kept.has(of) && weight <= 10) {
          const all = [...kept.values()].reduce((sum, one) => sum + one.weight, 0);
          if (all + weight > 10) kept = new Map();
          kept.set(of, { value, weight });
        }
        for (let other = 0; other <= 9; other++) expect(memory.get(sha256(`${other}`))).toBe(kept.get(other)?.value);
      }
    }),
  );
});
