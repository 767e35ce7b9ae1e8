import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BegatHome, type Built, type Workspace } from "../../support/begat.ts";
import { MAY_MOUNT, SmallDisk } from "../../support/small-disk.ts";
import { verdicts } from "../../support/verdicts.ts";

let home: BegatHome;
let checkout: Workspace;
let disks: SmallDisk[];
beforeEach(() => {
  home = new BegatHome();
  disks = [];
});
afterEach(() => {
  for (const disk of disks) disk.dispose();
  home.dispose();
});

function disk(name: string, size: string): SmallDisk {
  const made = new SmallDisk(join(home.path, name), size);
  disks.push(made);
  return made;
}

const LARGE = `
dictum small { in [ a ] out [ s ] exec [[[ cat a > s ]]] }
dictum large { in [ s ] out [ big ] exec [[[ seq 1000000 1999999 > big; cat s >> big ]]] }
run small()
run large()
group all = [ s big ]
`;

function prepare(): void {
  checkout = home.workspace();
  checkout.begatfile(LARGE);
  checkout.write("a", "A");
}

/** Everything a person is told that is an error. */
function told(built: Built): string {
  const events = built.events.flatMap((event) => {
    if (event.type === "notice" && event.severity !== "note") return [event.message];
    return event.type === "chore-failed" ? [event.failure.detail] : [];
  });
  return [...events, built.stderr].join("\n");
}

describe.skipIf(!MAY_MOUNT)("a full disk (skipped where nothing may be mounted)", () => {
  test("under the cache: it is named, no part of a blob stays, and with room the build carries on", async () => {
    const full = disk("cache", "4m");
    prepare();
    const built = await checkout.build();
    expect(built.status).toBe(1);
    expect(told(built)).toMatch(/no room|no space|full/i);
    expect(checkout.exists("big")).toBe(false);
    expect(home.blobs().every((path) => /\/cas\/[0-9a-f]{2}\/[0-9a-f]{62}$/.test(path))).toBe(true);
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
    full.resize("64m");
    const next = await checkout.build();
    expect(next.summary, next.stdout + next.stderr).toMatchObject({ outcome: "ok", executed: 1 });
    expect(checkout.read("s")).toBe("A");
    expect(readdirSync(join(home.cache, "tmp"))).toEqual([]);
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });

  test("under the state home: nothing is acknowledged that is not on it, and with room the build carries on", async () => {
    const full = disk("state", "4m");
    prepare();
    expect((await checkout.build("s")).summary).toMatchObject({ outcome: "ok" });
    checkout.write("a", "B");
    full.fill(4096);
    const built = await checkout.build();
    expect(built.status).toBe(1);
    expect(told(built)).toMatch(/no room|no space|full/i);
    full.empty();
    expect((await verdicts(checkout)).ledger).toBe(0);
    const next = await checkout.build();
    expect(next.summary, next.stdout + next.stderr).toMatchObject({ outcome: "ok" });
    expect(checkout.read("s")).toBe("B");
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });

  test("under the state home from the first: no half of a ledger stays", async () => {
    const full = disk("state", "4m");
    full.fill(8192);
    prepare();
    const built = await checkout.build("s");
    expect(built.status).toBe(1);
    expect(told(built)).toMatch(/no room|no space|full/i);
    full.empty();
    expect((await checkout.build("s")).summary).toMatchObject({ outcome: "ok" });
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });

  test("under the checkout: no part of an output is seen, what stood there stays", async () => {
    const full = disk("checkout", "4m");
    checkout = workspaceOn(full);
    checkout.write("big", "the old one");
    const built = await checkout.build();
    expect(built.status).toBe(1);
    expect(told(built)).toMatch(/no room|no space|full/i);
    expect(checkout.read("big")).toBe("the old one");
    full.resize("64m");
    const next = await checkout.build();
    expect(next.summary, next.stdout + next.stderr).toMatchObject({ outcome: "ok", executed: 0 });
    expect(checkout.read("big")).toHaveLength(8_000_001);
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });
});

describe.skipIf(!MAY_MOUNT)("a read-only disk (skipped where nothing may be mounted)", () => {
  test("under the state home: named, nothing run; what is up to date stays so", async () => {
    const state = disk("state", "8m");
    prepare();
    await checkout.build("s");
    state.setReadOnly(true);
    expect((await checkout.build("s")).summary).toMatchObject({ outcome: "ok", executed: 0 });
    checkout.write("a", "B");
    const built = await checkout.build("s");
    expect(built.status).toBe(1);
    expect(built.stderr).toContain(join(home.state, "ledger.db"));
    expect(built.stderr).toContain("hint: set BEGAT_STATE_HOME to a directory begat may write to\n");
    expect(built.executed).toEqual([]);
    expect(checkout.read("s")).toBe("A");
    state.setReadOnly(false);
    expect((await checkout.build("s")).summary).toMatchObject({ outcome: "ok", executed: 1 });
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });

  test("under the cache: named, nothing acknowledged", async () => {
    const cache = disk("cache", "64m");
    prepare();
    await checkout.build("s");
    cache.setReadOnly(true);
    checkout.write("a", "B");
    const built = await checkout.build("s");
    expect(built.status).toBe(1);
    expect(told(built)).toContain(home.cache);
    expect(built.stderr).toContain("hint: set BEGAT_CACHE_HOME to a directory that can be written\n");
    expect(checkout.read("s")).toBe("A");
    cache.setReadOnly(false);
    expect((await checkout.build("s")).summary).toMatchObject({ outcome: "ok" });
    expect(checkout.read("s")).toBe("B");
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });
});

function workspaceOn(full: SmallDisk): Workspace {
  const inside = home.workspace("checkout/inside");
  expect(inside.path.startsWith(full.path)).toBe(true);
  inside.begatfile(LARGE);
  inside.write("a", "A");
  return inside;
}
