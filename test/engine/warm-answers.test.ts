import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { WorkspacePath } from "../../src/base/index.ts";
import { localFileSystems, WarmAnswers } from "../../src/engine/index.ts";
import { NativeChangeFeed, NodeFileTree } from "../../src/platform/index.ts";
import { type ChangeFeed, type Clock, type FileTree, STAT_NUMBERS } from "../../src/ports/index.ts";
import { type QuickAnswer, type QuickRequest, WatchedDirectories } from "../../src/scheduler/index.ts";
import { ManualChangeFeed } from "../support/manual-change-feed.ts";
import { nativeProgram, WITHOUT_COMPILER } from "../support/native-program.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

const program = nativeProgram("begat-change-feed");
const scratch = scratchDirectory();
afterAll(scratch.dispose);

/** Far ahead: nothing that is read has changed just now. */
const clock: Clock = {
  nowMs: () => Date.now() + 3_600_000,
  monotonicMs: () => performance.now(),
  sleep: () => Promise.reject(new Error("nobody waits")),
};

/** The machine's files, and how often they were looked at. */
class CountedFiles extends NodeFileTree {
  looks = 0;

  override lstat(path: string) {
    this.looks++;
    return super.lstat(path);
  }

  override statInto(path: string, numbers: Float64Array, offset: number): boolean {
    this.looks++;
    return super.statInto(path, numbers, offset);
  }
}

/** What a checkout looked like when everything was done: paths and their numbers. */
class Baseline {
  readonly root: string;
  readonly links: readonly string[];
  readonly paths: readonly string[];
  #numbers = new Map<string, readonly number[] | undefined>();
  readonly #files = new NodeFileTree();

  constructor(root: string, paths: readonly string[], links: readonly string[]) {
    this.root = root;
    this.paths = paths;
    this.links = links;
  }

  take(): void {
    this.#numbers = new Map([...this.paths, ...this.links].map((path) => [path, this.#look(this.#files, path)]));
  }

  /** As quickCheck: whether all of it is as it was. */
  readonly check = (files: FileTree, { request }: { readonly request: Pick<QuickRequest, "env"> }): QuickAnswer => {
    for (const path of [...this.paths, ...this.links]) {
      const now = this.#look(files, path);
      const then = this.#numbers.get(path);
      if (JSON.stringify(now) !== JSON.stringify(then)) return { upToDate: false, because: path };
    }
    if (request.env("FLAGS") !== undefined && request.env("FLAGS") !== "-O2")
      return { upToDate: false, because: "$FLAGS" };
    return { upToDate: true, chores: 1, level: "none", warnings: [] };
  };

  truth(): boolean {
    return this.check(this.#files, { request: { env: () => undefined } }).upToDate;
  }

  #look(files: FileTree, path: string): readonly number[] | undefined {
    const full = path === "" ? this.root : `${this.root}/${path}`;
    if (this.links.includes(path)) {
      const found = files.lstat(full);
      if (found?.kind === "symlink") files.readLink(full);
      return found && [found.inode, found.ctimeMs];
    }
    const numbers = new Float64Array(STAT_NUMBERS);
    return files.statInto(full, numbers, 0) ? [...numbers] : undefined;
  }
}

function questionOf(root: string, env: Record<string, string> = {}) {
  const request: QuickRequest = {
    version: "1",
    entries: ["begatfile"],
    overrides: {},
    targets: [],
    directory: "" as WorkspacePath,
    everyOutput: false,
    minIsolation: undefined,
    env: (name) => env[name],
  };
  return { root, ledger: `${root}.ledger`, request };
}

const DIRECTORIES = ["", "a", "a/b", "a/b/c", "d"] as const;
const NAMES = ["x", "y", "z"] as const;
const PATHS = DIRECTORIES.flatMap((directory) =>
  NAMES.map((name) => (directory === "" ? name : `${directory}/${name}`)),
);

/** Puts everything there that is looked at. */
function plant(root: string): void {
  for (const directory of DIRECTORIES) mkdirSync(`${root}/${directory}`, { recursive: true });
  for (const path of PATHS) {
    if (existsSync(`${root}/${path}`)) continue;
    rmSync(`${root}/${path}`, { force: true });
    writeFileSync(`${root}/${path}`, path);
  }
}

