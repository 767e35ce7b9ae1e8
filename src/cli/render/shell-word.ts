/** `word` as a POSIX shell reads it back: as it is where nothing in it is special, else quoted. */
export function shellWord(word: string): string {
  if (/^[A-Za-z0-9_@%+:,./-]+$/.test(word)) return word;
  // A control character in single quotes would reach the terminal; $'...' names it instead.
  if (/[\u0000-\u001f\u007f]/.test(word)) {
    const body = word.replace(
      /[\u0000-\u001f\u007f'\\]/g,
      (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
    );
    return `$'${body}'`;
  }
  return `'${word.replaceAll("'", "'\\''")}'`;
}
