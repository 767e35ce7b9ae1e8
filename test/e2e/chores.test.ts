import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BegatHome, type Workspace } from "../support/begat.ts";

let home: BegatHome;
let checkout: Workspace;
beforeEach(() => {
  home = new BegatHome();
  checkout = home.workspace();
});
afterEach(() => home.dispose());

describe("properties", () => {
  const VERSIONED = `
dictum version { in [ VERSION ] up [ VERSION ] exec [[[ echo "VERSION=$(cat VERSION)" >> "$BEGAT_UP" ]]] }
dictum stamp { import [ VERSION ] out [ stamp ] exec [[[ echo "v$VERSION" > stamp ]]] }
run version()
run stamp()
`;

  test("are edges like files: what imports one runs when it changes", async () => {
    checkout.begatfile(VERSIONED);
    checkout.write("VERSION", "1.0\n");
    expect((await checkout.build()).executed).toEqual(["version()", "stamp()"]);
    expect(checkout.read("stamp")).toBe("v1.0\n");
    checkout.write("VERSION", "1.1\n");
    const { executed, events } = await checkout.build();
    expect(executed).toEqual(["version()", "stamp()"]);
    const decisions = events.flatMap((event) => (event.type === "chore-started" ? [event.decision] : []));
    expect(decisions[1]).toMatchObject({ reason: "variable changed", name: "VERSION", from: "1.0", to: "1.1" });
    expect(checkout.read("stamp")).toBe("v1.1\n");
    expect((await checkout.build()).summary).toMatchObject({ executed: 0, settled: 2 });
  });

  test("stop a build where their value stays", async () => {
    checkout.begatfile(VERSIONED.replace("$(cat VERSION)", "$(tr -d ' ' < VERSION)"));
    checkout.write("VERSION", "1.0\n");
    await checkout.build();
    checkout.write("VERSION", "1. 0\n");
    expect((await checkout.build()).executed).toEqual(["version()"]);
  });

  test("come from the cache with the rest of a result", async () => {
    checkout.begatfile(VERSIONED);
    checkout.write("VERSION", "1.0\n");
    await checkout.build();
    checkout.write("VERSION", "2.0\n");
    await checkout.build();
    checkout.write("VERSION", "1.0\n");
    const { executed, cached } = await checkout.build();
    expect({ executed, cached }).toEqual({ executed: [], cached: ["version()", "stamp()"] });
    expect(checkout.read("stamp")).toBe("v1.0\n");
  });

  test.each([
    ["nothing", ":", "BEGAT_UP was not written; up[] declares A, B"],
    ["one of two", 'echo A=1 > "$BEGAT_UP"', "BEGAT_UP does not set B"],
    ["one twice", 'printf "A=1\\nB=1\\nA=2\\n" > "$BEGAT_UP"', "BEGAT_UP sets A twice"],
    ["another", 'printf "A=1\\nB=1\\nC=2\\n" > "$BEGAT_UP"', "BEGAT_UP sets C, which up[] does not declare"],
    ["no pair", 'echo hello > "$BEGAT_UP"', 'BEGAT_UP has a line without NAME=value: "hello"'],
    ["bytes that are not UTF-8", 'printf "A=\\377\\nB=1\\n" > "$BEGAT_UP"', "BEGAT_UP is not UTF-8"],
  ])("a chore that gives %s fails", async (_, recipe, detail) => {
    checkout.begatfile(`dictum facts { up [ A B ] exec [[\n${recipe}\n]] }\nrun facts()\n`);
    const { status, events } = await checkout.build();
    const failed = events.find((event) => event.type === "chore-failed");
    expect(status).toBe(1);
    expect(failed?.failure.detail).toContain(detail);
  });
});

