import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BegatHome, type Workspace } from "../support/begat.ts";
import { Fifo } from "../support/fifo.ts";
import { verdicts } from "../support/verdicts.ts";

let home: BegatHome;
let checkout: Workspace;
let said: Fifo;
let gate: Fifo;
beforeEach(() => {
  home = new BegatHome();
  checkout = home.workspace();
  said = new Fifo(`${home.path}/said`);
  gate = new Fifo(`${home.path}/gate`);
});
afterEach(() => {
  said.close();
  gate.close();
  home.dispose();
});

const PLAIN = ["--executor", "process"];

/** One chore that says that it runs, and ends when it is told. */
function gated(target: Workspace, before = ""): void {
  target.begatfile(`
dictum slow {
    in [ a ]
    out [ b ]
    exec [[
        ${before}
        echo here > ${said.path}
        read go < ${gate.path}
        cat a > b
    ]]
}
run slow()
`);
}

/** Command lines with `marker` in them. */
function processesWith(marker: string): string[] {
  const found: string[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, "latin1").replaceAll("\0", " ");
      if (line.includes(marker)) found.push(line);
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

describe("two builds", () => {
  test("in one checkout: the second waits, says for whom, and then has nothing to do", async () => {
    gated(checkout);
    checkout.write("a", "1");
    const first = checkout.start(PLAIN);
    await said.line();
    const second = checkout.start(PLAIN);
    expect(await second.event(({ type }) => type === "waiting")).toMatchObject({ pid: first.pid });
    gate.send();
    expect((await first.done).summary).toMatchObject({ outcome: "ok", executed: 1 });
    expect((await second.done).summary).toMatchObject({ outcome: "ok", executed: 0, settled: 1 });
  });

  test("in one checkout: one that waits can be interrupted, and disturbs nobody", async () => {
    gated(checkout);
    checkout.write("a", "1");
    const first = checkout.start(PLAIN);
    await said.line();
    const second = checkout.start(PLAIN);
    await second.event(({ type }) => type === "waiting");
    second.kill("SIGINT");
    expect((await second.done).status).toBe(130);
    gate.send();
    expect((await first.done).summary).toMatchObject({ outcome: "ok", executed: 1 });
  });

  test("in one checkout: a holder that was killed is no hindrance", async () => {
    gated(checkout);
    checkout.write("a", "1");
    const first = checkout.start(PLAIN);
    await said.line();
    first.kill("SIGKILL");
    expect((await first.done).signal).toBe("SIGKILL");
    const second = checkout.start(PLAIN);
    await said.line();
    gate.send();
    expect((await second.done).summary).toMatchObject({ outcome: "ok", executed: 1 });
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });

  test("in two checkouts that share the stores: the second takes what the first made", async () => {
    const begatfile = `dictum copy(x) { in [ src/$x ] out [ out/$x ] exec [[[ cat "$in" > "$out" ]]] }\napply(copy [ a b c ])\n`;
    const other = home.workspace();
    for (const each of [checkout, other]) {
      each.begatfile(begatfile);
      for (const name of ["a", "b", "c"]) each.write(`src/${name}`, name);
    }
    other.write("src/c", "other");
    expect((await checkout.build()).summary).toMatchObject({ executed: 3 });
    const built = await other.build();
    expect(built.executed).toEqual(["copy(c)"]);
    expect([...built.cached].sort()).toEqual(["copy(a)", "copy(b)"]);
    expect(other.read("out/a")).toBe("a");
    expect(other.read("out/c")).toBe("other");
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });

  test("in one checkout by two homes: what the other one's ledger says counts for nothing here", async () => {
    const tree = `dictum tree { in [ a ] out [ t/ ] exec [[[ mkdir -p t; cat a > t/a ]]] }\nrun tree()\n`;
    const use = `dictum use { in [ t/ ] out [ u ] exec [[[ cat t/a > u ]]] }\nrun use()\n`;
    checkout.begatfile(tree + use);
    checkout.write("a", "1");
    expect((await checkout.build("t")).summary).toMatchObject({ executed: 1 });
    const other = { env: { BEGAT_STATE_HOME: `${home.path}/state2`, BEGAT_CACHE_HOME: `${home.path}/cache2` } };
    const built = await checkout.start([], other).done;
    expect(built.executed).toEqual(["tree()", "use()"]);
    expect((await checkout.start([], other).done).summary).toMatchObject({ executed: 0, settled: 2 });
  });

  test("in two checkouts at once: both end well, and the ledger holds", async () => {
    const begatfile = `dictum copy(x) { in [ a ] out [ out/$x ] exec [[[ cat "$in" > "$out" ]]] }\napply(copy [ 1 2 3 4 5 6 7 8 ])\n`;
    const other = home.workspace();
    for (const each of [checkout, other]) {
      each.begatfile(begatfile);
      each.write("a", "same");
    }
    const both = await Promise.all([checkout.build(), other.build()]);
    for (const { status, summary, stderr } of both) {
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect((summary?.executed ?? 0) + (summary?.cached ?? 0)).toBe(8);
    }
    expect(other.files()).toEqual(checkout.files());
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });

  test("and a collector between its chores: what a running build uses stays", async () => {
    checkout.begatfile(`
dictum make { in [ a ] out [ m ] exec [[[ cat a > m ]]] }
dictum slow { in [ m ] out [ b ] exec [[
    echo here > ${said.path}
    read go < ${gate.path}
    cat m > b
]] }
dictum last { in [ m b ] out [ c ] exec [[[ cat m b > c ]]] }
run make()
run slow()
run last()
`);
    checkout.write("a", "1");
    const running = checkout.start(PLAIN);
    await said.line();
    const collected = await checkout.begat(["cache", "gc", "--max-size", "0", "--json"]);
    expect(collected.status, collected.stderr).toBe(0);
    expect((JSON.parse(collected.stdout) as { leased: number }).leased).toBeGreaterThan(0);
    gate.send();
    const built = await running.done;
    expect(built.summary, built.stdout).toMatchObject({ outcome: "ok", executed: 3 });
    expect(built.executed).toEqual(["make()", "slow()", "last()"]);
    expect(checkout.read("c")).toBe("11");
    // With the build gone nothing protects them any more.
    await checkout.begat(["cache", "gc", "--max-size", "0"]);
    expect(home.blobs()).toEqual([]);
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });

  test("a checkout that was moved is up to date", async () => {
    checkout.begatfile("dictum copy { in [ a ] out [ b ] exec [[[ cat a > b ]]] }\nrun copy()\n");
    checkout.write("a", "1");
    await checkout.build();
    spawnSync("mv", [checkout.path, `${home.path}/moved`]);
    const moved = await checkout.start([], { cwd: `${home.path}/moved` }).done;
    expect(moved.summary).toMatchObject({ outcome: "ok", executed: 0 });
  });
});

describe("cancellation", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("%s ends what runs, keeps what is done, and exits %i", async (signal, status) => {
    const marker = `97531.${process.pid}${status}`;
    checkout.begatfile(`
dictum quick { in [ a ] out [ q ] exec [[[ cat a > q ]]] }
dictum slow {
    in [ q ]
    out [ b ]
    exec [[
        sleep ${marker} &
        (trap '' INT TERM HUP; exec sleep ${marker}) &
        echo here > ${said.path}
        wait
    ]]
}
run quick()
run slow()
`);
    checkout.write("a", "1");
    const running = checkout.start(PLAIN);
    await said.line();
    expect(processesWith(marker)).not.toEqual([]);
    running.kill(signal);
    const ended = await running.done;
    expect(ended.status).toBe(status);
    expect(ended.summary).toMatchObject({ outcome: "cancelled", executed: 1, failed: 0, skipped: 1 });
    expect(processesWith(marker)).toEqual([]);
    expect(checkout.exists("b")).toBe(false);
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });

    const next = checkout.start(["q", ...PLAIN]);
    expect((await next.done).summary).toMatchObject({ outcome: "ok", executed: 0 });
  });

  test("leaves the ledger whole for the next build", async () => {
    gated(checkout);
    checkout.write("a", "1");
    const running = checkout.start(PLAIN);
    await said.line();
    running.kill("SIGINT");
    await running.done;
    // Nothing was executed to its end, so nothing is there to be recorded; what the next build records is whole.
    const next = checkout.start(PLAIN);
    await said.line();
    gate.send();
    expect((await next.done).summary).toMatchObject({ outcome: "ok", executed: 1 });
    const { stdout } = await checkout.begat(["log", "--json"]);
    const { lines } = JSON.parse(stdout) as { lines: { kind: string; detail: string }[] };
    expect(lines.filter(({ kind }) => kind === "build.end").map(({ detail }) => detail)).toContain(
      "ok: 1 executed, 0 cached, 0 failed, 0 skipped, 0 unchanged",
    );
  });

  test("a second signal stops at once, and the next build carries on", async () => {
    gated(checkout, "trap '' INT TERM");
    checkout.write("a", "1");
    const running = checkout.start(PLAIN);
    await said.line();
    running.kill("SIGINT");
    running.kill("SIGINT");
    expect((await running.done).status).toBe(130);
    const next = checkout.start(PLAIN);
    await said.line();
    gate.send();
    expect((await next.done).summary).toMatchObject({ outcome: "ok" });
    expect(checkout.read("b")).toBe("1");
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });
});

