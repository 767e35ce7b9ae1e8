import { fileURLToPath } from "node:url";
import { BegatError } from "../../base/index.ts";
import type { Machine } from "./machine.ts";

export class PageError extends BegatError<"PAGE_MISSING"> {}

/** The page that checks proofs in a browser, from beside the bundle; `undefined` where begat runs without one. */
export function offlinePage({ fs }: Machine): Buffer | undefined {
  const path = fileURLToPath(new URL("offline.html", import.meta.url));
  return fs.stat(path)?.kind === "file" ? fs.readFile(path) : undefined;
}
