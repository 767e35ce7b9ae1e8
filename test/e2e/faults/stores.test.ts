import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { BegatHome, type Workspace } from "../../support/begat.ts";
import { verdicts } from "../../support/verdicts.ts";

const GRAPH = `
dictum make { in [ a ] out [ m ] exec [[[ { echo made; cat a; } > m ]]] }
dictum use { in [ m b ] out [ o ] exec [[[ cat m b > o ]]] }
run make()
run use()
`;
const RESULT = "made\nA\nB\n";

let home: BegatHome;
let checkout: Workspace;
// Every test begins with the same build: made once, and put back for each.
beforeAll(async () => {
  home = new BegatHome();
  checkout = home.workspace();
  checkout.begatfile(GRAPH);
  checkout.write("a", "A\n");
  checkout.write("b", "B\n");
  expect((await checkout.build()).summary).toMatchObject({ outcome: "ok", executed: 2 });
  home.keep();
});
beforeEach(() => home.restore());
afterAll(() => home.dispose());

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  const place = at < 0 ? bytes.length + at : at;
  bytes.writeUInt8(bytes.readUInt8(place) ^ 0x40, place);
  const { mode } = statSync(path);
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
  chmodSync(path, mode);
}

const blobWith = (content: string): string => home.blobs().find((path) => readFileSync(path, "utf8") === content) ?? "";

/** All that was written goes to the main file, as it does when SQLite is done with its log. */
function folded(database: string): string {
  for (const ending of ["-wal", "-shm"]) rmSync(database + ending, { force: true });
  return database;
}

describe("a corrupt blob", () => {
  test("of a target is not restored: it is made again", async () => {
    checkout.remove("o");
    flip(blobWith(RESULT), 1);
    const built = await checkout.build();
    expect(built.summary, built.stdout).toMatchObject({ outcome: "ok" });
    expect(checkout.read("o")).toBe(RESULT);
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });

  test("of an intermediate is not used: it is made again", async () => {
    flip(blobWith("made\nA\n"), 1);
    checkout.write("b", "BB\n");
    const built = await checkout.build();
    expect(built.summary, built.stdout).toMatchObject({ outcome: "ok" });
    expect(built.executed).toContain("make()");
    expect(checkout.read("o")).toBe("made\nA\nBB\n");
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });

  test("is found and set aside by cache verify, exit 3, once", async () => {
    flip(blobWith(RESULT), 1);
    expect((await checkout.begat(["cache", "verify"])).status).toBe(3);
    expect((await checkout.begat(["cache", "verify"])).status).toBe(0);
    checkout.remove("o");
    expect((await checkout.build()).summary).toMatchObject({ outcome: "ok", executed: 1 });
    expect(checkout.read("o")).toBe(RESULT);
  });

  test("cut short is not restored either", async () => {
    const blob = blobWith(RESULT);
    chmodSync(blob, 0o600);
    truncateSync(blob, 3);
    checkout.remove("o");
    expect((await checkout.build()).summary).toMatchObject({ outcome: "ok" });
    expect(checkout.read("o")).toBe(RESULT);
  });

  test.each(["o", "m"])("a whole store lost: %s is made again", async (target) => {
    rmSync(home.cache, { recursive: true });
    checkout.remove("o");
    const built = await checkout.build(target);
    expect(built.summary, built.stdout).toMatchObject({ outcome: "ok" });
    expect(checkout.read(target)).toBe(target === "o" ? RESULT : "made\nA\n");
  });

  test("a store lost costs nothing while nothing is asked of it", async () => {
    rmSync(home.cache, { recursive: true });
    expect((await checkout.build()).summary).toMatchObject({ outcome: "ok", executed: 0 });
  });
});

describe("index.db", () => {
  test.each<readonly [how: string, damage: (path: string) => void]>([
    ["removed", (path) => rmSync(path)],
    ["emptied", (path) => writeFileSync(path, "")],
    ["cut in the middle", (path) => truncateSync(path, Math.floor(statSync(path).size / 2))],
    ["with a bit of its header flipped", (path) => flip(path, 3)],
    [
      "with bits of its pages flipped",
      (path) => {
        for (let at = 4096; at < statSync(path).size; at += 512) flip(path, at);
      },
    ],
    ["replaced by something else", (path) => writeFileSync(path, "no database at all".repeat(1000))],
  ])("%s is made anew: hits are found again, and nothing runs", async (_, damage) => {
    damage(folded(join(home.cache, "index.db")));
    checkout.remove(".begat");
    checkout.remove("o");
    const built = await checkout.build();
    expect(built.status, built.stdout + built.stderr).toBe(0);
    expect(built.summary).toMatchObject({ outcome: "ok", executed: 0, cached: 2, materialised: 1 });
    expect(checkout.read("o")).toBe(RESULT);
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });
});

