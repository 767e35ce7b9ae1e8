import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, realpathSync } from "node:fs";
import { basename, dirname } from "node:path/posix";
import { promisify } from "node:util";
import type { BackEnd, SlotPlaces } from "../back-end.ts";
import type { Capabilities, ExecutionRequest, Executor, Isolation } from "../executor.ts";
import { ExecutorError } from "../executor.ts";
import { SANDBOX_INIT } from "../launcher/launcher-command.ts";
import { shellWord, shellWords } from "../launcher/shell-word.ts";
import { limitsOf } from "../process/process-executor.ts";
import { commandWithEnvironment } from "../shell-command.ts";
import { StagedExecutor, type StagedExecutorOptions } from "../staged-executor.ts";
import { isReachableByAll } from "../staging/staging-root.ts";
import { variedHostName, withOneProcessor, withOtherProcessIds } from "../variation.ts";
import { judgeCanaries, plantCanaries } from "./canaries.ts";
import {
  hostRootArguments,
  imageRootArguments,
  isolationArguments,
  placesArguments,
  SANDBOX_PLACES,
  type SandboxHost,
} from "./sandbox-arguments.ts";
import { makeSandboxEtc } from "./sandbox-etc.ts";

export interface BubblewrapExecutorOptions extends StagedExecutorOptions {
  /** Absolute; else looked for in the usual places. */
  readonly bubblewrap?: string;
  /** Absolute. Directories with tools that are not under /usr, seen read-only at the same path. */
  readonly toolRoots?: readonly string[];
}

const USUAL_PLACES = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];

class BubblewrapBackEnd implements BackEnd {
  readonly name = "bubblewrap";
  readonly containments = ["sandbox"] as const;
  readonly bindsInputs = true;
  readonly sandbox: string;
  readonly program: string;
  readonly #toolRoots: readonly string[];
  /** Older versions cannot, and some kernels do not let them. */
  disablesUserNamespaces = true;
  readonly #etcs = new Set<string>();

  constructor(program: string, toolRoots: readonly string[]) {
    this.program = program;
    this.sandbox = basename(program);
    this.#toolRoots = toolRoots;
  }