type Change = (root: string) => void;

/** Everything that may happen to a checkout. Whatever the system refuses just did not happen. */
const aChange: fc.Arbitrary<{ readonly text: string; readonly apply: Change }> = (() => {
  const file = fc.constantFrom(...PATHS);
  const directory = fc.constantFrom(...DIRECTORIES.filter((path) => path !== ""));
  const named = (text: string, apply: Change) => ({ text, apply });
  return fc.oneof(
    file.map((path) => named(`write ${path}`, (root) => writeFileSync(`${root}/${path}`, `${path} ${Math.random()}`))),
    file.map((path) => named(`append to ${path}`, (root) => writeFileSync(`${root}/${path}`, "+", { flag: "a" }))),
    file.map((path) => named(`truncate ${path}`, (root) => truncateSync(`${root}/${path}`, 1))),
    file.map((path) => named(`touch ${path}`, (root) => utimesSync(`${root}/${path}`, 1, 1))),
    file.map((path) => named(`chmod ${path}`, (root) => chmodSync(`${root}/${path}`, 0o700))),
    file.map((path) => named(`remove ${path}`, (root) => rmSync(`${root}/${path}`, { recursive: true }))),
    fc
      .tuple(file, file)
      .map(([a, b]) => named(`rename ${a} to ${b}`, (root) => renameSync(`${root}/${a}`, `${root}/${b}`))),
    fc.tuple(file, file).map(([a, b]) =>
      named(`link ${a} as ${b}`, (root) => {
        rmSync(`${root}/${b}`, { recursive: true });
        linkSync(`${root}/${a}`, `${root}/${b}`);
      }),
    ),
    fc.tuple(file, file).map(([a, b]) =>
      named(`make ${b} a symlink to ${a}`, (root) => {
        rmSync(`${root}/${b}`, { recursive: true });
        symlinkSync(`${root}/${a}`, `${root}/${b}`);
      }),
    ),
    directory.map((path) =>
      named(`remove ${path} and make it anew`, (root) => {
        rmSync(`${root}/${path}`, { recursive: true });
        plant(root);
      }),
    ),
    directory.map((path) =>
      named(`rename ${path} away and back`, (root) => {
        renameSync(`${root}/${path}`, `${root}/away`);
        renameSync(`${root}/away`, `${root}/${path}`);
      }),
    ),
    directory.map((path) =>
      named(`put another directory in the place of ${path}`, (root) => {
        renameSync(`${root}/${path}`, `${root}.away${readdirSync(`${root}/..`).length}`);
        plant(root);
      }),
    ),
    fc.tuple(directory, file).map(([path, inside]) =>
      named(`turn ${path} into a symlink and write ${inside}`, (root) => {
        const away = `${root}.away${readdirSync(`${root}/..`).length}`;
        renameSync(`${root}/${path}`, away);
        symlinkSync(away, `${root}/${path}`);
        if (existsSync(`${root}/${inside}`)) writeFileSync(`${root}/${inside}`, "elsewhere");
      }),
    ),
    directory.map((path) => named(`make ${path}/new`, (root) => mkdirSync(`${root}/${path}/new`))),
    directory.map((path) => named(`write ${path}/noise`, (root) => writeFileSync(`${root}/${path}/noise`, "1"))),
    fc.constant(
      named("put another checkout in the place of this one", (root) => {
        renameSync(root, `${root}.away${readdirSync(`${root}/..`).length}`);
        plant(root);
      }),
    ),
    fc.constant(named("nothing", () => {})),
  );
})();

