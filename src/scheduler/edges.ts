/**
 * Turns "waits for" into "is waited for by".
 *
 * @param count Of targets.
 * @param shift Bits of each element of `list` that are no part of the target's number.
 */
export function reverse(
  offsets: Uint32Array,
  list: Uint32Array,
  count = offsets.length - 1,
  shift = 0,
): { offsets: Uint32Array; list: Uint32Array } {
  const reversed = new Uint32Array(count + 1);
  for (let i = 0; i < list.length; i++) {
    const target = (list[i] as number) >>> shift;
    reversed[target + 1] = (reversed[target + 1] as number) + 1;
  }
  for (let i = 0; i < count; i++) reversed[i + 1] = (reversed[i + 1] as number) + (reversed[i] as number);
  const fill = reversed.slice(0, count);
  const sources = new Uint32Array(list.length);
  for (let from = 0; from < offsets.length - 1; from++) {
    for (let i = offsets[from] as number; i < (offsets[from + 1] as number); i++) {
      const target = (list[i] as number) >>> shift;
      sources[fill[target] as number] = from;
      fill[target] = (fill[target] as number) + 1;
    }
  }
  return { offsets: reversed, list: sources };
}