describe("attributes", () => {
  test("volatile runs every time, and cuts off early all the same", async () => {
    checkout.begatfile(`
dictum now { attr [ volatile ] out [ now ] in [ clock ] exec [[[ cut -c1 clock > now ]]] }
dictum after { in [ now ] out [ after ] exec [[[ cat now > after ]]] }
run now()
run after()
`);
    checkout.write("clock", "1a");
    await checkout.build();
    for (let round = 0; round < 2; round++) {
      const { executed, events } = await checkout.build();
      expect(executed).toEqual(["now()"]);
      expect(events.find((event) => event.type === "chore-started")).toMatchObject({
        decision: { reason: "volatile" },
      });
    }
    checkout.write("clock", "2a");
    expect((await checkout.build()).executed).toEqual(["now()", "after()"]);
    expect(checkout.read("after")).toBe("2\n");
  });

  test("nocache keeps a result in its checkout only", async () => {
    checkout.begatfile(`
dictum once { attr [ nocache ] in [ a ] out [ b ] exec [[[ cat a > b ]]] }
run once()
`);
    checkout.write("a", "1");
    await checkout.build();
    expect((await checkout.build()).summary).toMatchObject({ executed: 0, settled: 1 });
    const other = home.workspace();
    other.begatfile(checkout.read("begatfile"));
    other.write("a", "1");
    expect((await other.build()).executed).toEqual(["once()"]);
  });

  test("fixpoint runs until the outputs stay the same", async () => {
    checkout.begatfile(`
dictum settle {
    attr [ fixpoint=6 ]
    in [ doc refs ]
    out [ refs ]
    exec [[
        if [ -e refs ]; then cat refs > next; else : > next; fi
        [ "$(wc -l < next)" -ge 3 ] || echo ref >> next
        mv -f next refs
    ]]
}
run settle()
`);
    checkout.write("doc", "text");
    const first = await checkout.build();
    expect(first.summary, first.stdout).toMatchObject({ outcome: "ok" });
    expect(checkout.read("refs")).toBe("ref\nref\nref\n");
    expect((await checkout.build()).summary).toMatchObject({ executed: 0, settled: 1 });
  });

  test("fixpoint that does not settle fails with the number of rounds", async () => {
    checkout.begatfile(`
dictum restless {
    attr [ fixpoint=3 ]
    in [ refs ]
    out [ refs ]
    exec [[
        if [ -e refs ]; then cat refs > next; else : > next; fi
        echo ref >> next
        mv -f next refs
    ]]
}
run restless()
`);
    const { status, events } = await checkout.build();
    expect(status).toBe(1);
    expect(events.find((event) => event.type === "chore-failed")?.failure).toMatchObject({
      verdict: "output-rejected",
      detail: "outputs still changed after 3 rounds",
    });
  });
});

describe("what a recipe gets", () => {
  test("is its declared inputs, its variables, a fixed base, and nothing else", async () => {
    checkout.begatfile(`
var FLAGS = [ -O2 "two words" ]
var LOCAL = not-imported
dictum look(who) {
    import [ FLAGS ]
    down [ SET=here ]
    in [ given ]
    out [ env files list ]
    exec [[
        env | grep -v -e '^PWD=' -e '^SHLVL=' -e '^_=' | cut -d= -f1 | sort > env
        echo "$FLAGS|$who|$SET|$in|$out" >> env
        ls -A > files
        cat "$BEGAT_IN" "$BEGAT_OUT" > list
    ]]
}
run look(me)
`);
    checkout.write("given", "");
    checkout.write("hidden", "");
    const built = await checkout.start([], { env: { SECRET: "leak" } }).done;
    expect(built.summary, built.stdout).toMatchObject({ outcome: "ok" });
    expect(checkout.read("env").split("\n")).toEqual([
      ...["BEGAT_IN", "BEGAT_OUT", "FLAGS", "HOME", "LANG", "PATH", "SET", "SOURCE_DATE_EPOCH", "TMPDIR", "TZ"],
      ...["in", "out", "who", "-O2 two words|me|here|given|env files list", ""],
    ]);
    expect(checkout.read("files")).toBe(".begat\nenv\nfiles\ngiven\n");
    expect(checkout.read("list")).toBe("given\nenv\nfiles\nlist\n");
  });

  test("is run in its directory, paths seen from there", async () => {
    checkout.begatfile(`
dictum here(x) { in [ $x ../top ] out [ out/result ] exec [[[ cat $in > $out; pwd | sed 's,.*/,,' >> $out; echo "$in" >> $out ]]] }
cd sub { run here(one) }
`);
    checkout.write("top", "t");
    checkout.write("sub/one", "1");
    const { summary, stdout, executed } = await checkout.build();
    expect(summary, stdout).toMatchObject({ outcome: "ok" });
    expect(executed).toEqual(["here(one) in sub"]);
    expect(checkout.read("sub/out/result")).toBe("1tsub\none ../top\n");
  });

  test("is run by the interpreter that it names", async () => {
    checkout.begatfile(
      `dictum lines { in [ a ] out [ b ] exec [ awk -f ] [[\n  BEGIN { print "from awk" > "b" }\n]] }\nrun lines()\n`,
    );
    checkout.write("a", "");
    const { summary, stdout } = await checkout.build();
    expect(summary, stdout).toMatchObject({ outcome: "ok" });
    expect(checkout.read("b")).toBe("from awk\n");
  });

  test("can read a mounted tree at another place", async () => {
    checkout.begatfile(`
mount("lib" "ro" "third/party")
dictum use { out [ o ] exec [[[ cat lib/a lib/sub/b > o; ls >> o ]]] }
run use()
`);
    checkout.write("third/party/a", "A\n");
    checkout.write("third/party/sub/b", "B\n");
    const { summary, stdout } = await checkout.build();
    expect(summary, stdout).toMatchObject({ outcome: "ok" });
    expect(checkout.read("o")).toBe("A\nB\nlib\no\n");
    checkout.write("third/party/a", "AA\n");
    expect((await checkout.build()).executed).toEqual(["use()"]);
    expect(checkout.read("o")).toBe("AA\nB\nlib\no\n");
  });
});

