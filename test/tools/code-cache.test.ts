import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { begatProgram } from "../support/begat.ts";

// V8 says nothing of a cache that it does not take, and begat starts all the same, only slower.
test("V8 takes the code cache of the bundle", () => {
  const folder = dirname(begatProgram());
  const main = readdirSync(folder).find((name) => /^main-\w+\.cjs$/.test(name)) ?? "";
  const program = `
    const { readFileSync } = require("node:fs");
    const [text, cachedData] = [readFileSync(process.argv[1], "latin1"), readFileSync(process.argv[2])];
    console.log(new (require("node:vm").Script)(text, { cachedData }).cachedDataRejected);`;
  const words = [join(folder, main), join(folder, main.replace(/cjs$/, "cache"))];
  expect(spawnSync(process.execPath, ["-e", program, ...words], { encoding: "utf8" })).toMatchObject({
    stdout: "false\n",
    stderr: "",
  });
});
