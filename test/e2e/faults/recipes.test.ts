import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BegatHome, type Workspace } from "../../support/begat.ts";
import { verdicts } from "../../support/verdicts.ts";

let home: BegatHome;
let checkout: Workspace;
beforeEach(() => {
  home = new BegatHome();
  checkout = home.workspace();
});
afterEach(() => home.dispose());

describe("recipes that go too far", () => {
  test("a recipe of 1 MB is run like any other, and its last line counts", async () => {
    const filler = `: ${"x".repeat(1000)}\n`.repeat(1040);
    const long = (last: string) => `dictum long { out [ o ] exec [[\n${filler}echo ${last} > o\n]] }\nrun long()\n`;
    checkout.begatfile(long("one"));
    expect((await checkout.build()).summary).toMatchObject({ outcome: "ok", executed: 1 });
    expect(checkout.read("o")).toBe("one\n");
    expect((await checkout.build()).summary).toMatchObject({ executed: 0 });
    checkout.begatfile(long("two"));
    expect((await checkout.build()).events.find((event) => event.type === "chore-started")).toMatchObject({
      decision: { reason: "recipe changed" },
    });
    expect(checkout.read("o")).toBe("two\n");
  });

  test("a chore that prints 1 GB ends well, and what it printed is cut in the middle", async () => {
    checkout.begatfile(`
dictum loud {
    out [ o ]
    exec [[
        echo first
        perl -e '$mib = "x" x 1048576; print $mib for 1..1024'
        echo
        echo last
        echo > o
    ]]
}
run loud()
`);
    const built = await checkout.build();
    expect(built.summary, built.stdout.slice(0, 2000)).toMatchObject({ outcome: "ok", executed: 1 });
    const finished = built.events.find((event) => event.type === "chore-finished");
    expect(finished?.stdout.startsWith("first\nxxx")).toBe(true);
    expect(finished?.stdout.endsWith("xxx\nlast\n")).toBe(true);
    expect(finished?.stdout.length).toBeLessThan(2 ** 20);
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  }, 120_000);

  test("a chore that reads standard input finds its end", async () => {
    checkout.begatfile("dictum read_it { out [ o ] exec [[[ cat > o; echo done >> o ]]] }\nrun read_it()\n");
    expect((await checkout.build()).summary).toMatchObject({ outcome: "ok" });
    expect(checkout.read("o")).toBe("done\n");
  });

  test("a chore that prints what is no text does no harm", async () => {
    checkout.begatfile("dictum noise { out [ o ] exec [[[ printf '\\377\\0\\033[2J' >&2; exit 1 ]]] }\nrun noise()\n");
    const { stdout, status } = await checkout.begat([]);
    expect(status).toBe(1);
    expect(stdout).not.toContain("\u001b[2J");
    expect(stdout).not.toContain("\0");
  });

  test("an interpreter that does not exist is named", async () => {
    checkout.begatfile("dictum odd { out [ o ] exec [ no-such-shell ] [[\n    true\n]] }\nrun odd()\n");
    const built = await checkout.build();
    expect(built.status).toBe(1);
    const failure = built.events.find((event) => event.type === "chore-failed")?.failure;
    expect(`${failure?.detail} ${failure?.stderr}`).toContain("no-such-shell");
  });

  test("a chore may write as much as it likes into its own directory; only what is declared is kept", async () => {
    checkout.begatfile(`
dictum wild {
    in [ a ]
    out [ o ]
    exec [[
        chmod -R u+w . 2> /dev/null || :
        rm -rf a .begat/in 2> /dev/null || :
        mkdir -p deep/er
        chmod 0 deep
        echo > o
    ]]
}
run wild()
`);
    checkout.write("a", "1");
    const built = await checkout.build();
    expect(built.summary, built.stdout).toMatchObject({ outcome: "ok" });
    expect(checkout.read("a")).toBe("1");
    expect(checkout.exists("deep")).toBe(false);
    expect((await checkout.build("--force")).summary).toMatchObject({ outcome: "ok" });
  });

  test.each([
    ["in a sandbox", []],
    ["without one", ["--executor", "process"]],
  ])("a chore that writes to its input harms neither checkout nor store, %s", async (_, options) => {
    checkout.begatfile(`
dictum make { out [ m ] exec [[[ echo made > m ]]] }
dictum bad { in [ a m ] out [ o ] exec [[[ (echo evil > a) 2> /dev/null || :; (echo evil > m) 2> /dev/null || :; cat a m > o ]]] }
dictum good { in [ a m o ] out [ p ] exec [[[ cat a m > p ]]] }
run make()
run bad()
run good()
group all = [ m o p ]
`);
    checkout.write("a", "mine\n");
    const built = await checkout.build(...options);
    expect(built.summary, built.stdout).toMatchObject({ outcome: "ok" });
    expect(checkout.read("a")).toBe("mine\n");
    expect(checkout.read("m")).toBe("made\n");
    expect(checkout.read("p")).toBe("mine\nmade\n");
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });
});