  prepare(slot: SlotPlaces): void {
    const etc = etcOf(slot);
    if (this.#etcs.has(etc)) return;
    makeSandboxEtc(etc);
    this.#etcs.add(etc);
  }

  /** The arguments that do not change stay in the launcher, as its positional parameters. */
  setup(slot: SlotPlaces): string {
    const host = this.#host(slot);
    const words = [...isolationArguments(host), ...hostRootArguments(host), ...placesArguments(slot)];
    return `I=${shellWord(SANDBOX_INIT)}; set -- ${shellWords(words)}`;
  }

  placesOf() {
    return SANDBOX_PLACES;
  }

  command(run: Parameters<BackEnd["command"]>[0]): string {
    const { request, slot, variation } = run;
    const host = this.#host(slot);
    const isolation = isolationArguments(host);
    if (variation !== undefined) isolation[isolation.indexOf("--hostname") + 1] = variedHostName(variation);
    const root = request.imageRoot === undefined ? hostRootArguments(host) : imageRootArguments(request.imageRoot);
    // What the launcher holds is of the ordinary run with the host's tools.
    const isOrdinary = request.imageRoot === undefined && variation === undefined;
    const fixed = isOrdinary ? '"$@"' : shellWords([...isolation, ...root, ...placesArguments(slot)]);
    const [environment, plain] = commandWithEnvironment(request.argv, run.environment);
    const argv = variation === undefined ? plain : withOtherProcessIds(plain, variation);
    const before = [...(variation === undefined ? [] : withOneProcessor(variation)), ...(run.tracer ?? [])];
    const words = [...this.#runArguments({ ...run, environment }), "--new-session"];
    const tail = `-- ${INIT_SHELL} -c "$I" ${run.patience} ${shellWords(argv)} </dev/null`;
    const command = `${shellWords([...before, this.program])} ${fixed} ${shellWords(words)} ${tail}`;
    const limits = limitsOf(request.resources);
    return limits === "" ? command : `( ${limits}${command} )`;
  }

  interactiveCommand(run: Parameters<BackEnd["command"]>[0]) {
    const host = this.#host(run.slot);
    const root =
      run.request.imageRoot === undefined ? hostRootArguments(host) : imageRootArguments(run.request.imageRoot);
    const isolation = [...isolationArguments(host), ...root, ...placesArguments(run.slot)];
    const [environment, command] = commandWithEnvironment(run.request.argv, run.environment);
    const argv = [this.program, ...isolation, ...this.#runArguments({ ...run, environment }), "--"];
    const init = [INIT_SHELL, "-c", SANDBOX_INIT.replaceAll(">&3", ">/dev/null"), String(run.patience), ...command];
    return { argv: [...argv, ...init], env: {}, cwd: "/" };
  }

  #runArguments(run: Parameters<BackEnd["command"]>[0]): string[] {
    const { request, environment, bound } = run;
    const words: string[] = [];
    if (request.network === "none") words.push("--unshare-net");
    else words.push(...NETWORK_FILES.flatMap((file) => ["--ro-bind-try", realpathOf(file), file]));
    for (const { bindFrom, input } of bound) words.push("--ro-bind", bindFrom, `${SANDBOX_PLACES.build}/${input.path}`);
    words.push(
      "--chdir",
      request.directory === "" ? SANDBOX_PLACES.build : `${SANDBOX_PLACES.build}/${request.directory}`,
    );
    words.push("--clearenv");
    for (const [name, value] of environment) words.push("--setenv", name, value);
    return words;
  }

  #host(slot: SlotPlaces): SandboxHost {
    return { etc: etcOf(slot), toolRoots: this.#toolRoots, disablesUserNamespaces: this.disablesUserNamespaces };
  }
}

/** One for all slots of a staging root. */
function etcOf(slot: SlotPlaces): string {
  return `${dirname(slot.directory)}/etc`;
}

/** The first process of the sandbox; in an image as on the host. */
const INIT_SHELL = "/bin/sh";
const NETWORK_FILES = ["/etc/resolv.conf", "/etc/hosts"];

const UNISOLATED: Omit<Isolation, "backendVersion" | "uidDropped"> = {
  level: "none",
  backend: "bubblewrap",
  namespaces: [],
  network: "none",
  knownLeaks: ["clock", "filesystem", "host-tools", "proc", "random"],
};

class BubblewrapExecutor extends StagedExecutor {
  readonly #backEnd: BubblewrapBackEnd;
  readonly #program: string | undefined;

  constructor(options: BubblewrapExecutorOptions) {
    const program = options.bubblewrap ?? USUAL_PLACES.find(isExecutable);
    const isRoot = process.getuid?.() === 0;
    // A recipe's own user cannot go through directories that are closed to others.
    const toolRoots = (options.toolRoots ?? nodeRoot()).filter((root) => !isRoot || isReachableByAll(root));
    const backEnd = new BubblewrapBackEnd(program ?? "bwrap", toolRoots);
    super(options, backEnd);
    this.#backEnd = backEnd;
    this.#program = program;
  }

  protected async look(): Promise<Capabilities> {
    const nothing: Isolation = { ...UNISOLATED, backendVersion: "", uidDropped: this.dropsUser };
    const unusable = (finding: string): Capabilities => ({
      usable: false,
      findings: [finding],
      isolation: nothing,
      canaries: [],
    });
    if (this.#program === undefined) {
      return unusable(`bubblewrap is not installed: none of ${USUAL_PLACES.join(", ")}`);
    }
    const planted = plantCanaries(this.options.inputRoots);
    try {
      const version = versionOf(this.#program);
      let result = await this.#tryOut(planted.request, nothing);
      if (result.verdict === "executor-error") {
        this.#backEnd.disablesUserNamespaces = false;
        await this.restart();
        result = await this.#tryOut(planted.request, nothing);
      }
      if (result.verdict === "executor-error") return unusable(result.detail);
      const isolation: Isolation = { ...nothing, backendVersion: await version };
      return this.#capabilities(judgeCanaries(result, this.dropsUser), isolation);
    } catch (error) {
      if (error instanceof ExecutorError && error.code === "EXECUTOR_UNUSABLE") return unusable(error.message);
      throw error;
    } finally {
      planted.remove();
    }
  }

  #tryOut(request: ExecutionRequest, isolation: Isolation) {
    // What the canaries leave behind does not end by itself: nothing to wait for.
    return this.run(request, isolation, { signal: new AbortController().signal }, 0);
  }

  #capabilities(canaries: Capabilities["canaries"], isolation: Isolation): Capabilities {
    const findings: string[] = [];
    if (!this.#backEnd.disablesUserNamespaces) findings.push("recipes can make user namespaces of their own");
    const lost = canaries.filter((canary) => !canary.held).map((canary) => canary.name);
    if (lost.length > 0) {
      findings.push(`level is none: canaries not held: ${lost.join(", ")}`);
      return { usable: true, findings, isolation, canaries };
    }
    const namespaces = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
    const knownLeaks = ["clock", "host-tools", "proc", "random"];
    return {
      usable: true,
      findings,
      isolation: { ...isolation, level: "contained", namespaces, knownLeaks },
      canaries,
    };
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function realpathOf(file: string): string {
  return existsSync(file) ? realpathSync(file) : file;
}

/** `unknown` when it does not say; whether it works is found out otherwise. */
async function versionOf(program: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, ["--version"], { timeout: 10_000 });
    return stdout.trim().split(" ").pop() || "unknown";
  } catch {
    return "unknown";
  }
}

/** Where the Node that runs begat lives, when that is not under /usr: recipes may want the same. */
function nodeRoot(): string[] {
  const root = dirname(dirname(realpathSync(process.execPath)));
  return root === "/usr" || root.startsWith("/usr/") || root === "/" ? [] : [root];
}

/** Runs recipes in bubblewrap with the host's tools read-only: level `contained` where all canaries are held. */
export function createBubblewrapExecutor(options: BubblewrapExecutorOptions): Executor {
  return new BubblewrapExecutor(options);
}
