import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A fresh directory of the machine's, and how to be rid of it. */
export function scratchDirectory(): { readonly path: string; dispose(): void } {
  const path = mkdtempSync(join(tmpdir(), "begat-test-"));
  return { path, dispose: () => rmSync(path, { recursive: true, force: true }) };
}
