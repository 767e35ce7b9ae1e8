import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { BuildEvent, BuildSummary } from "../../src/scheduler/index.ts";
import { fastPlace } from "./scratch-directory.ts";
import { begatWords, engineEnvironment, standBuilderBy } from "./shared-engine.ts";

const root = join(import.meta.dirname, "../..");

let program: string | undefined;

/**
 * begat as it is in `src` at this moment, bundled into a folder of its own. Bundled once for the same sources, however
 * many test processes ask. BEGAT_E2E_PROGRAM names another bundle to try.
 */
export function begatProgram(): string {
  program ??= process.env.BEGAT_E2E_PROGRAM;
  if (program !== undefined) return program;
  const hash = createHash("sha256");
  for (const name of readdirSync(join(root, "src"), { recursive: true }) as string[]) {
    const stat = statSync(join(root, "src", name));
    if (stat.isFile()) hash.update(`${name} ${stat.size} ${stat.mtimeMs}\n`);
  }
  // Takes no time where it was built already; where it cannot be, begat is bundled without it.
  execFileSync("sh", [join(root, "native/build.sh")], { stdio: "inherit" });
  for (const name of ["begat-spawn-server", "begat-change-feed", "begat-client"]) {
    const native = join(root, "build/native", name);
    hash.update(existsSync(native) ? `${name} ${statSync(native).mtimeMs}\n` : `no ${name}\n`);
  }
  const cache = join(root, "node_modules/.cache/begat-tests");
  const folder = join(cache, `begat-${hash.digest("hex").slice(0, 16)}`);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true });
    // Of sources that are no more; nobody can still be running them.
    for (const name of readdirSync(cache).filter((entry) => /^(begat|draft)-/.test(entry))) {
      if (Date.now() - statSync(join(cache, name)).mtimeMs > 86_400_000) rmSync(join(cache, name), { recursive: true });
    }
    const draft = mkdtempSync(join(cache, "draft-"));
    try {
      execFileSync(process.execPath, [join(root, "tools/bundle.mjs"), "--out", draft], { stdio: "pipe" });
      // Whoever runs it need not be whoever bundled it.
      chmodSync(draft, 0o755);
      // Of two that bundled at once the first wins; theirs are the same.
      if (!existsSync(folder)) renameSync(draft, folder);
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
  }
  program = join(folder, "begat.cjs");
  return program;
}

/** How one command ended. */
export interface Ran {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A build run with `--json`. */
export interface Built extends Ran {
  readonly events: readonly BuildEvent[];
  /** `undefined` where begat ended without one. */
  readonly summary: BuildSummary | undefined;
  /** Labels, in the order they were started. */
  readonly executed: readonly string[];
  readonly cached: readonly string[];
  readonly skipped: readonly string[];
  readonly materialised: readonly string[];
  notices(code: string): Extract<BuildEvent, { type: "notice" }>[];
}

/** A build that goes on while the test does something else. */
export class RunningBuild {
  readonly child: ChildProcess;
  readonly done: Promise<Built>;
  readonly #events: BuildEvent[] = [];
  readonly #waiting: {
    readonly fits: (event: BuildEvent) => boolean;
    readonly resolve: (event: BuildEvent) => void;
  }[] = [];

  constructor(child: ChildProcess) {
    this.child = child;
    let stdout = "";
    let stderr = "";
    let unread = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      const lines = (unread + text).split("\n");
      unread = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("{")) this.#take(JSON.parse(line) as BuildEvent);
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    this.done = new Promise((resolve) => {
      child.on("close", (status, signal) => resolve(built({ status, signal, stdout, stderr })));
    });
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** The first event of this kind, once it is there; rejects when the build ends without one. */
  async event(fits: (event: BuildEvent) => boolean): Promise<BuildEvent> {
    const known = this.#events.find(fits);
    if (known !== undefined) return known;
    const coming = new Promise<BuildEvent>((resolve) => this.#waiting.push({ fits, resolve }));
    const ended = this.done.then(({ stdout, stderr }) => {
      throw new Error(`the build ended without the event waited for\n${stdout}\n${stderr}`);
    });
    return Promise.race([coming, ended]);
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  #take(event: BuildEvent): void {
    this.#events.push(event);
    for (const waiter of [...this.#waiting]) {
      if (!waiter.fits(event)) continue;
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      waiter.resolve(event);
    }
  }
}

function built(ran: Ran): Built {
  const events = ran.stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as BuildEvent);
  const of = <T extends BuildEvent["type"]>(type: T) =>
    events.filter((event): event is Extract<BuildEvent, { type: T }> => event.type === type);
  return {
    ...ran,
    events,
    summary: of("build-finished").at(-1)?.summary,
    executed: of("chore-started").map(({ chore }) => chore.label),
    cached: of("chore-cached").map(({ chore }) => chore.label),
    skipped: of("chore-skipped").map(({ chore }) => chore.label),
    materialised: of("materialised").map(({ path }) => path),
    notices: (code) => of("notice").filter((notice) => notice.code === code),
  };
}

/** A temporary place with a state home, a cache home, and checkouts that share them. */
export class BegatHome {
  readonly path: string;
  readonly state: string;
  readonly cache: string;
  /** Added to the environment of every begat started here. */
  readonly env: Record<string, string> = {};
  readonly #checkouts: Workspace[] = [];

