import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BegatHome, type Built, begatProgram, type Workspace } from "../../support/begat.ts";
import { verdicts } from "../../support/verdicts.ts";

let home: BegatHome;
let checkout: Workspace;
beforeEach(() => {
  home = new BegatHome();
  checkout = home.workspace();
});
afterEach(() => home.dispose());

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

const errors = (built: Built): string[] =>
  built.events.flatMap((event) => (event.type === "notice" && event.severity === "error" ? [event.message] : []));

const COPY = "dictum copy { in [ a ] out [ b ] exec [[[ cat a > b ]]] }\nrun copy()\n";

describe("an input that cannot be used is refused before anything runs", () => {
  test.each<readonly [what: string, prepare: (checkout: Workspace) => void, message: string]>([
    ["is not there", () => {}, "a does not exist, and no dictum makes it"],
    ["is a directory", (w) => mkdirSync(w.at("a")), "a is a directory; a/ declares all that is in it"],
    ["is a FIFO", (w) => execFileSync("mkfifo", [w.at("a")]), "a is a device, socket or FIFO"],
    ["is a link that leads nowhere", (w) => w.link("a", "gone"), "a is a symlink that leads nowhere"],
    ["is a link to itself", (w) => w.link("a", "a"), "a is a symlink that leads nowhere"],
    ["is a link to a directory", (w) => w.link("a", "."), "a is a directory; a/ declares all that is in it"],
  ])("it %s", async (_, prepare, message) => {
    checkout.begatfile(COPY);
    prepare(checkout);
    const built = await checkout.build();
    expect(built.status).toBe(1);
    expect(errors(built)).toEqual([`begatfile:2:1: copy(): ${message}`]);
    expect(built.executed).toEqual([]);
    checkout.remove("a");
    checkout.write("a", "1");
    expect((await checkout.build()).summary).toMatchObject({ outcome: "ok", executed: 1 });
  });

  test("all of them are named at once", async () => {
    checkout.begatfile("dictum cat { in [ a b c ] out [ o ] exec [[[ cat $in > o ]]] }\nrun cat()\n");
    checkout.write("b", "1");
    expect(errors(await checkout.build())).toEqual([
      "begatfile:2:1: cat(): a does not exist, and no dictum makes it",
      "begatfile:2:1: cat(): c does not exist, and no dictum makes it",
    ]);
  });

  test("a file where a tree was declared", async () => {
    checkout.begatfile("dictum list { in [ a/ ] out [ o ] exec [[[ ls a > o ]]] }\nrun list()\n");
    checkout.write("a", "");
    expect(errors(await checkout.build())).toEqual([
      "begatfile:2:1: list(): a/ is declared as a tree, but there is no such directory",
    ]);
  });

  test.skipIf(!isRoot)("one that may not be read (skipped unless root, who can become somebody else)", async () => {
    checkout.begatfile(COPY);
    checkout.write("a", "secret", 0o000);
    execFileSync("chown", ["-R", `${NOBODY}:${NOBODY}`, home.path]);
    chownSync(checkout.at("a"), 0, 0);
    const built = await checkout.start([], { uid: NOBODY, gid: NOBODY }).done;
    expect(built.status).toBe(1);
    expect(errors(built)).toEqual(["begatfile:2:1: copy(): a may not be read: permission denied"]);
  });
});

test.skipIf(!isRoot)("a plain user can do all this too (skipped unless root, who can become one)", async () => {
  checkout.begatfile(COPY);
  checkout.write("a", "1");
  execFileSync("chown", ["-R", `${NOBODY}:${NOBODY}`, home.path]);
  const user = { uid: NOBODY, gid: NOBODY };
  const first = await checkout.start([], user).done;
  expect(first.summary, first.stdout + first.stderr).toMatchObject({ outcome: "ok", executed: 1 });
  expect(checkout.read("b")).toBe("1");
  expect((await checkout.start([], user).done).summary).toMatchObject({ outcome: "ok", executed: 0 });
  expect((await checkout.start(["--force", "--executor", "process"], user).done).summary).toMatchObject({
    outcome: "ok",
    executed: 1,
    level: "none",
  });
  expect((await checkout.begat(["ledger", "verify"], user)).status).toBe(0);
});

