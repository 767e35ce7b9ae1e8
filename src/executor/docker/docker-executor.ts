import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path/posix";
import type { BackEnd, RecipeRun, SlotPlaces } from "../back-end.ts";
import {
  type Capabilities,
  type ExecutionOptions,
  type ExecutionRequest,
  type ExecutionResult,
  type Executor,
  ExecutorError,
  type Isolation,
} from "../executor.ts";
import type { LaunchedCommand } from "../launcher/launcher.ts";
import { SANDBOX_INIT } from "../launcher/launcher-command.ts";
import { DEFAULT_LIMITS, type ExecutorLimits } from "../limits.ts";
import { judgeCanaries, plantCanaries } from "../sandbox/canaries.ts";
import { maskedProcFiles } from "../sandbox/masked-proc.ts";
import { visibleProcessors } from "../sandbox/processors.ts";
import { filterRules } from "../seccomp/filter-rules.ts";
import { seccompFilter } from "../seccomp/seccomp-filter.ts";
import { commandWithEnvironment } from "../shell-command.ts";
import { StagedExecutor, type StagedExecutorOptions } from "../staged-executor.ts";
import { CONTAINER_PLACES, hostConfig, MASKABLE, REPORT } from "./container-options.ts";
import { type ContainerRun, runContainer, runInContainer } from "./container-run.ts";
import { DockerClient, type DockerImage } from "./docker-client.ts";
import { seccompProfile } from "./seccomp-profile.ts";

export interface DockerExecutorOptions extends StagedExecutorOptions {
  /** Absolute; else what DOCKER_HOST says, or the usual one. */
  readonly socket?: string;
  /** Which image a root file system is of; `undefined` where that is not known. */
  readonly imageOf: (imageRoot: string) => Promise<DockerImage | undefined>;
  /**
   * `create`: a container for each recipe. `exec`: one for each seat and image, which is quicker, and in which a recipe can
   * leave something for the next: System V memory, /dev/shm.
   */
  readonly lane?: "create" | "exec";
}

const REQUIRED = ["network", "workspace", "tmp", "usr", "etc", "hostname", "capabilities", "filter", "setuid", "root"];
const LEAKS = ["addresses", "clock", "inode-numbers", "mountinfo", "proc", "random", "sysinfo", "uname"];

class DockerBackEnd implements BackEnd {
  readonly name = "docker";
  readonly containments = ["sandbox"] as const;
  readonly bindsInputs = false;
  readonly sandbox = undefined;
  readonly #options: DockerExecutorOptions;
  readonly #limits: ExecutorLimits;
  readonly #profile = seccompProfile(filterRules("image"));
  readonly #shared = new Map<string, string>();
  /** Long-lived containers by seat and image. */
  readonly #lanes = new Map<string, Awaited<ReturnType<DockerClient["docker"]["createContainer"]>>>();
  client: DockerClient | undefined;

  constructor(options: DockerExecutorOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
  }

  prepare(): void {}

  setup(): string {
    return "";
  }

  placesOf() {
    return CONTAINER_PLACES;
  }

  command(): string {
    throw new ExecutorError("EXECUTOR_UNUSABLE", "docker runs no shell commands of the host");
  }

  interactiveCommand(): never {
    throw new ExecutorError("EXECUTOR_UNUSABLE", "docker does not run interactive recipes", {
      hint: "run it with `--executor bubblewrap`",
    });
  }