  constructor(parent: string = fastPlace()) {
    this.path = mkdtempSync(join(parent, "begat-e2e-"));
    // Recipes may run as another user, and the test's own FIFOs stand in here.
    chmodSync(this.path, 0o755);
    this.state = join(this.path, "state");
    this.cache = join(this.path, "cache");
    mkdirSync(join(this.path, "home"));
  }

  workspace(name = `checkout${this.#checkouts.length || ""}`): Workspace {
    const checkout = new Workspace(this, join(this.path, name));
    this.#checkouts.push(checkout);
    return checkout;
  }

  /** The environment begat is started with: nothing of this process' own but the path. */
  environment(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? "/usr/bin:/bin",
      HOME: join(this.path, "home"),
      LANG: "C.UTF-8",
      BEGAT_STATE_HOME: this.state,
      BEGAT_CACHE_HOME: this.cache,
      ...engineEnvironment(begatProgram),
      ...this.env,
    };
  }

  /** Files of the store. */
  blobs(): string[] {
    const cas = join(this.cache, "cas");
    if (!existsSync(cas)) return [];
    return (readdirSync(cas, { recursive: true }) as string[])
      .map((name) => join(cas, name))
      .filter((path) => statSync(path).isFile());
  }

  /** Keeps everything as it is now: state, cache, checkouts. */
  keep(): void {
    execFileSync("cp", ["-aT", this.path, this.#kept]);
  }

  /** Puts everything back as it was kept, at the same paths; a copy takes a twentieth of the time of a build. */
  restore(): void {
    rmSync(this.path, { recursive: true, force: true });
    execFileSync("cp", ["-aT", this.#kept, this.path]);
  }

  get #kept(): string {
    return `${this.path}.kept`;
  }

  dispose(): void {
    for (const path of [this.path, this.#kept]) rmSync(path, { recursive: true, force: true });
  }
}

export interface StartOptions {
  readonly uid?: number;
  readonly gid?: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A checkout in a home of its own. */
export class Workspace {
  readonly home: BegatHome;
  readonly path: string;
  #hasBuilder = false;

  constructor(home: BegatHome, path: string) {
    this.home = home;
    this.path = path;
    mkdirSync(path);
  }

  at(path: string): string {
    return join(this.path, path);
  }

  write(path: string, content: string | Uint8Array, mode?: number): void {
    mkdirSync(dirname(this.at(path)), { recursive: true });
    writeFileSync(this.at(path), content);
    if (mode !== undefined) chmodSync(this.at(path), mode);
  }

  begatfile(text: string): void {
    this.write("begatfile", text);
  }

  read(path: string): string {
    return readFileSync(this.at(path), "utf8");
  }

  exists(path: string): boolean {
    return existsSync(this.at(path));
  }

  remove(path: string): void {
    rmSync(this.at(path), { recursive: true, force: true });
  }

  link(path: string, target: string): void {
    symlinkSync(target, this.at(path));
  }

  /** Another modification time, the same bytes. */
  touch(path: string): void {
    utimesSync(this.at(path), 1_500_000_000, 1_500_000_000);
  }

  /** Everything but begat's own, by path, with its bytes; symlinks as `-> target`. */
  files(): Record<string, string> {
    const found: Record<string, string> = {};
    const listed = spawnSync(
      "find",
      [".", "-name", ".begat", "-prune", "-o", "(", "-type", "f", "-o", "-type", "l", ")", "-print"],
      {
        cwd: this.path,
        encoding: "utf8",
      },
    );
    for (const name of listed.stdout
      .split("\n")
      .filter((line) => line !== "")
      .sort())
      found[name.slice(2)] = readFileSync(this.at(name), "latin1");
    return found;
  }

  #spawn(args: readonly string[], options: StartOptions): ChildProcess {
    const { cwd = this.path, env, ...user } = options;
    const [program, ...words] = begatWords(begatProgram());
    const environment = this.home.environment();
    if (!this.#hasBuilder && args[0] === "build" && this.exists("begatfile")) {
      this.#hasBuilder = true;
      standBuilderBy(this.path, environment);
    }
    return spawn(program, [...words, ...args], {
      cwd,
      env: { ...environment, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      ...user,
    });
  }

  /** Any command, to its end. */
  begat(args: readonly string[], options: StartOptions = {}): Promise<Ran> {
    const child = this.#spawn(args, options);
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    return new Promise((resolve) => {
      child.on("close", (status, signal) => resolve({ status, signal, stdout, stderr }));
    });
  }

  /** `begat build --json`, to its end. */
  build(...args: readonly string[]): Promise<Built> {
    return this.start(args).done;
  }

  start(args: readonly string[], options: StartOptions = {}): RunningBuild {
    return new RunningBuild(this.#spawn(["build", "--json", ...args], options));
  }
}
