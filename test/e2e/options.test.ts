import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BegatHome, type Workspace } from "../support/begat.ts";
import { Fifo } from "../support/fifo.ts";

let home: BegatHome;
let checkout: Workspace;
beforeEach(() => {
  home = new BegatHome();
  checkout = home.workspace();
});
afterEach(() => home.dispose());

const COPY = 'dictum copy(from to) { in [ $from ] out [ $to ] exec [[[ cat "$in" > "$out" ]]] }\n';

describe("targets", () => {
  const MANY = `${COPY}
run copy(src x/one)
run copy(src x/two)
run copy(x/two three)
dictum other { out [ four ] exec [[[ echo > four ]]] }
run other()
group pair = [ x/one four ]
`;
  test.each([
    ["an output", ["x/one"], ["copy(src x/one)"], ["x/one"]],
    ["an output behind another", ["three"], ["copy(src x/two)", "copy(x/two three)"], ["three"]],
    ["a directory of outputs", ["x"], ["copy(src x/one)", "copy(src x/two)"], ["x/one", "x/two"]],
    ["a directory with its slash", ["x/"], ["copy(src x/one)", "copy(src x/two)"], ["x/one", "x/two"]],
    ["a group", ["pair"], ["copy(src x/one)", "other()"], ["four", "x/one"]],
    ["a dictum", ["copy"], ["copy(src x/one)", "copy(src x/two)", "copy(x/two three)"], ["three", "x/one", "x/two"]],
    ["a chore by its label", ["copy(src x/two)"], ["copy(src x/two)"], ["x/two"]],
    ["two of them", ["four", "x/one"], ["copy(src x/one)", "other()"], ["four", "x/one"]],
  ])("%s", async (_, targets, executed, materialised) => {
    checkout.begatfile(MANY);
    checkout.write("src", "s");
    const built = await checkout.build(...targets);
    expect(built.status, built.stdout).toBe(0);
    expect([...built.executed].sort()).toEqual(executed);
    expect([...built.materialised].sort()).toEqual(materialised);
  });

  test("none: what nothing else needs, or the group all", async () => {
    checkout.begatfile(MANY);
    checkout.write("src", "s");
    expect((await checkout.build()).materialised.toSorted()).toEqual(["four", "three", "x/one"]);
    checkout.begatfile(`${MANY}group all = [ four ]\n`);
    expect((await checkout.build()).summary).toMatchObject({ planned: 1 });
  });

  test("are taken from where the user stands", async () => {
    checkout.begatfile(MANY);
    checkout.write("src", "s");
    checkout.write("x/notes", "");
    const built = await checkout.start(["one", "../four"], { cwd: checkout.at("x") }).done;
    expect([...built.materialised].sort()).toEqual(["four", "x/one"]);
  });

  test("that nobody makes are refused, with a hint where one is true", async () => {
    const refused = [
      [2, "x/on", 'nothing makes "x/on": no output, group or dictum has that name', 'did you mean "x/one"?'],
      [2, "nonsense", 'nothing makes "nonsense": no output, group or dictum has that name', null],
      [1, "src", "src is a source file; no chore makes it", null],
    ] as const;
    const areRefused = async () => {
      for (const [status, target, message, hint] of refused) {
        const stderr = `error: ${message}\n${hint === null ? "" : `hint: ${hint}\n`}`;
        expect(await checkout.begat(["build", target])).toMatchObject({ status, stdout: "", stderr });
      }
    };
    checkout.begatfile(MANY);
    checkout.write("src", "s");
    await areRefused();
    expect(existsSync(`${home.state}/ledger.db`)).toBe(false);
    // The same where a plan is at hand already.
    await checkout.build();
    await areRefused();
    for (const [exitCode, target, message, hint] of refused) {
      const { stdout } = await checkout.build(target);
      expect(JSON.parse(stdout)).toMatchObject({ type: "error", message, hint, exitCode });
    }
  });
});

describe("variables", () => {
  const GREET = `
var WHO ?= world
var FIXED = 1
dictum greet { import [ WHO ] out [ hello ] exec [[[ echo "hello $WHO" > hello ]]] }
run greet()
`;
  test("can be set on the command line, and are part of what is built", async () => {
    checkout.begatfile(GREET);
    await checkout.build();
    const built = await checkout.build("WHO=you");
    expect(built.executed).toEqual(["greet()"]);
    expect(built.events.find((event) => event.type === "chore-started")?.decision).toMatchObject({
      reason: "variable changed",
      name: "WHO",
      from: "world",
      to: "you",
    });
    expect(checkout.read("hello")).toBe("hello you\n");
    expect((await checkout.build()).cached).toEqual(["greet()"]);
    expect(checkout.read("hello")).toBe("hello world\n");
    const log = await checkout.begat(["log", "--kind", "build.begin", "--json"]);
    expect(log.status).toBe(0);
  });

  test("with ?= alone", async () => {
    checkout.begatfile(GREET);
    const built = await checkout.build("FIXED=2");
    expect(built.status).toBe(1);
    expect(built.stdout).toContain("FIXED");
    expect(built.executed).toEqual([]);
  });

  test("read from the environment are asked again at every build", async () => {
    checkout.begatfile(
      'var MODE = env("MODE" "none")\ndictum say { import [ MODE ] out [ o ] exec [[[ echo "$MODE" > o ]]] }\nrun say()\n',
    );
    await checkout.build();
    expect(checkout.read("o")).toBe("none\n");
    await checkout.start([], { env: { MODE: "fast" } }).done;
    expect(checkout.read("o")).toBe("fast\n");
    expect((await checkout.build()).cached).toEqual(["say()"]);
  });
});