describe("names", () => {
  const ODD = {
    blanks: "two words.txt",
    quotes: `it's "quoted".txt`,
    "UTF-8": "žluťoučký 马 \u{1f980}.txt",
    "a dollar and backquotes": "$HOME `id`.txt",
    "a backslash": "back\\slash.txt",
    "a leading dash": "-rf",
    "shell punctuation": "a;b&c|d<e>(f)*?",
  };
  test(`with ${Object.keys(ODD).join(", ")} work`, async () => {
    checkout.begatfile(`
dictum copy(from to) {
    in [ $from ]
    out [ $to ]
    exec [[
        cat "./$from" > "./$to"
        IFS= read -r listed < "$BEGAT_IN"
        [ "$listed" = "$from" ]
    ]]
}
apply(each glob("src/*"))
func each(path) { run copy($path out/\${path:src/%=%}) }
`);
    const names = Object.values(ODD);
    const contents = () => names.map((name) => checkout.read(`out/${name}`));
    for (const name of names) checkout.write(`src/${name}`, `content of ${name}`);
    const built = await checkout.build();
    expect(built.summary, built.stdout).toMatchObject({ outcome: "ok", executed: names.length });
    expect(contents()).toEqual(names.map((name) => `content of ${name}`));
    expect((await checkout.build()).summary).toMatchObject({ executed: 0 });
    for (const name of names) checkout.write(`src/${name}`, `other of ${name}`);
    expect((await checkout.build()).summary).toMatchObject({ executed: names.length });
    expect(contents()).toEqual(names.map((name) => `other of ${name}`));
  });

  test("with a newline are refused by name in a tree", async () => {
    checkout.begatfile("dictum list { in [ d/ ] out [ o ] exec [[[ ls d > o ]]] }\nrun list()\n");
    checkout.write("d/two\nlines", "");
    expect(errors(await checkout.build())).toEqual([
      'begatfile:2:1: list(): "d/two\\nlines" has a control character in its name',
    ]);
  });

  test("with a newline are refused by name where a glob meets them", async () => {
    checkout.begatfile('dictum list { in [ glob("d/*") ] out [ o ] exec [[[ ls d > o ]]] }\nrun list()\n');
    checkout.write("d/two\nlines", "");
    const { status, stdout } = await checkout.begat(["build"]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/error: .*"(d\/)?two\\nlines"/);
  });

  function writeBadName(directory: string): void {
    mkdirSync(checkout.at(directory));
    writeFileSync(Buffer.concat([Buffer.from(`${checkout.at(directory)}/bad`), Buffer.from([0xff, 0xfe])]), "");
  }

  test("that are not UTF-8 are refused by name in a tree", async () => {
    checkout.begatfile("dictum list { in [ d/ ] out [ o ] exec [[[ ls d > o ]]] }\nrun list()\n");
    writeBadName("d");
    expect(errors(await checkout.build())).toEqual([
      'begatfile:2:1: list(): "d/bad\ufffd\ufffd" has a name that is not UTF-8',
    ]);
  });

  test("that are not UTF-8 are refused by name where a glob meets them", async () => {
    checkout.begatfile('dictum list { in [ glob("d/*") ] out [ o ] exec [[[ ls d > o ]]] }\nrun list()\n');
    writeBadName("d");
    const { status, stdout } = await checkout.begat(["build"]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/error: .*not.*UTF-8/);
  });

  test.each([
    ["a newline", "touch \"$(printf 'd/a\\nb')\""],
    ["bytes that are not UTF-8", "touch \"$(printf 'd/a\\377')\""],
  ])("with %s are refused in a tree that a recipe makes", async (_, recipe) => {
    checkout.begatfile(`dictum make { out [ d/ ] exec [[\n    mkdir -p d\n    ${recipe}\n]] }\nrun make()\n`);
    const built = await checkout.build();
    expect(built.status).toBe(1);
    expect(built.events.find((event) => event.type === "chore-failed")?.failure.verdict).toBe("output-rejected");
    expect(checkout.exists("d")).toBe(false);
  });
});

