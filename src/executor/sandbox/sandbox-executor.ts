import { realpathSync } from "node:fs";
import { dirname } from "node:path/posix";
import type { BackEnd } from "../back-end.ts";
import {
  type Capabilities,
  type ExecutionRequest,
  type ExecutionResult,
  ExecutorError,
  type Hardening,
  type Isolation,
} from "../executor.ts";
import type { FilterProfile } from "../seccomp/filter-rules.ts";
import { StagedExecutor, type StagedExecutorOptions } from "../staged-executor.ts";
import { isReachableByAll } from "../staging/staging-root.ts";
import { isOfImages, judgeCanaries, plantCanaries } from "./canaries.ts";
import type { SandboxDescriber, SandboxStrength } from "./sandbox-description.ts";

export interface SandboxBackEnd extends BackEnd {
  /** What a recipe in an image, or with the host's tools, is kept from; canaries look whether it is. */
  hardening(profile: FilterProfile): Hardening;
}

/** Runs recipes in sandboxes that a back end makes of one description; the level is what canaries found to hold. */
export abstract class SandboxExecutor extends StagedExecutor {
  readonly #backEnd: SandboxBackEnd;
  readonly #describer: SandboxDescriber;
  readonly #unisolated: Omit<Isolation, "backendVersion" | "uidDropped">;

  protected constructor(options: StagedExecutorOptions, backEnd: SandboxBackEnd, describer: SandboxDescriber) {
    super(options, backEnd);
    this.#backEnd = backEnd;
    this.#describer = describer;
    this.#unisolated = {
      level: "none",
      backend: backEnd.name,
      namespaces: [],
      network: "none",
      knownLeaks: ["clock", "filesystem", "host-tools", "proc", "random"],
    };
  }

  /** Why there is nothing to try. */
  protected abstract missing(): string | undefined;

  /** Of what makes the sandboxes. */
  protected abstract version(): Promise<string>;

  protected async look(): Promise<Capabilities> {
    const nothing: Isolation = { ...this.#unisolated, backendVersion: "", uidDropped: this.dropsUser };
    const unusable = (finding: string): Capabilities => ({
      usable: false,
      findings: [finding],
      isolation: nothing,
      canaries: [],
    });
    const missing = this.missing();
    if (missing !== undefined) return unusable(missing);
    const planted = plantCanaries(this.options.inputRoots);
    try {
      const version = this.version();
      let result = await this.#tryOut(planted.request, nothing);
      // What this program or this kernel cannot do is left out, one thing at a time, and said.
      for (const weaker of WEAKER) {
        if (result.verdict !== "executor-error") break;
        this.#describer.strength = weaker;
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
    const isolation: Isolation = { ...this.#unisolated, backendVersion, uidDropped };
    const planted = plantCanaries(this.options.inputRoots, this.#describer.selfTestRoot(this.stagingDirectory()));
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
    const findings = this.#describer.findings(this.name);
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
    const findings = this.#describer.findings(this.name);
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
}

type Judged = ReturnType<typeof judgeCanaries>;

/** Tried one after another where a sandbox cannot be set up. */
const WEAKER: readonly SandboxStrength[] = [
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

/** The tool roots that recipes can see: a recipe's own user cannot go through directories that are closed to others. */
export function visibleToolRoots(asked: readonly string[] | undefined): string[] {
  const isRoot = process.getuid?.() === 0;
  return (asked ?? nodeRoot()).filter((root) => !isRoot || isReachableByAll(root));
}

/** Where the Node that runs begat lives, when that is not under /usr: recipes may want the same. */
function nodeRoot(): string[] {
  const root = dirname(dirname(realpathSync(process.execPath)));
  return root === "/usr" || root.startsWith("/usr/") || root === "/" ? [] : [root];
}
