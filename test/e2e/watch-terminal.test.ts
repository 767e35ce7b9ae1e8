import { spawn, spawnSync } from "node:child_process";
import { afterAll, expect, test } from "vitest";
import { BegatHome, begatProgram } from "../support/begat.ts";
import { skipReason } from "../support/skip-reason.ts";

const home = new BegatHome();
afterAll(() => home.dispose());
const hasScript = spawnSync("script", ["--version"]).status === 0;

test.skipIf(!hasScript)(
  `begat build --watch on a terminal tells each build, and Ctrl-C ends it${skipReason(hasScript, "script", "apt-get install bsdutils")}`,
  async () => {
    const checkout = home.workspace();
    const begatfile =
      'dictum copy(name) { in [ src/$name ] out [ out/$name ] exec [[\n    grep -v bad "$in" > "$out"\n]] }\napply(copy [ a b ])\n';
    checkout.begatfile(begatfile);
    checkout.write("src/a", "alpha\n");
    checkout.write("src/b", "beta\n");
    const command = `exec '${process.execPath}' '${begatProgram()}' build --watch --no-color`;
    const child = spawn("script", ["-qfec", command, "/dev/null"], {
      cwd: checkout.path,
      env: { ...home.environment(), TERM: "xterm" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    let screen = "";
    let wake = (): void => {};
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      screen += text;
      wake();
    });
    /** What came on the screen up to and with `text`; it is taken away. */
    const until = async (text: string): Promise<string> => {
      for (;;) {
        const end = screen.indexOf(text) + text.length;
        if (end >= text.length) {
          const seen = screen.slice(0, end);
          screen = screen.slice(end);
          return seen;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    try {
      expect(await until("Ctrl-C ends")).toContain("built: 2 executed");
      checkout.write("src/a", "ALPHA\n");
      // The one that had nothing to do counts too.
      expect(await until("Ctrl-C ends")).toMatch(
        /changed: src\/a[\s\S]*\[2\/2\] copy\(a\)[\s\S]*built: 1 executed, 1 up to date/,
      );
      checkout.write("src/b", "bad\n");
      expect(await until("Ctrl-C ends")).toMatch(/failed copy\(b\): exit 1/);
      checkout.begatfile(`${begatfile}dictum copy {`);
      expect(await until("Ctrl-C ends")).toMatch(/changed: begatfile[\s\S]*error[\s\S]*nothing was built/);
      checkout.begatfile(begatfile);
      checkout.write("src/b", "better\n");
      expect(await until("copy(b)")).toContain("changed:");
      await until("Ctrl-C ends");
      child.stdin.write("\u0003");
      expect(await ended).toBe(0);
    } finally {
      child.kill("SIGKILL");
    }
  },
);