describe("sizes", () => {
  test("nothing at all is a content like any other", async () => {
    checkout.begatfile(`
dictum empty { in [ a ] out [ b ] exec [[[ cat a > b ]]] }
dictum tree { in [ b ] out [ t/ ] exec [[[ mkdir -p t; cat b > t/x ]]] }
dictum bare { out [ u/ ] exec [[[ mkdir -p u ]]] }
run empty()
run tree()
run bare()
group all = [ b t/ u/ ]
`);
    checkout.write("a", "");
    const built = await checkout.build();
    expect(built.summary, built.stdout).toMatchObject({ outcome: "ok", executed: 3, materialised: 3 });
    expect(checkout.read("b")).toBe("");
    expect(checkout.read("t/x")).toBe("");
    expect(checkout.exists("u")).toBe(true);
    expect((await checkout.build()).summary).toMatchObject({ executed: 0, materialised: 0 });
    checkout.remove("b");
    checkout.remove("t");
    checkout.remove("u");
    expect((await checkout.build()).summary).toMatchObject({ executed: 0, materialised: 3 });
    expect(checkout.exists("u")).toBe(true);
    expect(await verdicts(checkout)).toEqual({ ledger: 0, cache: 0 });
  });

  test("a chore may have 10,000 inputs", async () => {
    checkout.begatfile(
      'dictum count { in [ glob("many/*") ] out [ o ] exec [[[ wc -l < "$BEGAT_IN" > o; find many -type f | wc -l >> o; echo "${in-left out}" | wc -c >> o ]]] }\nrun count()\n',
    );
    mkdirSync(checkout.at("many"));
    for (let i = 0; i < 10_000; i++) writeFileSync(checkout.at(`many/input-number-${i}`), `${i}`);
    const built = await checkout.build();
    expect(built.summary, built.stdout + built.stderr).toMatchObject({ outcome: "ok", executed: 1 });
    expect(checkout.read("o").split("\n").slice(0, 2)).toEqual(["10000", "10000"]);
    checkout.write("many/input-number-5000", "changed");
    const again = await checkout.build();
    expect(again.events.find((event) => event.type === "chore-started")).toMatchObject({
      decision: { reason: "input changed", input: "many/input-number-5000" },
    });
  });

  test("an input of 300 MiB, sparse, is copied through", async () => {
    checkout.begatfile(
      "dictum size { in [ big ] out [ copy ] exec [[[ cp --sparse=always big copy ]]] }\nrun size()\n",
    );
    execFileSync("truncate", ["-s", "300M", checkout.at("big")]);
    const built = await checkout.build();
    expect(built.summary, built.stdout).toMatchObject({ outcome: "ok", executed: 1 });
    expect(execFileSync("stat", ["-c", "%s", checkout.at("copy")], { encoding: "utf8" }).trim()).toBe("314572800");
    expect((await checkout.build()).summary).toMatchObject({ executed: 0 });
  });
});

test("a directory that is a link is followed as a source, and its bytes count", async () => {
  checkout.begatfile("dictum copy { in [ d/a ] out [ b ] exec [[[ cat d/a > b ]]] }\nrun copy()\n");
  mkdirSync(join(home.path, "outside"));
  writeFileSync(join(home.path, "outside/a"), "1");
  symlinkSync("../outside", checkout.at("d"));
  expect((await checkout.build()).summary).toMatchObject({ outcome: "ok" });
  writeFileSync(join(home.path, "outside/a"), "2");
  expect((await checkout.build()).summary).toMatchObject({ executed: 1 });
  expect(checkout.read("b")).toBe("2");
});

test.skipIf(!isRoot)(
  "a checkout that nobody may write to (skipped unless root) can be looked at, not built in",
  async () => {
    checkout.begatfile(COPY);
    checkout.write("a", "1");
    for (const place of ["state", "cache"]) {
      mkdirSync(join(home.path, place));
      chownSync(join(home.path, place), NOBODY, NOBODY);
    }
    chmodSync(checkout.path, 0o755);
    const user = { uid: NOBODY, gid: NOBODY };
    begatProgram();
    expect((await checkout.begat(["check"], user)).stdout).toBe("no mistakes in 1 begatfile, 1 chore\n");
    expect((await checkout.begat(["-n"], user)).stdout).toMatch(/^would run copy\(\) {2}new\n/);
    const built = await checkout.begat([], user);
    expect(built.status).toBe(1);
    expect(built.stderr).toMatch(/^error: cannot write to \.begat in the checkout: /);
  },
);