describe("inputs that change while a build runs", () => {
  test("after they were read: this build uses what it read or says that it did not, the next one the new bytes", async () => {
    checkout.begatfile(`
dictum first { in [ a ] out [ b ] exec [[
    echo here > ${said.path}
    read go < ${gate.path}
    cat a > b
]] }
dictum second { in [ b c ] out [ d ] exec [[[ cat b c > d ]]] }
run first()
run second()
`);
    checkout.write("a", "a1\n");
    checkout.write("c", "c1\n");
    const running = checkout.start(PLAIN);
    await said.line();
    checkout.write("a", "a2\n");
    checkout.write("c", "c2\n");
    gate.send();
    const built = await running.done;
    expect(built.summary).toMatchObject({ outcome: "ok" });
    // a was staged before it changed; c after, and its digest was the old one.
    expect(checkout.read("d")).toBe("a1\nc2\n");
    expect(built.notices("INPUT_CHANGED")).toMatchObject([
      { message: "c changed during the build; second() uses the newer bytes" },
    ]);
    gate.send();
    const next = checkout.start(PLAIN);
    await said.line();
    expect((await next.done).summary).toMatchObject({ outcome: "ok", executed: 2 });
    expect(checkout.read("d")).toBe("a2\nc2\n");
  });

  test("an input removed meanwhile fails its chore, with the reason", async () => {
    checkout.begatfile(`
dictum first { out [ b ] exec [[
    echo here > ${said.path}
    read go < ${gate.path}
    echo > b
]] }
dictum second { in [ b c ] out [ d ] exec [[[ cat b c > d ]]] }
run first()
run second()
`);
    checkout.write("c", "c1\n");
    const running = checkout.start(PLAIN);
    await said.line();
    checkout.remove("c");
    gate.send();
    const built = await running.done;
    expect(built.status).toBe(1);
    expect(built.events.find((event) => event.type === "chore-failed")?.failure).toMatchObject({
      verdict: "executor-error",
      detail: "c does not exist, and no dictum makes it",
    });
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });
});
