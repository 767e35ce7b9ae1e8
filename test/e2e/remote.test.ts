import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../../src/base/index.ts";
import { BegatHome, type Built, type Workspace } from "../support/begat.ts";
import { FulcrumProcess, freePort } from "../support/fulcrum-process.ts";
import { verdicts } from "../support/verdicts.ts";

// One leader, which executes too, and clients that have joined its farm. The last test takes it away.
let farmHome: BegatHome;
let home: BegatHome;
let leader: FulcrumProcess;
let workspace: Workspace;

const BEGATFILE = `
dictum upper(x) { in [ src/$x ] out [ up/$x ] exec [[[ tr a-z A-Z < "$in" > "$out" ]]] }
apply(upper [ a b c d ])
dictum fact { in [ src/a ] up [ FACT ] exec [[[ echo "FACT=$(cat src/a)" > "$BEGAT_UP" ]]] }
run fact()
dictum join { import [ FACT ] in [ up/a up/b up/c up/d ] out [ joined tree/ ] exec [[
    cat up/a up/b up/c up/d > joined
    mkdir tree
    echo "$FACT" > tree/fact
    ln -s fact tree/link
]] }
run join()
group all = [ joined tree/ ]
dictum hang { in [ src/a ] out [ never ] exec [[[ sleep 600 ]]] }
run hang()
`;

beforeAll(async () => {
  [farmHome, home] = [new BegatHome(), new BegatHome()];
  const listen = `127.0.0.1:${await freePort()}`;
  const plain = ["--insecure-listen", `127.0.0.1:${await freePort()}`];
  const words = ["--leader", "--name", "boss", "--listen", listen, "--slots", "2", ...plain];
  leader = await FulcrumProcess.start(farmHome, words);
  await join(home);
  workspace = another(home);
}, 60_000);

afterAll(async () => {
  await leader?.kill();
  for (const one of [farmHome, home]) one?.dispose();
});

let members = 0;

async function join(member: BegatHome): Promise<void> {
  const token = await farmHome.workspace().begat(["farm", "token", "--role", "client"]);
  const words = ["farm", "join", leader.ready.listen, "--name", `client-${++members}`, "--token", token.stdout.trim()];
  const joined = await member.workspace().begat(words);
  expect(joined.status, joined.stderr).toBe(0);
}

function another(at: BegatHome, begatfile = BEGATFILE): Workspace {
  const made = at.workspace();
  made.begatfile(begatfile);
  for (const name of ["a", "b", "c", "d"]) made.write(`src/${name}`, `${name}\n`);
  return made;
}

const farmBuild = (...args: string[]): Promise<Built> => workspace.build("--farm", "joined", ...args);
const rnodesOf = ({ events }: Built): (string | undefined)[] =>
  events.flatMap((event) => (event.type === "chore-finished" ? [event.rnode] : []));

