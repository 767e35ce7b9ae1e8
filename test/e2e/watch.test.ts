import { afterEach, beforeEach, expect, test } from "vitest";
import { BegatHome, type RunningBuild, type Workspace } from "../support/begat.ts";

const BEGATFILE = `
dictum copy(name) {
    in [ src/$name ]
    out [ out/$name ]
    exec [[
        if grep -q bad "$in"; then exit 3; fi
        if grep -q slow "$in"; then sleep 1000; fi
        cat "$in" > "$out"
    ]]
}
apply(copy glob("src/*"))
`.replace('apply(copy glob("src/*"))', 'var NAMES = glob("src/*")\napply(copy ${NAMES:src/%=%})');

let home: BegatHome;
let checkout: Workspace;
let running: RunningBuild;
beforeEach(() => {
  home = new BegatHome();
  checkout = home.workspace();
  checkout.begatfile(BEGATFILE);
  checkout.write("src/a", "alpha");
});
afterEach(() => {
  running.kill("SIGKILL");
  home.dispose();
});

/** The event of this type that comes as the `count`th. */
function nth(type: string, count: number) {
  let seen = 0;
  return running.event((event) => event.type === type && ++seen === count);
}

test("begat build --watch builds again what is changed, made and mended, and ends cleanly at Ctrl-C", async () => {
  running = checkout.start(["--watch"]);
  await nth("watching", 1);
  expect(checkout.read("out/a")).toBe("alpha");

  checkout.write("src/a", "ALPHA");
  expect(await nth("changed", 1)).toMatchObject({ paths: ["src/a"] });
  await nth("watching", 2);
  expect(checkout.read("out/a")).toBe("ALPHA");

  checkout.write("src/b", "beta");
  expect(await nth("changed", 2)).toMatchObject({ paths: ["src"] });
  await nth("watching", 3);
  expect(checkout.read("out/b")).toBe("beta");

  checkout.write("src/b", "bad");
  await nth("chore-failed", 1);
  await nth("watching", 4);
  checkout.write("src/b", "better");
  await nth("watching", 5);
  expect(checkout.read("out/b")).toBe("better");

  running.kill("SIGINT");
  expect(await running.done).toMatchObject({ status: 0, stderr: "" });
  expect((await checkout.build()).executed).toEqual([]);
  expect((await checkout.begat(["ledger", "verify"])).status).toBe(0);
});

test("a change ends a recipe that works on what it was before; Ctrl-C ends one too", async () => {
  running = checkout.start(["--watch"]);
  await nth("watching", 1);
  checkout.write("src/a", "slow");
  await nth("chore-started", 2);
  checkout.write("src/a", "quick");
  await nth("watching", 2);
  expect(checkout.read("out/a")).toBe("quick");
  checkout.write("src/a", "slow again");
  await nth("chore-started", 4);
  running.kill("SIGINT");
  expect(await running.done).toMatchObject({ status: 130, stderr: "" });
});
