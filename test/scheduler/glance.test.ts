import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { afterAll, beforeEach, expect, test } from "vitest";
import { digestOf } from "../../src/base/index.ts";
import { NodeFileTree } from "../../src/platform/index.ts";
import { STAT_NUMBERS } from "../../src/ports/index.ts";
import {
  CHECKOUT,
  Checkout,
  encodeGlance,
  followGlance,
  glancePath,
  glanceQuestion,
} from "../../src/scheduler/index.ts";
import { CheckoutState, memberSignature, PATH } from "../../src/scheduler/state.ts";
import { HAS_COMPILER, WITHOUT_COMPILER } from "../support/native-program.ts";
import { plannedChore, planOf } from "../support/planned-chore.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

const scratch = scratchDirectory();
afterAll(() => scratch.dispose());
const asking = buildAsking();
const root = `${scratch.path}/w`;
const bundle = `${scratch.path}/begat.cjs`;
const ledger = `${scratch.path}/ledger.db`;
const question = glanceQuestion(false, "", ["build"]);
const glance = `${root}/${glancePath(question)}`;

/** glance.c with a main of its own. */
function buildAsking(): string | undefined {
  if (!HAS_COMPILER) return undefined;
  const main = `#include "${process.cwd()}/native/client/glance.h"
#include <stdio.h>
int main(int n, char **w) {
  const char *t;
  return n > 2 && glance_answers(w[2], w + 3, w[1][0] == 't', &t) ? fputs(t, stdout) < 0 : 1;
}`;
  writeFileSync(`${scratch.path}/main.c`, main);
  const words = ["-std=c11", "-O2", "-o", `${scratch.path}/ask`, `${scratch.path}/main.c`, "native/client/glance.c"];
  execFileSync("cc", words, { stdio: ["ignore", "ignore", "inherit"] });
  return `${scratch.path}/ask`;
}

beforeEach(() => {
  rmSync(root, { recursive: true, force: true });
  const fs = new NodeFileTree();
  const checkout = new Checkout(fs, root);
  const put = (path: string): void => {
    fs.makeDirectory(path.slice(0, path.lastIndexOf("/")));
    writeFileSync(path, `${path}\n`);
  };
  for (const path of ["src/a", "begatfile", "out", "tree/one", CHECKOUT.plan, CHECKOUT.state]) put(`${root}/${path}`);
  symlinkSync("one", `${root}/tree/link`);
  for (const path of [bundle, ledger]) put(path);
  const plan = planOf(plannedChore("a()", ["src/a", "tree/"], ["mid"]), plannedChore("b()", ["mid"], ["out"]));
  const state = new CheckoutState("", plan.pathCount, plan.choreCount);
  const numbers = new Float64Array(STAT_NUMBERS);
  const signature = (path: string, flags = 0) => {
    memberSignature(checkout, path, flags, numbers);
    return numbers.slice();
  };
  for (let path = 0; path < plan.pathCount; path++) {
    const name = plan.path(path);
    state.setDigest(path, digestOf(name), name === "tree" ? PATH.tree : 0);
    if (name === "src/a" || name === "out") state.setSignature(path, signature(name), 0);
    if (name !== "tree") continue;
    const member = (at: string, flags = 0) => ({ path: at, signature: signature(at, flags), digest: undefined, flags });
    state.setMembers(path, [member("tree", PATH.directory), member("tree/link", PATH.symlink), member("tree/one")]);
  }
  state.reads = [
    { path: "begatfile", kind: "file", signature: [...signature("begatfile")], hash: "" },
    { path: "local.begat", kind: "file", signature: null, hash: null },
  ];
  const needed = Uint8Array.from([1, 1]);
  const out = Array.from({ length: plan.pathCount }, (_, path) => path).find((path) => plan.path(path) === "out");
  const selection = { needed, wanted: Uint32Array.from([(out as number) * 2]), neededCount: 2 };
  const proof = { plan, state, selection, variables: ["MODE"] } as unknown as Parameters<typeof encodeGlance>[1];
  const env = [
    ["HOME", "/home/u"],
    ["NO_COLOR", undefined],
  ] as const;
  const text = { question, before: "nothing to do: 2 chores up to date  (", after: ")\n", time: "people" } as const;
  const facts = { bundle, ledger, env, variable: () => "fast", text, chores: 2, level: "contained" } as const;
  checkout.save(glancePath(question), encodeGlance(checkout, proof, facts) as Buffer);
});

const ENV = { HOME: "/home/u", MODE: "fast" };
const ask = (
  env: Record<string, string> = ENV,
  { program = bundle, words = ["build"], to = "pipe", cwd = root } = {},
) => {
  const { status, stdout } = spawnSync(asking as string, [to, program, ...words], { cwd, env, encoding: "utf8" });
  return status === 0 ? stdout : undefined;
};
/** As the warm engine asks. */
const follow = (env: Record<string, string | undefined> = ENV, ledgerFile = ledger) => {
  const questions = [glanceQuestion(true, "", ["build"]), question];
  const asker = { root, bundle, ledger: ledgerFile, questions, env: (name: string) => env[name] };
  return followGlance(new NodeFileTree(), asker, async () => {});
};
const edit = (path: string, change: (bytes: Buffer) => Buffer): void => writeFileSync(path, change(readFileSync(path)));

