import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { KernelRandom } from "../../src/platform/index.ts";
import { ensureSigner, keyPath, loadSigner, publicKeyFrom } from "../../src/provenance/index.ts";
import { MemoryFileTree } from "../support/memory-file-tree.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { files, newStateHome, open } from "./state-home.ts";

test("keys are made once, readable by their owner alone, and nothing else is left", () => {
  const home = newStateHome();
  const first = ensureSigner(files, new KernelRandom(), home, "rnode");
  const again = ensureSigner(files, new KernelRandom(), home, "rnode");
  expect(again.key).toBe(first.key);
  expect(statSync(keyPath(home, "rnode")).mode & 0o777).toBe(0o600);
  expect(statSync(join(home, "keys")).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(home, "keys")).sort()).toEqual(["rnode.key", "rnode.pub"]);
  expect(readFileSync(keyPath(home, "rnode"), "utf8")).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  expect(publicKeyFrom(first.entry.pub).export({ format: "pem", type: "spki" })).toBe(
    readFileSync(join(home, "keys/rnode.pub"), "utf8"),
  );
});

test("different homes have different keys", () => {
  const keys = [1, 2].map(() => ensureSigner(files, new KernelRandom(), newStateHome(), "log").key);
  expect(keys[0]).not.toBe(keys[1]);
});

test.each([0o640, 0o604, 0o660, 0o644])("a key of mode %o is refused", (mode) => {
  const home = newStateHome();
  ensureSigner(files, new KernelRandom(), home, "rnode");
  chmodSync(keyPath(home, "rnode"), mode);
  expect(() => loadSigner(files, home, "rnode")).toThrow(
    expect.objectContaining({
      code: "KEY_EXPOSED",
      hint: `if nobody else had it, run: chmod 600 ${keyPath(home, "rnode")}`,
    }),
  );
});

test("a directory in which others may replace keys is refused", () => {
  const home = newStateHome();
  ensureSigner(files, new KernelRandom(), home, "rnode");
  chmodSync(join(home, "keys"), 0o777);
  expect(() => loadSigner(files, home, "rnode")).toThrow(expect.objectContaining({ code: "KEY_EXPOSED" }));
});

test.each([
  ["nothing", ""],
  ["text", "hello\n"],
  ["half a key", "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n"],
])("a key file with %s in it is refused", (_, text) => {
  const home = newStateHome();
  ensureSigner(files, new KernelRandom(), home, "rnode");
  writeFileSync(keyPath(home, "rnode"), text);
  expect(() => loadSigner(files, home, "rnode")).toThrow(expect.objectContaining({ code: "KEY_MALFORMED" }));
});

test("a key that is a symlink is refused", () => {
  const home = newStateHome();
  ensureSigner(files, new KernelRandom(), home, "rnode");
  unlinkSync(keyPath(home, "rnode"));
  symlinkSync("/dev/null", keyPath(home, "rnode"));
  expect(() => loadSigner(files, home, "rnode")).toThrow(expect.objectContaining({ code: "KEY_MALFORMED" }));
});

test("of two who make the key at once, both end with the first one's", () => {
  const tree = new MemoryFileTree();
  const winner = ensureSigner(tree, new SeededRandom(1), "/state", "rnode");
  // The second found no key when it looked, and only then the first was through.
  let looked = 0;
  const late = new Proxy(tree, {
    get(target, name) {
      const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
      return (...args: unknown[]) =>
        name === "lstat" && String(args[0]).endsWith("rnode.key") && looked++ === 0
          ? undefined
          : method.apply(target, args);
    },
  });
  expect(ensureSigner(late, new SeededRandom(2), "/state", "rnode").key).toBe(winner.key);
  expect(tree.readDirectory("/state/keys").map(({ name }) => name)).toEqual(["rnode.key", "rnode.pub"]);
});

test("a ledger does not take another's key, and does not make a lost one anew", async () => {
  const home = newStateHome();
  (await open(home)).close();
  const other = newStateHome();
  (await open(other)).close();
  writeFileSync(keyPath(home, "rnode"), readFileSync(keyPath(other, "rnode")));
  const ledger = await open(home);
  expect(() => ledger.signer()).toThrow(expect.objectContaining({ code: "LEDGER_FOREIGN" }));
  ledger.close();
  unlinkSync(keyPath(home, "rnode"));
  const reopened = await open(home);
  expect(() => reopened.signer()).toThrow(expect.objectContaining({ code: "KEY_MISSING" }));
  expect(existsSync(keyPath(home, "rnode"))).toBe(false);
});
