/**
 * Rows as lines, each column as wide as its widest cell, two blanks between, nothing after the last.
 *
 * @param rows Cells without colour, so that their length is their width.
 * @param paint Colours a cell after it was padded.
 */
export function tableText(
  rows: readonly (readonly string[])[],
  options: {
    readonly indent?: string;
    readonly right?: ReadonlySet<number>;
    readonly paint?: (cell: string, column: number, row: number) => string;
  } = {},
): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  const { indent = "", right, paint = (cell) => cell } = options;
  let text = "";
  rows.forEach((row, rowIndex) => {
    const cells = row.map((cell, i) => {
      const width = widths[i] ?? 0;
      const isLast = i === row.length - 1;
      return paint(right?.has(i) ? cell.padStart(width) : isLast ? cell : cell.padEnd(width), i, rowIndex);
    });
    text += `${(indent + cells.join("  ")).trimEnd()}\n`;
  });
  return text;
}