describe("a chore that fails", () => {
  test("is reported with its reason, its place, a line to repeat it, and what it printed", async () => {
    checkout.begatfile(`
dictum bad { in [ a ] out [ "the output" ] exec [[
    echo printed
    echo complained >&2
    exit 3
]] }
run bad()
`);
    checkout.write("a", "");
    const { status, stdout } = await checkout.begat(["build"]);
    expect(status).toBe(1);
    const lines = stdout.replaceAll(/\d+(?:\.\d+)?s/g, "T").split("\n");
    expect(lines[0]).toBe("failed bad(): exit 3  T");
    expect(lines.slice(1, 9)).toEqual([
      "  at      begatfile:7:1",
      "  ran     new",
      "  repeat  begat build 'the output'",
      "  -- stdout --",
      "printed",
      "  -- stderr --",
      "complained",
      expect.stringMatching(/^failed: 1 failed, 0 executed {2}\(T, level \w+, ledger \d+ records\)$/),
    ]);
    const again = await checkout.build("the output");
    expect(again.executed).toEqual(["bad()"]);
  });

  test.each([
    ["makes no output", "true", "output-missing", "output o was not made"],
    ["makes a directory where a file is declared", "mkdir o", "output-rejected", /^o/],
    ["makes a dangling link", "ln -s nowhere o", "output-rejected", /^o/],
    ["makes an absolute link", "ln -s /etc/passwd o", "output-rejected", /^o/],
    ["makes a link that leads out", "ln -s ../../etc/passwd o", "output-rejected", /^o/],
    ["is ended by a signal", "kill -9 $$", "signal", "ended by SIGKILL"],
    ["leaves a process behind", "sleep 1000 > /dev/null 2>&1 & echo > o", "leftover-processes", /sleep$/],
  ])("%s", async (_, recipe, verdict, detail) => {
    checkout.begatfile(`dictum bad { out [ o ] exec [[\n    ${recipe}\n]] }\nrun bad()\n`);
    const { status, events, summary } = await checkout.build();
    const failed = events.find((event) => event.type === "chore-failed");
    expect(failed?.failure.verdict).toBe(verdict);
    if (typeof detail === "string") expect(failed?.failure.detail).toBe(detail);
    else expect(failed?.failure.detail).toMatch(detail);
    expect(status).toBe(1);
    expect(summary).toMatchObject({ outcome: "failed", failed: 1 });
    expect(checkout.exists("o")).toBe(false);
  });

  test("is never cached", async () => {
    checkout.begatfile("dictum bad { out [ o ] exec [[[ exit 1 ]]] }\nrun bad()\n");
    for (let round = 0; round < 2; round++) expect((await checkout.build()).executed).toEqual(["bad()"]);
  });

  test("that made undeclared files names them and gives a true hint", async () => {
    checkout.begatfile("dictum typo { out [ result ] exec [[[ echo > reslut ]]] }\nrun typo()\n");
    const { events } = await checkout.build();
    expect(events.find((event) => event.type === "chore-failed")?.failure).toMatchObject({
      undeclared: ["reslut"],
      hint: "the recipe made reslut, which out[] does not declare",
    });
  });

  test("names undeclared files of a success too, and keeps none of them", async () => {
    checkout.begatfile("dictum messy { out [ o ] exec [[[ echo > o; echo > o.tmp ]]] }\nrun messy()\n");
    const { events } = await checkout.build();
    expect(events.find((event) => event.type === "chore-finished")).toMatchObject({ undeclared: ["o.tmp"] });
    expect(checkout.exists("o.tmp")).toBe(false);
  });

  const GRAPH = `
dictum ok(name) { in [ src/$name ] out [ out/$name ] exec [[[ cat "$in" > "$out" ]]] }
dictum bad { in [ src/bad ] out [ out/bad ] exec [[[ cp src/bad out/bad; grep good src/bad ]]] }
dictum after { in [ out/bad ] out [ out/after ] exec [[[ cat out/bad > out/after ]]] }
dictum last { in [ out/after out/a ] out [ out/last ] exec [[[ cat $in > out/last ]]] }
run bad()
apply(ok [ a b c d ])
run after()
run last()
`;

  test("skips what depends on it, and with -k the rest goes on", async () => {
    checkout.begatfile(GRAPH);
    for (const name of ["a", "b", "c", "d", "bad"]) checkout.write(`src/${name}`, name);
    const { status, summary, executed, skipped, events } = await checkout.build("-k", "-j1");
    expect(status).toBe(1);
    expect([...executed].sort()).toEqual(["bad()", "ok(a)", "ok(b)", "ok(c)", "ok(d)"]);
    expect(skipped).toEqual(["after()", "last()"]);
    expect(summary).toMatchObject({ outcome: "failed", planned: 7, executed: 4, failed: 1, skipped: 2 });
    expect(events.find((event) => event.type === "chore-skipped")).toMatchObject({ because: "bad()" });
    expect(checkout.read("out/b")).toBe("b");

    checkout.write("src/bad", "good");
    const mended = await checkout.build("-k");
    expect(mended.executed).toEqual(["bad()", "after()", "last()"]);
    expect(checkout.read("out/last")).toBe("gooda");
  });

  test("stops the build without -k; what was done is not done again", async () => {
    checkout.begatfile(GRAPH);
    for (const name of ["a", "b", "c", "d", "bad"]) checkout.write(`src/${name}`, name);
    const { status, summary } = await checkout.build("-j1");
    expect(status).toBe(1);
    expect(summary).toMatchObject({ outcome: "failed", planned: 7, failed: 1 });
    const done = summary?.executed ?? 0;
    expect(done + (summary?.skipped ?? 0)).toBe(6);
    const rest = await checkout.build("-k");
    expect(rest.summary).toMatchObject({ executed: 4 - done, failed: 1, skipped: 2 });
  });
});

