/**
 * Orders two strings by the bytes of their UTF-8 form, as REAPI and our manifests ask.
 *
 * JavaScript's `<` compares UTF-16 units, which puts U+10000 and above before U+E000..U+FFFF: another order, and
 * another digest. Strings without surrogates compare alike in both, so the slow path is rare.
 */
export function compareUtf8(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    let x = a.charCodeAt(i);
    let y = b.charCodeAt(i);
    if (x === y) continue;
    // Moves surrogates above the rest of the basic plane: the order of code points, which is that of UTF-8 bytes.
    if (x >= 0xd800 && y >= 0xd800) {
      x = x >= 0xe000 ? x - 0x800 : x + 0x2000;
      y = y >= 0xe000 ? y - 0x800 : y + 0x2000;
    }
    return x < y ? -1 : 1;
  }
  return a.length - b.length;
}
