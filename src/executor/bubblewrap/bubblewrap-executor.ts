import { execFile } from "node:child_process";
import { accessSync, constants, realpathSync } from "node:fs";
import { dirname } from "node:path/posix";
import { promisify } from "node:util";
import {
  type Capabilities,
  type ExecutionRequest,
  type ExecutionResult,
  type Executor,
  ExecutorError,
  type Hardening,
  type Isolation,
} from "../executor.ts";
import { StagedExecutor, type StagedExecutorOptions } from "../staged-executor.ts";
import { isReachableByAll } from "../staging/staging-root.ts";
import { BubblewrapBackEnd } from "./bubblewrap-back-end.ts";
import { isOfImages, judgeCanaries, plantCanaries } from "./canaries.ts";

export interface BubblewrapExecutorOptions extends StagedExecutorOptions {
  /** Absolute; else looked for in the usual places. */
  readonly bubblewrap?: string;
  /** Absolute. Directories with tools that are not under /usr, seen read-only at the same path. */
  readonly toolRoots?: readonly string[];
}

const USUAL_PLACES = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];

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
      // What this bubblewrap or this kernel cannot do is left out, one thing at a time, and said.
      for (const weaker of WEAKER) {
        if (result.verdict !== "executor-error") break;
        Object.assign(this.#backEnd, weaker);
        await this.restart();
        result = await this.#tryOut(planted.request, nothing);
      }
      if (result.verdict === "executor-error") return unusable(result.detail);
      const isolation: Isolation = { ...nothing, backendVersion: await version };
      return this.#withHost(judgeCanaries(result, this.dropsUser, "host"), isolation);
    } catch (error) {
      if (error instanceof ExecutorError && error.code === "EXECUTOR_UNUSABLE") return unusable(error.message);
      throw error;
    } finally {
      planted.remove();
    }
  }

  protected override async lookWithImage({ isolation: host }: Capabilities): Promise<Capabilities["withImage"]> {
    const { backendVersion, uidDropped } = host;
    const isolation: Isolation = { ...UNISOLATED, backendVersion, uidDropped };
    const planted = plantCanaries(this.options.inputRoots, this.#backEnd.selfTestRoot(this.stagingDirectory()));
    try {
      return this.#withImage(await this.#tryOut(planted.request, isolation), isolation);
    } catch (error) {
      if (!(error instanceof ExecutorError && error.code === "EXECUTOR_UNUSABLE")) throw error;
      return { usable: false, findings: [error.message], isolation, canaries: [] };
    } finally {
      planted.remove();
    }
  }

  #tryOut(request: ExecutionRequest, isolation: Isolation) {
    // What the canaries leave behind does not end by itself: nothing to wait for.
    return this.run(request, isolation, { signal: new AbortController().signal }, 0);
  }

  #withHost({ canaries, hardening }: Judged, isolation: Isolation): Capabilities {
    const findings = this.#findings();
    const lost = canaries.filter((canary) => !canary.held).map((canary) => canary.name);
    if (lost.length > 0) {
      findings.push(`level is none: canaries not held: ${lost.join(", ")}`);
      return { usable: true, findings, isolation, canaries };
    }
    const knownLeaks = ["clock", "host-tools", "proc", "random"];
    const held = holding(this.#backEnd.hardening("host"), hardening);
    const level = "contained" as const;
    return {
      usable: true,
      findings,
      isolation: { ...isolation, level, namespaces: NAMESPACES, knownLeaks, hardening: held },
      canaries,
    };
  }

  #withImage(result: ExecutionResult, isolation: Isolation): NonNullable<Capabilities["withImage"]> {
    if (result.verdict === "executor-error") {
      return { usable: false, findings: [result.detail], isolation, canaries: [] };
    }
    const { canaries, hardening } = judgeCanaries(result, this.dropsUser, "image");
    const findings = this.#findings();
    const lost = canaries.filter((canary) => !canary.held).map((canary) => canary.name);
    const isContained = canaries.every(({ name, held }) => held || isOfImages(name));
    const level = lost.length === 0 ? "hermetic" : isContained ? "contained" : "none";
    if (lost.length > 0) findings.push(`level in an image is ${level}: canaries not held: ${lost.join(", ")}`);
    if (level === "none") return { usable: true, findings, isolation, canaries };
    const knownLeaks = [...IMAGE_LEAKS];
    if (level === "contained") knownLeaks.push("proc");
    const held = holding(this.#backEnd.hardening("image"), hardening);
    return {
      usable: true,
      findings,
      isolation: { ...isolation, level, namespaces: NAMESPACES, knownLeaks: knownLeaks.sort(), hardening: held },
      canaries,
    };
  }

  #findings(): string[] {
    const findings: string[] = [];
    if (!this.#backEnd.disablesUserNamespaces) findings.push("recipes can make user namespaces of their own");
    if (!this.#backEnd.filtersCalls) findings.push("system calls are not filtered: bubblewrap or the kernel cannot");
    return findings;
  }
}

type Judged = ReturnType<typeof judgeCanaries>;

/** Tried one after another where a sandbox cannot be set up. */
const WEAKER: readonly Pick<BubblewrapBackEnd, "disablesUserNamespaces" | "filtersCalls">[] = [
  { disablesUserNamespaces: false, filtersCalls: true },
  { disablesUserNamespaces: true, filtersCalls: false },
  { disablesUserNamespaces: false, filtersCalls: false },
];

/** What no filter, mask or namespace closes; `processor`: cpuid and the cycle counter. */
const IMAGE_LEAKS = [
  ...["clock", "file-owners", "free-space", "inode-numbers", "mountinfo", "processor", "random", "sysinfo", "uname"],
];

const NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/** Only what the canaries saw to hold. */
function holding(wanted: Hardening, held: ReadonlySet<string>): Hardening {
  return {
    seccomp: held.has("filter") ? wanted.seccomp : undefined,
    aslr: held.has("aslr") ? wanted.aslr : "on",
    cpus: held.has("cpus") ? wanted.cpus : 0,
    procMask: held.has("proc") ? wanted.procMask : [],
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
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

/**
 * Runs recipes in bubblewrap: in an image, level `hermetic`, or with the host's tools read-only, level `contained`, where
 * all canaries are held.
 */
export function createBubblewrapExecutor(options: BubblewrapExecutorOptions): Executor {
  return new BubblewrapExecutor(options);
}