  async run(run: RecipeRun, signal: AbortSignal, onOutput: ContainerRun["onOutput"]): Promise<LaunchedCommand> {
    const { request, slot } = run;
    const client = this.client;
    if (client === undefined || request.imageRoot === undefined) {
      throw new ExecutorError("EXECUTOR_UNUSABLE", "docker runs recipes in images only");
    }
    if (request.interactive) this.interactiveCommand();
    const image = await this.#options.imageOf(request.imageRoot);
    if (image === undefined) {
      throw new ExecutorError("EXECUTOR_UNUSABLE", `docker has no archive of the image at ${request.imageRoot}`);
    }
    const imageVariables = await client.load(image);
    const report = `${slot.directory}/io/report`;
    const facts = {
      slot,
      limits: this.#limits,
      profile: this.#profile,
      shared: this.#sharedFiles(slot, request),
      report,
      processors: this.#options.lane === "exec" ? undefined : run.processors,
    };
    writeFileSync(report, "");
    const user = `${slot.uid ?? process.getuid?.() ?? 0}`;
    if (slot.uid !== undefined) chmodSync(report, 0o666);
    const [environment, argv] = commandWithEnvironment(request.argv, run.environment, request.imageRoot);
    const names = new Set(environment.map(([name]) => name));
    const foreign = ["HOSTNAME", ...imageVariables].filter((name) => !names.has(name) && /^\w+$/.test(name));
    const isLane = this.#options.lane === "exec";
    const others = isLane ? SANDBOX_INIT.replace("[ $# = 1 ]", () => "false") : SANDBOX_INIT;
    const init = `umask 022; exec 3>>${REPORT}; unset ${foreign.join(" ")}; ${isLane ? countingFrom(others) : others}`;
    const command = {
      Cmd: ["/bin/sh", "-c", init, String(run.patience), ...argv],
      Env: environment.map(([name, value]) => `${name}=${value}`),
      User: `${user}:${user}`,
      WorkingDir: request.directory === "" ? CONTAINER_PLACES.build : `${CONTAINER_PLACES.build}/${request.directory}`,
    };
    const base = {
      Image: `sha256:${image.digest}`,
      Hostname: "build",
      Labels: client.labels(),
      HostConfig: hostConfig(facts, request),
    };
    const how = { client, report, keepBytes: this.#limits.capturedBytes, onOutput, signal };
    if (!isLane) return runContainer({ ...base, ...command, Entrypoint: [] }, how);
    const key = `${slot.directory} ${image.digest}`;
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      // Root without any capability: the recipe's user cannot end it.
      lane = await client.docker.createContainer({
        ...base,
        HostConfig: { ...base.HostConfig, Init: true },
        Entrypoint: [],
        Cmd: ["/bin/sh", "-c", "while :; do sleep 3600; done"],
        User: "0:0",
      });
      await lane.start();
      this.#lanes.set(key, lane);
    }
    const result = await runInContainer(lane, command, how);
    if (signal.aborted || result.leftCount > 0) {
      this.#lanes.delete(key);
      await client.remove(lane);
    }
    return result;
  }

  async close(): Promise<void> {
    const lanes = [...this.#lanes.values()];
    this.#lanes.clear();
    await Promise.all(lanes.map((lane) => this.client?.remove(lane)));
  }

  #sharedFiles(slot: SlotPlaces, { resources }: ExecutionRequest): string {
    const count = visibleProcessors(resources);
    const directory = `${dirname(slot.directory)}/docker-${count}`;
    if (this.#shared.has(directory)) return directory;
    mkdirSync(directory);
    chmodSync(directory, 0o755);
    const files = maskedProcFiles(count);
    const contents = [...MASKABLE.map((name) => [name, files.get(name) ?? ""] as const), ["resolv.conf", ""] as const];
    for (const [name, text] of contents) {
      writeFileSync(`${directory}/${name}`, text);
      chmodSync(`${directory}/${name}`, 0o444);
    }
    this.#shared.set(directory, directory);
    return directory;
  }
}

/** In a container that stays, only processes of the recipe's own user are left behind; they cannot see `/proc/1`'s. */
function countingFrom(init: string): string {
  // Functions, since `$$` in a replacement text is one dollar.
  return init
    .replaceAll('[ "$p" = /proc/1 ]', () => '[ "$p" = /proc/1 ] || [ "$p" = "/proc/$$" ] || ! [ -O "$p" ]')
    .replaceAll("/proc/1/stat", () => '"/proc/$$/stat"');
}

class DockerExecutor extends StagedExecutor {
  readonly #backEnd: DockerBackEnd;
  readonly #socket: string | undefined;
  readonly #measured = new Map<string, Promise<Isolation>>();