describe("limits", () => {
  test("a chore past its time is killed", async () => {
    checkout.begatfile("dictum slow { timeout 200ms out [ o ] exec [[[ sleep 1000 ]]] }\nrun slow()\n");
    const { status, events } = await checkout.build();
    expect(status).toBe(1);
    expect(events.find((event) => event.type === "chore-failed")?.failure).toMatchObject({
      verdict: "timeout",
      detail: "still running after 200 ms",
    });
  });

  test("--timeout counts where a chore declares none", async () => {
    checkout.begatfile("dictum slow { out [ o ] exec [[[ sleep 1000 ]]] }\nrun slow()\n");
    const { events } = await checkout.build("--timeout", "150ms");
    expect(events.find((event) => event.type === "chore-failed")?.failure.detail).toBe("still running after 150 ms");
  });

  test("a chore may not have more processes than it asked for", async () => {
    checkout.begatfile(`
dictum many {
    resources [ pids=40 ]
    timeout 20s
    out [ o ]
    exec [[
        bomb() { bomb | bomb & }
        bomb
        wait
        sleep 1
        echo survived > o
    ]]
}
dictum next { out [ p ] exec [[[ echo > p ]]] }
run many()
run next()
`);
    const { status, events, summary } = await checkout.build("-k");
    expect(status).toBe(1);
    expect(events.find((event) => event.type === "chore-failed")?.failure.verdict).toMatch(
      /^(resource|exit|leftover-processes|timeout)$/,
    );
    expect(summary).toMatchObject({ executed: 1, failed: 1 });
  });
});