const it = test.skipIf(asking === undefined);

it(`where everything is as it was, the answer is what begat would print${WITHOUT_COMPILER}`, () => {
  expect(ask()).toMatch(/^nothing to do: 2 chores up to date {2}\(0\.\d\ds\)\n$/);
  expect(ask({ ...ENV, OTHER: "x", BEGAT_EXTRA_CA_CERTS: "/x" })).toBeDefined();
  // What no wanted output needs in the checkout may be gone, and what is written there of it does not count.
  writeFileSync(`${root}/mid`, "");
  expect(ask()).toBeDefined();
});

/** The number at `at` one more, and the sum what it then is. */
const recounted = (bytes: Buffer, at: number): Buffer => {
  bytes.writeUInt32LE(bytes.readUInt32LE(at) + 1, at);
  let sum = 0x811c9dc5;
  for (let i = 0; i < bytes.length - 8; i += 4) sum = Math.imul(sum ^ bytes.readUInt32LE(i), 0x01000193);
  bytes.writeUInt32LE(sum >>> 0, bytes.length - 8);
  return bytes;
};

it.each<[what: string, change: () => void]>([
  ["a source was written", () => writeFileSync(`${root}/src/a`, "other")],
  ["a source was touched", () => utimesSync(`${root}/src/a`, 1, 1)],
  ["an output is gone", () => rmSync(`${root}/out`)],
  ["a file was added to a tree", () => writeFileSync(`${root}/tree/two`, "")],
  ["a link leads elsewhere", () => execFileSync("ln", ["-sfn", "two", `${root}/tree/link`])],
  ["a begatfile that was not there is", () => writeFileSync(`${root}/local.begat`, "")],
  ["the begatfile is another", () => writeFileSync(`${root}/begatfile`, "x")],
  ["a build has written its state", () => edit(`${root}/${CHECKOUT.state}`, (bytes) => Buffer.concat([bytes, bytes]))],
  ["the ledger is another", () => execFileSync("sh", ["-c", `cp ${ledger} ${ledger}.2 && mv ${ledger}.2 ${ledger}`])],
  ["begat is another", () => writeFileSync(bundle, "x")],
  ["the file was cut", () => edit(glance, (bytes) => bytes.subarray(0, bytes.length - 8))],
  ["it is empty", () => writeFileSync(glance, "")],
  ["there are more files than signatures", () => edit(glance, (bytes) => recounted(bytes, 24))],
  ["a question ends behind its end", () => edit(glance, (bytes) => recounted(bytes, 4))],
  ["it is gone", () => renameSync(glance, `${glance}.old`)],
  [
    "a bit of it fell over",
    () =>
      edit(glance, (bytes) => {
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 4;
        return bytes;
      }),
  ],
])(`Node is asked when %s${WITHOUT_COMPILER}`, async (_, change) => {
  change();
  expect(ask()).toBeUndefined();
  expect((await follow()).upToDate).toBe(false);
});

it(`Node is asked when what was not there cannot be looked at${WITHOUT_COMPILER}`, () => {
  symlinkSync("x".repeat(300), `${root}/local.begat`);
  expect(ask()).toBeUndefined();
});

it(`the engine comes to the same, of what it is asked for${WITHOUT_COMPILER}`, async () => {
  const answer = { upToDate: true, chores: 2, level: "contained", warnings: [] };
  expect(await follow()).toEqual(answer);
  expect(await follow({ MODE: "fast", NO_COLOR: "1" })).toEqual(answer);
  expect(await follow({ MODE: "slow" })).toEqual({ upToDate: false, because: "$MODE changed" });
  expect(await follow(ENV, "/another")).toEqual({ upToDate: false, because: "another ledger" });
});

it(`is an answer to its own question alone${WITHOUT_COMPILER}`, () => {
  expect(ask(ENV, { words: ["build", "--no-daemon"] })).toBeDefined();
  expect(ask(ENV, { words: ["build", "--", "--no-daemon"] })).toBeUndefined();
  expect(ask(ENV, { words: [] })).toBeUndefined();
  expect(ask(ENV, { words: ["build", ""] })).toBeUndefined();
  expect(ask(ENV, { to: "terminal" })).toBeUndefined();
  expect(ask(ENV, { cwd: `${root}/src` })).toBeUndefined();
  renameSync(glance, `${root}/${glancePath(glanceQuestion(false, "src", ["build"]))}`);
  // Under the name of another question it still is its own.
  expect(ask(ENV, { cwd: `${root}/src` })).toBeUndefined();
});

it.each<[what: string, env: Record<string, string>]>([
  ["is another", { ...ENV, MODE: "slow" }],
  ["is gone", { HOME: "/home/u" }],
  ["came", { ...ENV, NO_COLOR: "1" }],
  ["of begat's came", { ...ENV, BEGAT_CACHE_HOME: "/c" }],
])(`Node is asked when a variable %s${WITHOUT_COMPILER}`, (_, env) => expect(ask(env)).toBeUndefined());
