import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BegatHome, begatProgram } from "../support/begat.ts";

const manual = readFileSync(join(import.meta.dirname, "../../docs/provenance.md"), "utf8");
const maker = new BegatHome();
const auditor = new BegatHome();
const checkout = maker.workspace("checkout");
const given = join(maker.path, "given");
const bin = join(maker.path, "bin");
afterAll(() => {
  maker.dispose();
  auditor.dispose();
});

beforeAll(() => {
  checkout.begatfile(`
dictum half { in [ src/a.txt ] out [ half ] exec [[[ sed s/^/half/ src/a.txt > half ]]] }
dictum whole { in [ half src/b.txt ] out [ prog ] exec [[[ cat $in > prog ]]] }
run half()
run whole()
`);
  checkout.write("src/a.txt", "a\n");
  checkout.write("src/b.txt", "b\n");
  mkdirSync(bin);
  writeFileSync(join(bin, "begat"), `#!/bin/sh\nexec '${process.execPath}' '${begatProgram()}' "$@"\n`);
  chmodSync(join(bin, "begat"), 0o755);
}, 120_000);

/** Questions whose answers are the same on every machine, but for what `plain` takes out. */
const GOLDEN = /^begat (prov (tree|path|why|complete|affected(?! --rnode))|repro|whatif|at) /;

/** Without digests, times, and how well this machine isolates. */
const plain = (answer: string): string =>
  answer
    .replace(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/\b[0-9a-f]{12,64}\b/g, "HASH")
    .replace(/\b(contained|none)\b/g, "LEVEL");

/** What each section is done by, and where. */
const PLACES: Readonly<Record<string, "auditor" | "maker">> = {
  "What the maker gives away": "maker",
  "The file and its proof": "auditor",
  "Without begat": "auditor",
  "What it was made from": "maker",
  "The ledger itself": "maker",
};

const sections = manual.split(/^## /m).slice(1);
const commands = sections.flatMap((text) => {
  const title = text.slice(0, text.indexOf("\n"));
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block]) =>
    (block as string).trim().split("\n"),
  );
  return blocks.map((line) => ({ title, line }));
});

test("every section with commands is somebody's, and none is forgotten", () => {
  expect([...new Set(commands.map(({ title }) => title))]).toEqual(Object.keys(PLACES));
  expect(commands.length).toBeGreaterThan(30);
});

const openssl = spawnSync("openssl", ["version"]).status === 0;

// One after another: each section goes on with what those before it left.
test.skipIf(!openssl)(
  `each command ends as it says${openssl ? "" : " (no openssl)"}`,
  () => {
    const wrong: string[] = [];
    let answers = "";
    for (const { title, line } of commands) {
      const [, command = "", exit = "0"] = /^(.*?)(?: # exit (\d))?$/.exec(line) ?? [];
      const home = PLACES[title] === "maker" ? maker : auditor;
      const env = { ...home.environment(), PATH: `${bin}:${process.env.PATH}` };
      const cwd = PLACES[title] === "maker" ? checkout.path : given;
      const ran = spawnSync("sh", ["-c", command], { cwd, env, encoding: "utf8" });
      if (GOLDEN.test(command)) answers += plain(`$ ${command}\n${ran.stdout}${ran.stderr}\n`);
      if (ran.status !== Number(exit))
        wrong.push(`${command}\nexit ${ran.status}, not ${exit}\n${ran.stdout}${ran.stderr}`);
    }
    expect(wrong).toEqual([]);
    return expect(answers).toMatchFileSnapshot("golden/answers.txt");
  },
  120_000,
);

test("the exit codes are those that begat has", () => {
  const help = spawnSync(process.execPath, [begatProgram(), "help"], { encoding: "utf8" }).stdout;
  const codes = [...manual.matchAll(/^\| (\d) \| /gm)].map(([, code]) => code);
  expect(codes).toEqual(["0", "1", "2", "3", "4", "5"]);
  for (const code of codes) expect(help).toMatch(new RegExp(`^ +${code} `, "m"));
});
