import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OutputCapture } from "../../src/executor/launcher/output-capture.ts";
import { shellWords } from "../../src/executor/launcher/shell-word.ts";

const MARK = "\u0001nonce:";
const MARK_BYTES = MARK.length + "000:00000\n".length;

/** Feeds `bytes` in pieces of the given sizes; answers the capture and the mark. */
function feed(bytes: Buffer, sizes: readonly number[], keepBytes: number) {
  const seen: Buffer[] = [];
  const capture = new OutputCapture(Buffer.from(MARK), MARK_BYTES, keepBytes, (piece) => seen.push(Buffer.from(piece)));
  let mark: string | undefined;
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[i % sizes.length] as number);
    mark = capture.feed(bytes.subarray(at, at + size));
    at += size;
  }
  return { capture, mark, seen: Buffer.concat(seen) };
}

// Bytes that look like marks are what is interesting.
const output = fc
  .array(fc.oneof(fc.string(), fc.constantFrom("\u0001", MARK, `${MARK}000:00000`, `${MARK}000:00000\n`)))
  .map((pieces) => Buffer.from(pieces.join("")));
const sizes = fc.array(fc.integer({ min: 1, max: 60 }));

describe("output capture", () => {
  test("passes on exactly what was printed and finds the mark, however it is cut into pieces", () => {
    fc.assert(
      fc.property(output, sizes, (bytes, cut) => {
        // A mark counts only at the end of what has come; the recipe does not know the nonce, so it prints none.
        const printed = Buffer.from(bytes.toString("latin1").replaceAll(MARK, "\u0001nonce-"), "latin1");
        const { capture, mark, seen } = feed(Buffer.concat([printed, Buffer.from(`${MARK}003:00002\n`)]), cut, 1000);
        expect(mark).toBe("003:00002");
        expect(seen.equals(printed)).toBe(true);
        expect(capture.totalBytes).toBe(printed.length);
      }),
    );
  });

  test("keeps everything when the launcher ends without a mark", () => {
    fc.assert(
      fc.property(sizes, (cut) => {
        const bytes = Buffer.from(`text\u0001nonce:12`);
        const { capture, mark } = feed(bytes, cut, 1000);
        capture.end();
        expect(mark).toBeUndefined();
        expect(capture.text().equals(bytes)).toBe(true);
      }),
    );
  });

  test("keeps the beginning and the end, and says how much it left out", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), sizes, (length, cut) => {
        const bytes = Buffer.from(Array.from({ length }, (_, i) => 97 + (i % 26)));
        const { capture } = feed(bytes, cut, 50);
        const text = capture.text().toString();
        if (length <= 100) expect(text).toBe(bytes.toString());
        else {
          const [head, tail] = [bytes.subarray(0, 50), bytes.subarray(-50)];
          expect(text).toBe(`${head}\n[${length - 100} bytes left out]\n${tail}`);
        }
      }),
    );
  });
});

test("a shell gets back the words that were quoted for it", () => {
  const word = fc.string({ unit: "binary" }).filter((text) => text.isWellFormed() && !text.includes("\0"));
  const words = fc.sample(fc.array(word, { maxLength: 5 }), 100).flat();
  const printed = execFileSync("/bin/sh", ["-c", `printf '%s\\0' ${shellWords(["", "it's", ...words])}`]);
  expect(printed.toString().split("\0").slice(0, -1)).toEqual(["", "it's", ...words]);
});