describe("begat build --farm", () => {
  test("executes there, takes what is proven, and says where and why", async () => {
    const built = await farmBuild("-j", "0");
    expect(built.status, built.stdout + built.stderr).toBe(0);
    expect(rnodesOf(built)).toEqual(Array(6).fill("boss"));
    expect(built.summary?.elsewhere).toEqual({ boss: 6 });
    expect([workspace.read("joined"), workspace.read("tree/link")]).toEqual(["A\nB\nC\nD\n", "a\n"]);
    const why = await workspace.begat(["why", "joined"]);
    expect(why.stdout).toMatch(/^ran on {4}boss, \w+: nothing that can go there runs here$/m);
    expect(await verdicts(workspace)).toEqual({ ledger: 0, cache: 0 });
  });

  test("uses it again without the farm, and proves it to a stranger", async () => {
    workspace.remove("joined");
    const again = await workspace.build();
    expect(again.summary).toMatchObject({ outcome: "ok", executed: 0 });
    expect((await workspace.begat(["prov", "prove", "joined", "-o", "proof"])).status).toBe(0);
    expect((await workspace.begat(["verify", "proof/joined.proof", "joined"])).status).toBe(0);
  });

  test("takes from the farm's cache what is proven by a key that it knows, and nothing else unless asked", async () => {
    const variant = (n: number) =>
      `dictum one { in [ src/a ] out [ made ] exec [[[ echo ${n} > made ]]] }\nrun one()\n`;
    const strangers = new BegatHome();
    await join(strangers);
    const made = another(home, variant(1));
    await made.build("--farm", leader.ready.listen, "-j", "0");
    const second = another(strangers, variant(1));
    const unproven = await second.build("--cache", "joined");
    expect(unproven.notices("CACHE_UNPROVEN").length).toBe(1);
    expect(unproven.summary).toMatchObject({ outcome: "ok", cached: 0 });
    // One execution for this ledger, and the rnode's key is known here.
    await another(strangers, variant(2)).build("--farm", "joined", "-j", "0");
    made.begatfile(variant(3));
    await made.build("--farm", "joined", "-j", "0");
    second.begatfile(variant(3));
    const taken = await second.build("--cache", "joined");
    expect(taken.summary).toMatchObject({ outcome: "ok", executed: 0, cached: 1 });
    expect(await verdicts(second)).toEqual({ ledger: 0, cache: 0 });
    strangers.dispose();
  }, 60_000);

  test("takes results of an endpoint that proves nothing by its own word alone, at level none", async () => {
    const alone = new BegatHome();
    const made = another(alone, "dictum one { in [ src/a ] out [ made ] exec [[[ cat src/a > made ]]] }\nrun one()\n");
    const endpoint = `grpc://${leader.ready.insecureListen}`;
    const built = await made.build("--farm", endpoint, "-j", "0");
    expect(built.status, built.stdout + built.stderr).toBe(0);
    expect(built.summary).toMatchObject({ executed: 1, level: "none", elsewhere: { [endpoint]: 1 } });
    expect(made.read("made")).toBe("a\n");
    // Where recipes are isolated it counts for nothing.
    const here = await made.build();
    expect(here.summary?.executed).toBe(here.summary?.level === "none" ? 0 : 1);
    expect(await verdicts(made)).toEqual({ ledger: 0, cache: 0 });
    alone.dispose();
  });

  test("fetches with --download=toplevel only what belongs into the checkout", async () => {
    workspace.write("src/a", "only there\n");
    const built = await farmBuild("-j", "0", "--download=toplevel");
    expect(built.status, built.stdout + built.stderr).toBe(0);
    expect(workspace.read("joined")).toBe("ONLY THERE\nB\nC\nD\n");
    const has = (text: string) => home.blobs().some((path) => path.replaceAll("/", "").endsWith(sha256(text)));
    expect([has("ONLY THERE\nB\nC\nD\n"), has("ONLY THERE\n")]).toEqual([true, false]);
    // What is needed here after all is made again, there or here.
    workspace.write("src/b", "changed\n");
    const here = await workspace.build();
    expect(here.status, here.stdout + here.stderr).toBe(0);
    expect(workspace.read("joined")).toBe("ONLY THERE\nCHANGED\nC\nD\n");
  });

  test.each([
    ["SIGINT", 130],
    ["SIGKILL", null],
  ] as const)("leaves nothing wrong behind when it is ended by %s", async (signal, status) => {
    const running = workspace.start(["never", "--farm", "joined", "-j", "0"]);
    await running.event((event) => event.type === "chore-started" && event.place?.on === "farm");
    running.kill(signal);
    expect((await running.done).status).toBe(status);
    workspace.write("src/c", `after ${signal}\n`);
    const next = await farmBuild("-j", "1");
    expect(next.status, next.stdout + next.stderr).toBe(0);
    expect(await verdicts(workspace)).toEqual({ ledger: 0, cache: 0 });
  });

  test("refuses what makes no sense", async () => {
    expect((await workspace.build("-j", "0")).status).toBe(2);
    expect((await workspace.build("--download=none")).status).toBe(2);
    const nonsense = await workspace.build("--farm", "nonsense", "--force");
    expect([nonsense.status, nonsense.stdout]).toEqual([1, expect.stringContaining("ENDPOINT_ADDRESS_MALFORMED")]);
  });

  test("goes on here when the farm is gone in the middle, and fails clearly where nothing may run here", async () => {
    workspace.write("src/d", "the last\n");
    // By another name: what is known to be quick is not sent.
    const slow = BEGATFILE.replaceAll("upper", "slowly").replace('tr a-z A-Z < "$in"', 'sleep 1; tr a-z A-Z < "$in"');
    workspace.begatfile(slow);
    const running = workspace.start(["--farm", "joined", "-j", "1"]);
    await running.event((event) => event.type === "chore-started" && event.place?.on === "farm");
    await leader.kill();
    const built = await running.done;
    expect(built.status, built.stdout + built.stderr).toBe(0);
    expect(built.notices("FARM_GONE").length).toBe(1);
    workspace.write("src/d", "and no more\n");
    const failed = await farmBuild("-j", "0");
    expect([failed.status, failed.summary?.executed]).toEqual([1, 0]);
    expect(await verdicts(workspace)).toEqual({ ledger: 0, cache: 0 });
  });
});
