import type { Diagnostic, Place } from "../../dictum-parser/index.ts";
import type { Palette } from "./colour.ts";
import { oneLine } from "./sanitise.ts";

/**
 * A mistake in a begatfile: place and message, the line, a caret, notes, hint.
 *
 * A control character of the line takes one column (shown as `?`), a tab stays one, so that the caret stands under
 * what it means.
 */
export function diagnosticText(diagnostic: Diagnostic, paint: Palette): string {
  const { at, severity, message, notes, hint } = diagnostic;
  const colour = severity === "error" ? paint.red : paint.yellow;
  let text = `${paint.bold(placeText(at))}: ${colour(severity)}: ${oneLine(message)}\n`;
  if (diagnostic.line.trim() !== "") {
    const line = diagnostic.line.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, "?");
    const before = line.slice(0, at.column - 1).replace(/[^\t]/g, " ");
    const under = Math.max(1, Math.min(diagnostic.length, line.length - at.column + 1));
    text += `    ${line}\n    ${before}${colour("^".repeat(under))}\n`;
  }
  for (const note of notes) text += `${placeText(note.at)}: ${paint.cyan("note")}: ${oneLine(note.message)}\n`;
  if (hint !== undefined) text += `${paint.cyan("hint")}: ${oneLine(hint)}\n`;
  return text;
}

/** `begatfile:14:9`. */
export function placeText(at: Place): string {
  return `${oneLine(at.file)}:${at.line}:${at.column}`;
}
