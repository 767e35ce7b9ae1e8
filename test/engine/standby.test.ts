import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Standby } from "../../src/engine/standby.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

let scratch: ReturnType<typeof scratchDirectory>;
beforeEach(() => {
  scratch = scratchDirectory();
});
afterEach(() => scratch.dispose());

test("whoever is at work when begat becomes another one ends what it does first", async () => {
  const bundleFile = join(scratch.path, "begat.cjs");
  writeFileSync(bundleFile, "one begat");
  const place = { directory: join(scratch.path, "engine"), name: "socket", what: "somebody", bundleFile, idleMs: 10 };
  const standby = new Standby(place, () => {});
  await standby.start();
  writeFileSync(bundleFile, "another");
  let rounds = 0;
  const end = await standby.untilEnd(() => {
    standby.used();
    return ++rounds < 4 ? undefined : true;
  });
  expect({ rounds, end }).toEqual({ rounds: 4, end: "replaced" });
});
