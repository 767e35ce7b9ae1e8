import { spawnSync } from "node:child_process";
import { chmodSync, linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { ListeningFeed, listenByChokidar, listenByNode, NativeChangeFeed } from "../../src/platform/index.ts";
import { type ChangeFeed, ChangeFeedError } from "../../src/ports/index.ts";
import { changeFeedContract } from "../contracts/change-feed.contract.ts";
import { ManualChangeFeed } from "../support/manual-change-feed.ts";
import { nativeProgram, WITHOUT_COMPILER } from "../support/native-program.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

function onDisk(start: () => Promise<ChangeFeed>) {
  return async () => {
    const scratch = scratchDirectory();
    mkdirSync(`${scratch.path}/a/b`, { recursive: true });
    writeFileSync(`${scratch.path}/a/old`, "old");
    return {
      feed: await start(),
      root: scratch.path,
      write: (path: string, text: string) => writeFileSync(path, text),
      makeDirectory: (path: string) => mkdirSync(path),
      remove: (path: string) => rmSync(path, { recursive: true }),
      rename: renameSync,
      dispose: scratch.dispose,
    };
  };
}

const program = nativeProgram("begat-change-feed");
// Other tests mount things meanwhile, which a feed takes for doubt: where that may be, it has mounts of its own.
const apart = scratchDirectory();
const hasOwnMounts = spawnSync("/usr/bin/unshare", ["--mount", "/bin/true"]).status === 0;
writeFileSync(`${apart.path}/feed`, `#!/bin/sh\nexec /usr/bin/unshare --mount ${program}\n`, { mode: 0o755 });
const native = () => NativeChangeFeed.start(hasOwnMounts ? `${apart.path}/feed` : (program as string));
afterAll(() => apart.dispose());

if (program !== undefined) changeFeedContract("begat-change-feed", onDisk(native));
changeFeedContract(
  "Node's watcher",
  onDisk(async () => new ListeningFeed(listenByNode)),
);
changeFeedContract(
  "chokidar",
  onDisk(async () => new ListeningFeed(listenByChokidar)),
);

changeFeedContract("the fake", async () => {
  const feed = new ManualChangeFeed();
  const gone = new Set(["/w/nowhere"]);
  feed.isThere = (path) => !gone.has(path);
  const parent = (path: string) => feed.change(path.slice(0, path.lastIndexOf("/")));
  return {
    feed,
    root: "/w",
    write: parent,
    makeDirectory: parent,
    remove: (path) => {
      feed.lose(path);
      parent(path);
    },
    rename: (from, to) => {
      parent(from);
      parent(to);
    },
    dispose: () => {},
  };
});

describe.skipIf(program === undefined)(`begat-change-feed${WITHOUT_COMPILER}`, () => {
  const scratch = scratchDirectory();
  afterAll(scratch.dispose);

  test("tells what neither Node nor a directory's times tell: attributes, and a file held open and written", async () => {
    const feed = await native();
    mkdirSync(`${scratch.path}/held`);
    writeFileSync(`${scratch.path}/held/file`, "1");
    await feed.watch([`${scratch.path}/held`]);
    chmodSync(`${scratch.path}/held/file`, 0o700);
    expect((await feed.drain()).changed).toEqual([0]);
    writeFileSync(`${scratch.path}/held/file`, "2", { flag: "r+" });
    expect((await feed.drain()).changed).toEqual([0]);
    await feed.close();
  });

  test("tells a directory that was renamed, or whose parent was, as lost", async () => {
    const feed = await native();
    mkdirSync(`${scratch.path}/x/y/z`, { recursive: true });
    const [x, y, z] = ["x", "x/y", "x/y/z"].map((path) => `${scratch.path}/${path}`) as [string, string, string];
    await feed.watch([x, y, z]);
    renameSync(y, `${scratch.path}/x/other`);
    const changes = await feed.drain();
    expect(changes).toMatchObject({ changed: [0], lost: [1] });
    // What was below it has another name now, and is forgotten too.
    mkdirSync(z, { recursive: true });
    expect(await feed.watch([x, y, z])).toEqual([0, 3, 4]);
    await feed.close();
  });

  test("says that it missed something when more happens than the kernel queues", async () => {
    const feed = await native();
    // A thousand directories make the kernel's queue full while the feed is stopped.
    const many = Array.from({ length: 200 }, (_, i) => `${scratch.path}/many/${i}`);
    for (const path of many) mkdirSync(path, { recursive: true });
    await feed.watch(many);
    const flood = () => {
      process.kill(feed.pid, "SIGSTOP");
      const limit = 16384 + 1000;
      for (let i = 0; i < limit; i += 2) {
        const path = `${many[i % many.length]}/${i % 7}`;
        writeFileSync(path, "");
        rmSync(path);
      }
      process.kill(feed.pid, "SIGCONT");
    };
    /** A disk of another test, mounted when the feed began, goes from its mounts too when its directory is removed. */
    const doubtAfter = async (happens: () => void) => {
      for (;;) {
        happens();
        const { doubt } = await feed.drain();
        if (doubt !== "mounts") return doubt;
      }
    };
    expect(await doubtAfter(flood)).toBe("overflow");
    expect(await doubtAfter(() => {})).toBe(undefined);
    await feed.close();
  });

  test("counts two names of one directory, and two names of a file, as two", async () => {
    const feed = await native();
    mkdirSync(`${scratch.path}/one`);
    mkdirSync(`${scratch.path}/two`);
    writeFileSync(`${scratch.path}/one/file`, "1");
    linkSync(`${scratch.path}/one/file`, `${scratch.path}/two/file`);
    await feed.watch([`${scratch.path}/one`, `${scratch.path}/two`]);
    writeFileSync(`${scratch.path}/two/file`, "2");
    // Why whoever relies on a feed must look at files with several names each time.
    expect((await feed.drain()).changed).toEqual([1]);
    await feed.close();
  });

  test("ends whoever waits when it is killed", async () => {
    const feed = await native();
    process.kill(feed.pid, "SIGSTOP");
    const waiting = feed.drain().catch((error: unknown) => error);
    process.kill(feed.pid, "SIGKILL");
    const ended = await waiting;
    expect(ended).toBeInstanceOf(ChangeFeedError);
    expect((ended as ChangeFeedError).code).toBe("FEED_ENDED");
    await feed.close();
  });
});

test("there is no feed where there is no program for it", async () => {
  const refused = await NativeChangeFeed.start("/nowhere/begat-change-feed").catch((error: unknown) => error);
  expect((refused as ChangeFeedError).code).toBe("FEED_UNAVAILABLE");
  const other = await NativeChangeFeed.start("/bin/true").catch((error: unknown) => error);
  expect((other as ChangeFeedError).code).toBe("FEED_UNAVAILABLE");
});