describe("-n", () => {
  test("says what would run and why, and writes nothing at all", async () => {
    checkout.begatfile(`${COPY}run copy(a b)\nrun copy(b c)\n`);
    checkout.write("a", "1");
    const { status, stdout } = await checkout.begat(["build", "-n"]);
    expect(status).toBe(0);
    expect(stdout.split("\n").slice(0, 2)).toEqual([
      "would run copy(a b)  new",
      expect.stringMatching(/^would run copy\(b c\) {2}\S/),
    ]);
    expect(checkout.exists("b")).toBe(false);
    expect(existsSync(home.state)).toBe(false);
    expect(existsSync(`${home.cache}/index.db`)).toBe(false);
    expect(home.blobs()).toEqual([]);
  });

  test("knows what an earlier build did, and leaves its state alone", async () => {
    checkout.begatfile(`${COPY}run copy(a b)\nrun copy(x y)\n`);
    checkout.write("a", "1");
    checkout.write("x", "1");
    await checkout.build();
    const records = (await checkout.begat(["log", "--json"])).stdout;
    checkout.write("a", "2");
    const dry = await checkout.build("-n");
    expect(dry.events.filter((event) => event.type === "chore-planned")).toMatchObject([
      { chore: { label: "copy(a b)" }, decision: { reason: "input changed", input: "a" } },
    ]);
    expect(dry.summary).toMatchObject({ dryRun: true, outcome: "ok" });
    expect(checkout.read("b")).toBe("1");
    expect((await checkout.begat(["log", "--json"])).stdout).toBe(records);
    // What it saw was not taken for built.
    expect((await checkout.build()).executed).toEqual(["copy(a b)"]);
    expect(checkout.read("b")).toBe("2");
  });
});

test("--force executes what is up to date, and what is cached", async () => {
  checkout.begatfile(`${COPY}run copy(a b)\nrun copy(b c)\n`);
  checkout.write("a", "1");
  await checkout.build();
  const { executed, events } = await checkout.build("--force");
  expect(executed).toEqual(["copy(a b)", "copy(b c)"]);
  const reasons = events.flatMap((event) => (event.type === "chore-started" ? [event.decision.reason] : []));
  expect(reasons).toEqual(["forced", "forced"]);
});

describe("isolation", () => {
  test("--executor process gives level none, which a better level does not accept", async () => {
    checkout.begatfile(`${COPY}run copy(a b)\n`);
    checkout.write("a", "1");
    const plain = await checkout.build("--executor", "process");
    expect(plain.summary).toMatchObject({ outcome: "ok", level: "none" });
    expect((await checkout.build("--executor", "process")).summary).toMatchObject({ executed: 0 });
    const best = await checkout.build();
    expect(best.summary?.executed).toBe(best.summary?.level === "none" ? 0 : 1);
    // What was made in isolation counts without it too.
    expect((await checkout.build("--executor", "process")).summary).toMatchObject({ executed: 0 });
  });

  test("--min-isolation is refused where it cannot be had, and nothing is run", async () => {
    checkout.begatfile(`${COPY}run copy(a b)\n`);
    checkout.write("a", "1");
    const built = await checkout.build("--min-isolation", "hermetic");
    expect(built.status).toBe(1);
    expect(built.stderr).toMatch(
      /isolation hermetic was asked for, and copy\(a b\) runs with the host's own tools, which is \w+ here; nothing was run/,
    );
    expect(checkout.exists("b")).toBe(false);
    const contradiction = await checkout.build("--executor", "process", "--min-isolation", "contained");
    expect(contradiction.status).toBe(1);
    expect(checkout.exists("b")).toBe(false);
  });
});

describe("what runs at once", () => {
  // Each chore says that it is there, waits to be told to end, and says that it goes: the order of what they say in one
  // pipe is the order in which they did it.
  test.each([
    ["-j2", "", 2, ["-j2"]],
    ["-j1", "", 1, ["-j1"]],
    ["two cores a chore", "resources [ cpu=2 ]", 2, ["-j4"]],
    ["a pool of one by its name", "resources [ linker=1 ]", 1, ["-j4"]],
    ["exclusive", "attr [ exclusive ]", 1, ["-j4"]],
  ])("%s", async (_, extra, together, options) => {
    const said = new Fifo(`${home.path}/said`);
    const gate = new Fifo(`${home.path}/gate`);
    checkout.begatfile(`
dictum wait(name) {
    ${extra}
    out [ $name ]
    exec [[
        echo "+" > ${said.path}
        read go < ${gate.path}
        echo "-" > ${said.path}
        echo > "$out"
    ]]
}
apply(wait [ a b c d ])
`);
    try {
      const running = checkout.start(["--executor", "process", ...options]);
      let inside = 0;
      let most = 0;
      for (let gone = 0; gone < 4; ) {
        if ((await said.line()) === "+") most = Math.max(most, ++inside);
        else {
          inside--;
          gone++;
        }
        // All that may be there at once are there, or nobody is left to come.
        if (inside === Math.min(together, 4 - gone)) gate.send();
      }
      const { summary, stdout } = await running.done;
      expect(summary, stdout).toMatchObject({ outcome: "ok", executed: 4 });
      expect(most).toBe(together);
    } finally {
      said.close();
      gate.close();
    }
  });
});
