import { fileURLToPath } from "node:url";

/** Where the spawn server is: beside the bundle, where tools/bundle.mjs puts it. Whether it is there is not looked at. */
export function spawnServerProgram(): string {
  return fileURLToPath(new URL("begat-spawn-server", import.meta.url));
}