  constructor(options: DockerExecutorOptions) {
    const backEnd = new DockerBackEnd(options);
    super(options, backEnd);
    this.#backEnd = backEnd;
    this.#socket = options.socket;
  }

  protected async look(): Promise<Capabilities> {
    const isolation: Isolation = {
      level: "none",
      backend: "docker",
      backendVersion: "",
      namespaces: [],
      network: "none",
      uidDropped: this.dropsUser,
      knownLeaks: LEAKS,
    };
    try {
      const client = await DockerClient.connect(this.#socket);
      const backendVersion = await client.version();
      await client.removeStale((pid) => existsSync(`/proc/${pid}`));
      this.#backEnd.client = client;
      const finding = "docker runs recipes in images only";
      return { usable: true, findings: [finding], isolation: { ...isolation, backendVersion }, canaries: [] };
    } catch (error) {
      const reason = (error as Error).message;
      return { usable: false, findings: [`no docker engine answers: ${reason}`], isolation, canaries: [] };
    }
  }

  /** What a container is made to hold; each image is tried before its first recipe, and its results say what held. */
  protected override async lookWithImage({ isolation }: Capabilities): Promise<Capabilities["withImage"]> {
    const namespaces = ["cgroup", "ipc", "mnt", "net", "pid", "uts"];
    return {
      usable: true,
      findings: ["tried out in each image, before its first recipe"],
      isolation: { ...isolation, level: "contained", namespaces, hardening: this.#hardening() },
      canaries: [],
    };
  }

  override async execute(request: ExecutionRequest, options: ExecutionOptions): Promise<ExecutionResult> {
    const { usable, findings, withImage } = await this.probe();
    const root = request.imageRoot;
    if (!usable || withImage === undefined || root === undefined) {
      throw new ExecutorError("EXECUTOR_UNUSABLE", `docker cannot run ${request.label}: ${findings.join("; ")}`, {
        hint: usable ? "give the dictum an image" : undefined,
      });
    }
    let measuring = this.#measured.get(root);
    if (measuring === undefined) {
      measuring = this.#measure(root, withImage.isolation);
      this.#measured.set(root, measuring);
      measuring.catch(() => this.#measured.delete(root));
    }
    const isolation = await measuring;
    return this.run(request, { ...isolation, network: request.network }, options);
  }

  override async close(): Promise<void> {
    await this.#backEnd.close();
    await super.close();
  }

  async #measure(imageRoot: string, isolation: Isolation): Promise<Isolation> {
    const planted = plantCanaries(this.options.inputRoots, imageRoot);
    try {
      const result = await this.run(planted.request, isolation, { signal: new AbortController().signal }, 0);
      const { canaries } = judgeCanaries(result, this.dropsUser, "image");
      const lost = canaries.filter(({ name, held }) => !held && REQUIRED.includes(name)).map(({ name }) => name);
      if (result.verdict !== "leftover-processes") lost.push("leftover");
      if (lost.length === 0) return isolation;
      this.options.onNotice?.(`level in ${imageRoot} is none: canaries not held: ${lost.join(", ")}`);
      return { ...isolation, level: "none" };
    } finally {
      planted.remove();
    }
  }

  #hardening(): NonNullable<Isolation["hardening"]> {
    return {
      seccomp: seccompFilter("image")?.digest,
      aslr: "on",
      cpus: 1,
      procMask: MASKABLE.map((name) => `/proc/${name}`),
    };
  }
}

/** Runs recipes in containers of a Docker engine on this machine: level `contained`, and only in images. */
export function createDockerExecutor(options: DockerExecutorOptions): Executor {
  return new DockerExecutor(options);
}