describe.skipIf(program === undefined)(`answers kept warm by the kernel's events${WITHOUT_COMPILER}`, () => {
  let feed: ChangeFeed;
  beforeAll(async () => {
    feed = await NativeChangeFeed.start(program as string);
  });
  afterAll(() => feed.close());

  test("never say that there is nothing to do where a look at everything would not", async () => {
    let run = 0;
    let kept = 0;
    const files = new CountedFiles();
    await fc.assert(
      fc.asyncProperty(fc.array(aChange, { minLength: 1, maxLength: 12 }), async (changes) => {
        const root = `${scratch.path}/run${run++}/w`;
        plant(root);
        const baseline = new Baseline(root, ["", ...DIRECTORIES.slice(1), ...PATHS, "missing", "a/none/at"], ["a/x"]);
        baseline.take();
        const warm = new WarmAnswers(
          files,
          clock,
          feed,
          new WatchedDirectories(feed, files, localFileSystems()),
          baseline.check,
        );
        for (const { text, apply } of changes) {
          await warm.ask(questionOf(root));
          files.looks = 0;
          const again = await warm.ask(questionOf(root));
          if (again.upToDate && files.looks < PATHS.length) kept++;
          try {
            apply(root);
          } catch {
            // Refused.
          }
          const truth = baseline.truth();
          const said = (await warm.ask(questionOf(root))).upToDate;
          expect({ after: text, said }).toEqual({ after: text, said: said && truth });
          // What a build does: everything is there, and is remembered as it is.
          if (!truth) {
            if (lstatSync(root).isDirectory()) repair(root);
            baseline.take();
          }
        }
      }),
      { numRuns: 60 },
    );
    // Not because it always looks at everything.
    expect(kept).toBeGreaterThan(100);
  });
});

describe.skipIf(program === undefined)(`what no watch tells${WITHOUT_COMPILER}`, () => {
  test("is seen each time in a file that has another name, and within a while in one that had none", async () => {
    const root = `${scratch.path}/names`;
    plant(root);
    linkSync(`${root}/a/x`, `${root}.outside`);
    const baseline = new Baseline(root, PATHS, []);
    baseline.take();
    const feed = await NativeChangeFeed.start(program as string);
    const warm = new WarmAnswers(
      new CountedFiles(),
      clock,
      feed,
      new WatchedDirectories(feed, new CountedFiles(), localFileSystems()),
      baseline.check,
    );
    const ask = async () => (await warm.ask(questionOf(root))).upToDate;
    expect(await ask()).toBe(true);
    writeFileSync(`${root}.outside`, "by its other name");
    expect(await ask()).toBe(false);

    baseline.take();
    expect(await ask()).toBe(true);
    linkSync(`${root}/d/x`, `${root}.later`);
    writeFileSync(`${root}.later`, "by a name it got since");
    expect(await ask()).toBe(true);
    await warm.lookAgain();
    expect(await ask()).toBe(false);
    await feed.close();
  });
});

/** Symlinks in the place of directories are made directories again, so that the next change meets a checkout. */
function repair(root: string): void {
  for (const directory of DIRECTORIES) {
    const found = lstatSync(`${root}/${directory}`, { throwIfNoEntry: false });
    if (found !== undefined && !found.isDirectory()) rmSync(`${root}/${directory}`);
  }
  plant(root);
}

