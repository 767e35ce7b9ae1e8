/** The isolation an execution really had; measured by its executor, signed into the travail. */
export type IsolationLevel = "none" | "contained" | "hermetic";

const ORDER: readonly IsolationLevel[] = ["none", "contained", "hermetic"];

/** Whether `have` isolates at least as well as `want`. */
export function isAtLeast(have: IsolationLevel, want: IsolationLevel): boolean {
  return ORDER.indexOf(have) >= ORDER.indexOf(want);
}

export function parseIsolationLevel(text: string): IsolationLevel | undefined {
  return ORDER.find((level) => level === text);
}
