// One planted violation per rule, in a small repository that exists only here.

import { readFileSync } from "node:fs";
import { checkModule, checkRooms, checkTestImports, checkText, isModule } from "./layer-rules.mjs";
import { radixRooms, rooms, topRooms } from "./layers.mjs";

const readme = `${Array.from({ length: 12 }, (_, line) => `line ${line}`).join("\n")}\n`;

/** A repository with nothing wrong in it. */
const clean = {
  "src/base/README.md": readme,
  "src/base/index.ts": "export const digestSize = 32;\n",
  "src/base/deep.ts": 'import { createHash } from "node:crypto";\nexport const h = createHash;\n',
  "src/cache/README.md": readme,
  "src/cache/index.ts":
    'import type { A } from "./store.ts";\nimport { digestSize } from "../base/index.ts";\nexport type { A };\nexport { digestSize };\n',
  "src/cache/store.ts":
    "export interface A { fetch(process: string): Date; setTimeout: number }\n" +
    "export const at = (ms: number, process: { now(): number }): Date => new Date(ms + process.now());\n" +
    "// Date.now() and Math.random() in a comment are words\n",
  "src/platform/README.md": readme,
  "src/platform/index.ts":
    'import * as fs from "node:fs";\nexport const now = () => Date.now() + fs.statSync("/").mtimeMs;\n',
  "src/cli/README.md": readme,
  "src/cli/main.ts": 'import { digestSize } from "../base/index.ts";\nprocess.exitCode = digestSize - 32;\n',
  "test/cache/store.test.ts": 'import { at } from "../../src/cache/store.ts";\nexport { at };\n',
};

const store = (text) => ({ "src/cache/store.ts": `${text}\n` });

/** `[rule that must speak, files to change]`; null takes a file away. */
const violations = [
  ["layer", store('import { x } from "../platform/index.ts";')],
  ["layer", store('import type { X } from "../platform/index.ts";')],
  ["layer", store('export * from "../platform/index.ts";')],
  ["layer", store('export type X = import("../platform/index.ts").X;')],
  ["layer", store('export const x = await import("../platform/index.ts");')],
  ["not-the-door", store('import { h } from "../base/deep.ts";')],
  ["imports-top", store('import { x } from "../cli/main.ts";')],
  [
    "imports-radix",
    { ...store('import { x } from "../radix/flock/index.ts";'), "src/radix/flock/index.ts": "export {};\n" },
  ],
  ["missing-module", store('import { x } from "./store";')],
  ["outside-src", { ...store('import { x } from "../../tools/x.ts";'), "tools/x.ts": "export {};\n" }],
  ["computed-import", store("export const load = (name: string) => import(name);")],
  ["unknown-room", { "src/annex/index.ts": "export {};\n" }],
  ["unknown-room", { "src/loose.ts": "export {};\n" }],
  ["unreadable", store("export const = ;")],
  ["package", store('import chokidar from "chokidar";')],
  ["package", store('import type { X } from "@scope/name/deep";')],
  ["impure-module", store('import { statSync } from "node:fs";')],
  ["impure-module", store('import type { Stats } from "node:fs";')],
  ["impure-module", store('import { spawn } from "node:child_process";')],
  ["impure-module", store('import { connect } from "node:net";')],
  ["impure-module", store('import { request } from "node:http";')],
  ["impure-name", store('import { randomBytes } from "node:crypto";')],
  ["impure-global", store("export const now = () => Date.now();")],
  ["impure-global", store("export const now = () => globalThis.Date.now();")],
  ["impure-global", store("export const now = () => new Date();")],
  ["impure-global", store("export const now = () => Date();")],
  ["impure-global", store("export const now = () => performance.now();")],
  ["impure-global", store("export const dice = Math.random;")],
  ["impure-global", store("export const later = (f: () => void) => setTimeout(f, 10) as unknown;")],
  ["impure-global", store("export const get = { fetch };")],
  ["impure-global", store("export const home = process.env.HOME;")],
  ["impure-global", { "src/executor/action/x.ts": "export const at = Date.now();\n" }],
  ["impure-module", { "src/executor/executor.ts": 'import "node:fs";\n' }],
  ["unfinished", store(`// ${"TO"}${"DO"}: the rest`)],
  ["no-door", { "src/cache/index.ts": null }],
  ["readme", { "src/cache/README.md": null }],
  ["readme", { "src/cache/README.md": "a room\n" }],
  ["readme", { "src/cache/README.md": "line\n".repeat(31) }],
  ["too-long", store("export {};\n".repeat(501))],
  ["empty-name", { "src/cache/utils/x.ts": "export {};\n" }],
  ["empty-name", { "src/cache/helpers.ts": "export {};\n" }],
  ["machine-path", store('export const home = "/planted/checkout/src";')],
  ["registry-host", { "docs/x.md": `see https://registry.${"packages"}.org/x\n` }],
  ["lock-resolved", { "package-lock.json": `{\n  "resolved": "https://somewhere/x.tgz"\n}\n` }],
  ["test-not-the-door", { "test/cache/store.test.ts": 'import { h } from "../../src/base/deep.ts";\nexport { h };\n' }],
];

function problemsOf(tree) {
  const files = new Map(Object.entries(tree).filter(([, text]) => text !== null));
  const problems = [...checkRooms(files)];
  for (const [path, text] of files) {
    problems.push(...checkText(path, text, ["/planted/checkout"]));
    if (path.startsWith("src/") && isModule(path))
      problems.push(...checkModule(path, text, (target) => files.has(target)));
    else if (path.startsWith("test/")) problems.push(...checkTestImports(path, text));
  }
  return problems;
}

/** Rooms that can reach themselves through the table. */
function cyclicRooms() {
  const table = { ...rooms, ...Object.fromEntries(Object.entries(radixRooms).map(([k, v]) => [`radix/${k}`, v])) };
  const reaches = (from, wanted, seen = new Set()) =>
    Array.isArray(table[from]?.imports) &&
    table[from].imports.some((to) => to === wanted || (!seen.has(to) && reaches(to, wanted, seen.add(to))));
  return Object.keys(table).filter((room) => reaches(room, room));
}

/** @returns {{ planted: number, missed: string[] }} */
export function runSelfTest() {
  const missed = problemsOf(clean).map((p) => `the clean repository has a problem: ${p.place}: ${p.text} [${p.rule}]`);
  violations.forEach(([rule, change], index) => {
    const found = problemsOf({ ...clean, ...change });
    if (!found.some((problem) => problem.rule === rule)) {
      const others = found.map((problem) => problem.rule).join(" ") || "nothing";
      missed.push(`violation ${index} (${rule}) was not found; found: ${others}: ${JSON.stringify(change)}`);
    }
  });
  const source = readFileSync(new URL("./layer-rules.mjs", import.meta.url), "utf8");
  const written = [...source.matchAll(/(?:report\(|rule: )"([a-z-]+)"/g)].map((match) => match[1]);
  for (const rule of new Set(written)) {
    if (!violations.some(([planted]) => planted === rule)) missed.push(`no violation of "${rule}" is planted`);
  }
  for (const room of cyclicRooms()) missed.push(`the import table lets ${room} reach itself`);
  for (const room of topRooms) {
    if (Object.values(rooms).some((rule) => rule.imports.includes(room)))
      missed.push(`the import table lets a room import ${room}`);
  }
  return { planted: violations.length, missed };
}