describe("an answer", () => {
  let root: string;
  let feed: ManualChangeFeed;
  let files: CountedFiles;
  let baseline: Baseline;
  let warm: WarmAnswers;
  let count = 0;
  beforeEach(() => {
    root = `${scratch.path}/fake${count++}`;
    plant(root);
    feed = new ManualChangeFeed();
    files = new CountedFiles();
    baseline = new Baseline(root, PATHS, []);
    baseline.take();
    warm = new WarmAnswers(files, clock, feed, new WatchedDirectories(feed, files, () => true), baseline.check);
  });
  afterEach(() => feed.close());

  const ask = async (env: Record<string, string> = {}) => {
    files.looks = 0;
    const { upToDate } = await warm.ask(questionOf(root, env));
    return { upToDate, looks: files.looks };
  };

  test("costs one look while the feed is silent, and one for each file of a directory it tells of", async () => {
    expect((await ask()).upToDate).toBe(true);
    // That the checkout still is the one that is watched.
    expect(await ask()).toEqual({ upToDate: true, looks: 1 });
    feed.change(`${root}/a`);
    // And that `a` still holds the `a/b` that is watched.
    expect(await ask()).toEqual({ upToDate: true, looks: 1 + 1 + NAMES.length });
    expect(await ask()).toEqual({ upToDate: true, looks: 1 });
  });

  test("is given up where a look finds something else", async () => {
    await ask();
    writeFileSync(`${root}/a/x`, "other");
    feed.change(`${root}/a`);
    expect((await ask()).upToDate).toBe(false);
    expect(warm.status.answers).toBe(0);
    baseline.take();
    expect((await ask()).upToDate).toBe(true);
    expect(await ask()).toEqual({ upToDate: true, looks: 1 });
  });

  test("is looked at whole after a doubt, and not watched anew for a mount", async () => {
    await ask();
    feed.doubt("mounts");
    const { upToDate, looks } = await ask();
    expect(upToDate).toBe(true);
    expect(looks).toBeGreaterThanOrEqual(PATHS.length);
    expect(await ask()).toEqual({ upToDate: true, looks: 1 });
  });

  test("is forgotten with the directories when the feed missed something", async () => {
    await ask();
    feed.doubt("overflow");
    await feed.drain();
    feed.doubt("overflow");
    writeFileSync(`${root}/a/x`, "other");
    expect((await ask()).upToDate).toBe(false);
  });

  test("is forgotten when a directory is lost", async () => {
    await ask();
    feed.lose(`${root}/a/b`);
    expect(warm.status.answers).toBe(1);
    await ask();
    expect(feed.watched).toContain(`${root}/a/b/c`);
    expect(await ask()).toEqual({ upToDate: true, looks: 1 });
  });

  test("holds for the variables that were asked for, and no others", async () => {
    expect((await ask({ FLAGS: "-O2" })).upToDate).toBe(true);
    expect(await ask({ FLAGS: "-O2", OTHER: "1" })).toEqual({ upToDate: true, looks: 1 });
    expect((await ask({ FLAGS: "-O0" })).upToDate).toBe(false);
    expect((await ask({})).upToDate).toBe(true);
  });

  test("is another for another question", async () => {
    await ask();
    await warm.ask({ ...questionOf(root), request: { ...questionOf(root).request, targets: ["x"] } });
    await warm.ask({ ...questionOf(root), ledger: "/another" });
    expect(warm.status.answers).toBe(3);
  });

  test("is not kept where a directory cannot be watched, nor where its file system is not this machine's", async () => {
    feed.isThere = (path) => path !== `${root}/d`;
    expect((await ask()).upToDate).toBe(true);
    expect(warm.status.answers).toBe(0);
    const elsewhere = new ManualChangeFeed();
    const directories = new WatchedDirectories(elsewhere, files, (path) => path !== `${root}/d`);
    const far = new WarmAnswers(files, clock, elsewhere, directories, baseline.check);
    await far.ask(questionOf(root));
    writeFileSync(`${root}/d/x`, "written by another machine");
    expect((await far.ask(questionOf(root))).upToDate).toBe(false);
  });

  test("is not kept where contents were read that changed just now", async () => {
    const link = new Baseline(root, [], ["link"]);
    symlinkSync("x", `${root}/link`);
    link.take();
    const now: Clock = { ...clock, nowMs: () => Date.now() };
    const young = new WarmAnswers(files, now, feed, new WatchedDirectories(feed, files, () => true), link.check);
    expect(await young.ask(questionOf(root))).toEqual({ upToDate: false, because: "warming" });
    const later = new WarmAnswers(files, clock, feed, new WatchedDirectories(feed, files, () => true), link.check);
    expect((await later.ask(questionOf(root))).upToDate).toBe(true);
    expect(later.status.answers).toBe(1);
  });

  test("is found out only afterwards where that takes long", async () => {
    mkdirSync(`${root}/.begat`);
    writeFileSync(`${root}/.begat/plan.bin`, Buffer.alloc(8_000_000));
    expect(await warm.ask(questionOf(root))).toEqual({ upToDate: false, because: "warming" });
    await warm.warm(questionOf(root));
    expect(await ask()).toEqual({ upToDate: true, looks: 1 });
    expect(statSync(`${root}/.begat/plan.bin`).size).toBe(8_000_000);
  });
});
