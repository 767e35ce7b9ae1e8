/**
 * What a recipe printed is the recipe's word, not begat's: it must not move the cursor, retitle the window, answer
 * terminal queries or hide lines. Colours (SGR) may pass; every other control sequence is made visible.
 */

// C0 but tab and newline, DEL, C1, bidirectional overrides and isolates (text that reads otherwise than it is).
const SUSPECT = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
const SUSPECTS = /\x1b\[([0-9;:]*)m|\r\n?|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
const RESET = "\x1b[0m";

/**
 * Text of several lines, safe to print.
 *
 * @param colour Lets SGR sequences pass; else they are taken out. What they switched on is switched off at the end.
 */
export function sanitise(text: string, colour: boolean): string {
  if (!SUSPECT.test(text)) return text;
  let coloured = false;
  const safe = text.replace(SUSPECTS, (found, parameters: string | undefined) => {
    // A bare carriage return overprints the line: what a progress bar does, and what hides a message.
    if (found[0] === "\r") return "\n";
    if (parameters === undefined) return escaped(found);
    if (!colour || conceals(parameters)) return "";
    coloured = !/^0?$/.test(parameters);
    return found;
  });
  if (!coloured) return safe;
  return safe.endsWith("\n") ? `${safe.slice(0, -1)}${RESET}\n` : safe + RESET;
}

/** A name (label, path, message) for one line: nothing in it may end the line or colour it. */
export function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, escaped);
}

/** `\x1b`, `\u202e`, and the two everybody knows. */
function escaped(character: string): string {
  if (character === "\n") return "\\n";
  if (character === "\t") return "\\t";
  if (character === "\r") return "\\r";
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
}

/** Whether an SGR sequence hides text (8); the 8 of `38;5;8` is a colour. */
function conceals(parameters: string): boolean {
  const codes = parameters.split(";");
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] === "8") return true;
    if (codes[i] === "38" || codes[i] === "48" || codes[i] === "58") i += codes[i + 1] === "2" ? 4 : 2;
  }
  return false;
}

export interface CutText {
  readonly head: string;
  /** Empty where nothing was left out. */
  readonly tail: string;
  readonly omittedLines: number;
  readonly omittedBytes: number;
}

/**
 * Leaves out the middle of a long text: the first mistake stands near the start, the last words at the end.
 *
 * @param most Lines kept at most; one third of them from the start. A line is never longer than 4,000 characters.
 */
export function cutMiddle(text: string, most: number): CutText {
  const lines = (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
  const longest = 4000;
  const whole = lines.length <= most && lines.every((line) => line.length <= longest);
  if (whole) return { head: text, tail: "", omittedLines: 0, omittedBytes: 0 };
  const shorten = (line: string) =>
    line.length <= longest ? line : `${line.slice(0, longest)} [${line.length - longest} more characters]`;
  if (lines.length <= most) {
    return { head: `${lines.map(shorten).join("\n")}\n`, tail: "", omittedLines: 0, omittedBytes: 0 };
  }
  const first = Math.floor(most / 3);
  const last = lines.length - (most - first);
  const omitted = lines.slice(first, last);
  return {
    head: `${lines.slice(0, first).map(shorten).join("\n")}\n`,
    tail: `${lines.slice(last).map(shorten).join("\n")}\n`,
    omittedLines: omitted.length,
    omittedBytes: omitted.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0),
  };
}
