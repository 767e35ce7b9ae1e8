import * as node from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { explain, sha256 } from "../../src/base/index.ts";
import { type CacheIndex, openIndex } from "../../src/cache/index.ts";
import { NodeFileTree } from "../../src/platform/index.ts";
import { anExecution } from "../contracts/action-index.contract.ts";
import { FakeProcessTable } from "../support/fake-process-table.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const LEDGER = sha256("genesis");
const EXECUTIONS = Array.from({ length: 200 }, (_, seq) => anExecution(seq));

describe("a damaged index.db", () => {
  let home: string;
  let dispose: () => void;
  let notices: string[];
  beforeEach(() => {
    const scratch = scratchDirectory();
    home = scratch.path;
    dispose = scratch.dispose;
    notices = [];
  });
  afterEach(() => dispose());

  const open = (): Promise<CacheIndex> =>
    openIndex({
      fs: new NodeFileTree(),
      clock: new ManualClock(),
      processes: new FakeProcessTable(),
      cacheHome: home,
      onNotice: (text) => notices.push(text),
    });
  const path = () => `${home}/index.db`;

  async function filled(): Promise<Buffer> {
    const index = await open();
    index.actions.add(EXECUTIONS, { ledger: LEDGER, size: EXECUTIONS.length });
    index.blobs.recordUses([{ hash: sha256("blob"), sizeBytes: 7 }]);
    index.close();
    return node.readFileSync(path());
  }

  /** Everything it is asked works or is refused in our words; afterwards it can be filled and used again. */
  async function expectUsable(): Promise<void> {
    const index = await open();
    try {
      index.actions.position();
      for (const one of EXECUTIONS) index.actions.find(one.action);
      index.actions.producersOfPath("obj/7.o", 3);
      index.actions.durationsMs(EXECUTIONS.map((one) => one.chore));
      index.blobs.lastUsesMs();
      index.leases.protection();
      index.isSound();
      if (index.actions.position() === undefined) {
        index.actions.add(EXECUTIONS, { ledger: LEDGER, size: EXECUTIONS.length });
        // Found damaged only by writing: empty and sound from here on.
        index.actions.add(EXECUTIONS, { ledger: LEDGER, size: EXECUTIONS.length });
        expect(index.actions.find(EXECUTIONS[7]?.action ?? LEDGER)).toEqual([EXECUTIONS[7]]);
      }
    } finally {
      index.close();
    }
  }

  test("of any length it was cut to: set aside where it must be, and made anew", async () => {
    const whole = await filled();
    for (const length of [0, 1, 15, 16, 99, 100, 101, 4095, 4096, 4097, 8192, 20_000, whole.length - 1]) {
      node.writeFileSync(path(), whole.subarray(0, length));
      await expectUsable();
    }
    expect(notices.length).toBeGreaterThan(5);
  });

  test("with any bit flipped: usable", async () => {
    const whole = await filled();
    const random = new SeededRandom(11);
    for (let round = 0; round < 60; round++) {
      const damaged = Buffer.from(whole);
      // Half of the flips into the header and the schema, where they do the most.
      const at = random.below(random.chance(0.5) ? 4096 : whole.length);
      damaged[at] = (damaged[at] as number) ^ (1 << random.below(8));
      node.writeFileSync(path(), damaged);
      await expectUsable();
    }
  });

  test("with whole pages overwritten, or no database at all: usable", async () => {
    const whole = await filled();
    for (let page = 0; page * 4096 < whole.length; page += 3) {
      node.writeFileSync(path(), Buffer.from(whole).fill(0xa5, page * 4096, page * 4096 + 4096));
      await expectUsable();
    }
    node.writeFileSync(path(), "this is a letter to my aunt\n".repeat(1000));
    await expectUsable();
  });

  test("what was set aside is kept, its log is not, and the notice names it", async () => {
    await filled();
    node.writeFileSync(path(), "no database, and longer than a header would be".repeat(10));
    node.writeFileSync(`${path()}-wal`, "stale");
    const index = await open();
    expect(index.actions.position()).toBeUndefined();
    index.close();
    expect(notices).toEqual([`the index ${path()} is damaged; it was moved to ${path()}.bad-1 and is being made anew`]);
    expect(node.readFileSync(`${path()}.bad-1`, "utf8")).toMatch(/^no database/);
    node.writeFileSync(path(), "damaged once more".repeat(30));
    (await open()).close();
    expect(node.existsSync(`${path()}.bad-2`)).toBe(true);
  });

  test("of another version is set aside, not migrated", async () => {
    await filled();
    const bytes = node.readFileSync(path());
    bytes.writeUInt32BE(99, 60);
    node.writeFileSync(path(), bytes);
    const index = await open();
    expect(index.actions.position()).toBeUndefined();
    index.close();
    expect(notices).toEqual([expect.stringContaining("has version 99, not 2")]);
  });

  test("that another process has already set aside is not set aside again", async () => {
    const bytes = await filled();
    const [first, second] = [await open(), await open()];
    node.writeFileSync(path(), Buffer.from(bytes).fill(0xa5, 4096));
    for (const suffix of ["-wal", "-shm"]) node.rmSync(path() + suffix, { force: true });
    first.actions.find(LEDGER);
    first.actions.add(EXECUTIONS, { ledger: LEDGER, size: 200 });
    if (first.actions.position() === undefined) first.actions.add(EXECUTIONS, { ledger: LEDGER, size: 200 });
    second.actions.find(LEDGER);
    expect(second.actions.find(EXECUTIONS[3]?.action ?? LEDGER)).toEqual([EXECUTIONS[3]]);
    expect(node.readdirSync(home).filter((name) => /\.bad-\d+$/.test(name))).toEqual(["index.db.bad-1"]);
    first.close();
    second.close();
  });

  test("a directory in its place is refused by name", async () => {
    node.mkdirSync(path());
    const error = await open().catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: "BLOB_STORE_UNUSABLE" });
    expect(explain(error)).toContain(path());
  });

  test("once closed it says so", async () => {
    const index = await open();
    index.close();
    expect(() => index.actions.find(LEDGER)).toThrow(expect.objectContaining({ code: "INDEX_CLOSED" }));
  });
});