describe("ledger.db", () => {
  test.each<readonly [how: string, damage: (path: string) => void]>([
    ["cut in the middle", (path) => truncateSync(path, Math.floor(statSync(path).size / 2 / 4096) * 4096)],
    ["cut within a page", (path) => truncateSync(path, statSync(path).size - 100)],
    ["with a bit of its header flipped", (path) => flip(path, 3)],
    ["replaced by something else", (path) => writeFileSync(path, "no database at all".repeat(1000))],
    [
      "with a record changed",
      (path) => {
        const bytes = readFileSync(path);
        let found = 0;
        // SQLite may have left an older copy of a record behind in the page.
        for (let at = bytes.indexOf('"exit":0'); at >= 0; at = bytes.indexOf('"exit":0', at + 1)) {
          bytes.write("1", at + 7);
          found++;
        }
        expect(found).toBeGreaterThan(1);
        writeFileSync(path, bytes);
      },
    ],
  ])("%s is refused with exit 3 and left as it is", async (_, damage) => {
    const path = folded(join(home.state, "ledger.db"));
    damage(path);
    const before = readFileSync(path);
    const verified = await checkout.begat(["ledger", "verify"]);
    expect(verified.status, verified.stdout + verified.stderr).toBe(3);
    expect(readFileSync(path).equals(before)).toBe(true);
    // A build may go on where what it reads is whole; it never serves what does not hold.
    checkout.remove(".begat");
    checkout.remove("o");
    const built = await checkout.build();
    if (built.status === 0) expect(checkout.read("o")).toBe(RESULT);
    else {
      expect(built.status).toBe(3);
      expect(checkout.exists("o")).toBe(false);
      expect(readFileSync(path).equals(before)).toBe(true);
    }
    expect((await checkout.begat(["ledger", "verify"])).status).toBe(3);
  });

  test("from a copy of yesterday is told from the one that was: exit 4", async () => {
    const path = join(home.state, "ledger.db");
    const yesterday = readFileSync(folded(path));
    checkout.write("a", "AA\n");
    await checkout.build();
    folded(path);
    writeFileSync(path, yesterday);
    expect((await checkout.begat(["ledger", "verify"])).status).toBe(4);
    checkout.write("a", "AAA\n");
    expect((await checkout.build()).status).toBe(4);
  });

  test("removed is missed: exit 4, and no other is put in its place", async () => {
    const path = join(home.state, "ledger.db");
    rmSync(folded(path));
    expect((await checkout.begat(["ledger", "verify"])).status).toBe(4);
    checkout.write("a", "AA\n");
    expect((await checkout.build()).status).toBe(4);
    expect(existsSync(path)).toBe(false);
  });

  test("with the keys of another: nothing is run that could not be signed for", async () => {
    const keys = join(home.state, "keys");
    const other = new BegatHome();
    const stranger = other.workspace();
    stranger.begatfile(GRAPH);
    stranger.write("a", "A\n");
    stranger.write("b", "B\n");
    await stranger.build();
    for (const name of readdirSync(keys).filter((file) => file.startsWith("rnode"))) {
      chmodSync(join(keys, name), 0o600);
      writeFileSync(join(keys, name), readFileSync(join(other.state, "keys", name)));
    }
    other.dispose();
    checkout.write("a", "new\n");
    const built = await checkout.build();
    expect(built.status).toBe(1);
    expect(built.stderr).toMatch(
      /^error: ledger \S+ does not know the rnode key [0-9a-f]{64}\nhint: a ledger and its keys/,
    );
    expect(built.executed).toEqual([]);
    expect(checkout.read("o")).toBe(RESULT);
  });
});

describe("a state home that cannot be used", () => {
  test("is named, and nothing is run", async () => {
    const elsewhere = new BegatHome();
    const other = elsewhere.workspace();
    other.begatfile(GRAPH);
    other.write("a", "A\n");
    other.write("b", "B\n");
    writeFileSync(elsewhere.state, "a file");
    const built = await other.build();
    expect(built.status).toBe(1);
    expect(built.stderr).toContain(elsewhere.state);
    expect(other.exists("o")).toBe(false);
    rmSync(elsewhere.state);
    mkdirSync(elsewhere.state);
    expect((await other.build()).summary).toMatchObject({ outcome: "ok" });
    elsewhere.dispose();
  });
});

describe("what a checkout remembers", () => {
  test.each<readonly [name: string, how: string, damage: (path: string) => void]>([
    ["state.bin", "cut short", (path) => truncateSync(path, 40)],
    ["state.bin", "with a bit flipped", (path) => flip(path, -50)],
    ["state.bin", "removed", (path) => rmSync(path)],
    ["plan.bin", "with a bit flipped", (path) => flip(path, 200)],
    ["plan.bin", "emptied", (path) => writeFileSync(path, "")],
    ["plan.bin", "removed", (path) => rmSync(path)],
  ])("%s %s is done without", async (name, _, damage) => {
    damage(checkout.at(`.begat/${name}`));
    const built = await checkout.build();
    expect(built.summary, built.stderr).toMatchObject({ outcome: "ok", executed: 0 });
    checkout.write("a", "AA\n");
    await checkout.build();
    expect(checkout.read("o")).toBe("made\nAA\nB\n");
  });

  test("and its whole directory is no loss", async () => {
    execFileSync("rm", ["-rf", checkout.at(".begat")]);
    expect((await checkout.build()).summary).toMatchObject({ outcome: "ok", executed: 0, cached: 2 });
  });
});
