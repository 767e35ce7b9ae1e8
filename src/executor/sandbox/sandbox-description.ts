import { existsSync, lstatSync, readlinkSync, realpathSync } from "node:fs";
import { dirname } from "node:path/posix";
import type { RecipeRun, SlotPlaces } from "../back-end.ts";
import type { Hardening } from "../executor.ts";
import { makeMountPoints, resolveInRoot } from "../image-root.ts";
import type { FilterProfile } from "../seccomp/filter-rules.ts";
import { type SeccompFilter, seccompFilter } from "../seccomp/seccomp-filter.ts";
import { variedHostName } from "../variation.ts";
import { MASKED_PROC } from "./masked-proc.ts";
import { allowedProcessors, visibleProcessors } from "./processors.ts";
import { SandboxFiles } from "./sandbox-files.ts";
import { MOUNT_POINTS, SANDBOX_PLACES } from "./sandbox-places.ts";

/**
 * One step in making a sandbox's root, in order. `image`: the root is this directory, read-only. `empty-root`: it is empty at
 * first. `from` is a path of the host; of a `link`, its target.
 */
export interface SandboxMount {
  readonly kind: "image" | "empty-root" | "read-only" | "writable" | "link" | "proc" | "dev";
  readonly from: string;
  /** Absolute, as a recipe sees it. */
  readonly to: string;
}

/** What a sandbox is, whoever makes it. */
export interface SandboxDescription {
  readonly hostName: string;
  readonly mounts: readonly SandboxMount[];
  readonly refusesUserNamespaces: boolean;
  /** The filter of system calls, and the file that holds it; `undefined`: none. */
  readonly filter: { readonly file: string; readonly bytes: Buffer } | undefined;
}

/** What one kernel or program cannot do is left out, and said. */
export interface SandboxStrength {
  readonly disablesUserNamespaces: boolean;
  readonly filtersCalls: boolean;
}

/** Top-level directories of the host that hold its tools; on merged-usr systems all but the first are links. */
const TOOL_DIRECTORIES = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
const NETWORK_FILES = ["/etc/resolv.conf", "/etc/hosts"];

const readOnly = (from: string, to: string): SandboxMount => ({ kind: "read-only", from, to });
const writable = (from: string, to: string): SandboxMount => ({ kind: "writable", from, to });

/** Says what the sandboxes of a staging area are made of, and makes the files that they share. */
export class SandboxDescriber {
  strength: SandboxStrength = { disablesUserNamespaces: true, filtersCalls: true };
  readonly #toolRoots: readonly string[];
  readonly #processors = allowedProcessors();
  readonly #filters: Readonly<Record<FilterProfile, SeccompFilter | undefined>> = {
    host: seccompFilter("host"),
    image: seccompFilter("image"),
  };
  readonly #files = new SandboxFiles(this.#filters);

  /** @param toolRoots Absolute. More directories with tools, seen at the same path: where Node is when it is not under /usr. */
  constructor(toolRoots: readonly string[]) {
    this.#toolRoots = toolRoots;
  }

  prepare(slot: SlotPlaces): void {
    const shared = dirname(slot.directory);
    this.#files.prepare(shared, profileOf(slot));
    if (slot.image !== undefined) this.#files.maskedProc(shared, 1);
  }

  /**
   * What is the same for all ordinary runs in a slot; of `run`, what differs in a varied one or one that sees more processors.
   *
   * @param image Root file system of an image, as whoever makes the sandbox reaches it; `undefined`: the host's tools.
   */
  describe(slot: SlotPlaces, image: string | undefined, run?: RecipeRun): SandboxDescription {
    const shared = dirname(slot.directory);
    return {
      hostName: run?.variation === undefined ? "build" : variedHostName(run.variation),
      mounts: [
        ...(image === undefined ? this.#hostRoot(shared) : this.#imageRoot(slot, image)),
        ...placeMounts(slot),
        ...(image === undefined ? [] : this.#masks(shared, run)),
      ],
      refusesUserNamespaces: this.strength.disablesUserNamespaces,
      filter: this.filterOf(slot),
    };
  }

  filterOf(slot: SlotPlaces): SandboxDescription["filter"] {
    const bytes = this.#filters[profileOf(slot)]?.bytes;
    const file = this.#files.filter(dirname(slot.directory), profileOf(slot));
    return bytes === undefined || file === undefined || !this.strength.filtersCalls ? undefined : { file, bytes };
  }

  /** What one run adds: large inputs in their own places, and how names are resolved where it has the network. */
  ofRun({ request, bound }: RecipeRun): SandboxMount[] {
    const network = request.network === "none" ? [] : networkFiles(request.imageRoot);
    const inputs = bound.map(({ bindFrom, input }) => readOnly(bindFrom, `${SANDBOX_PLACES.build}/${input.path}`));
    return [...network, ...inputs];
  }

  /** Numbers of the processors a run may use: in an image one, unless it asks for more; `undefined`: all. */
  processorsOf({ slot, variation, request, processors }: RecipeRun): readonly number[] | undefined {
    if (processors !== undefined) return processors;
    if (slot.image === undefined) {
      if (variation === undefined || this.#processors.length < 2) return undefined;
      return [this.#processors[variation.seed % this.#processors.length] as number];
    }
    const seat = variation === undefined ? slot.index : slot.index + 1 + variation.seed;
    return this.processorsFor(seat, visibleProcessors(request.resources));
  }

  processorsFor(seat: number, count: number): readonly number[] {
    const all = this.#processors;
    return Array.from({ length: Math.min(count, all.length) }, (_, n) => all[(seat + n) % all.length] as number);
  }

  /** What a recipe in an image, or with the host's tools, is kept from. */
  hardening(profile: FilterProfile, aslr: Hardening["aslr"]): Hardening {
    return {
      seccomp: this.#filters[profile]?.digest,
      aslr,
      cpus: profile === "image" ? 1 : 0,
      procMask: profile === "image" ? MASKED_PROC.map(({ path }) => path) : [],
    };
  }

  /** Where the root of a self-test stands: directories as in an image, and the host's /usr. */
  selfTestRoot(shared: string): string {
    return this.#files.selfTestRoot(shared);
  }

  /** What is weaker than it could be, for people. */
  findings(maker: string): string[] {
    const findings: string[] = [];
    if (!this.strength.disablesUserNamespaces) findings.push("recipes can make user namespaces of their own");
    if (!this.strength.filtersCalls) findings.push(`system calls are not filtered: ${maker} or the kernel cannot`);
    return findings;
  }

  #hostRoot(shared: string): SandboxMount[] {
    const mounts: SandboxMount[] = [{ kind: "empty-root", from: "", to: "/" }];
    for (const directory of TOOL_DIRECTORIES) {
      const stat = lstatSync(directory, { throwIfNoEntry: false });
      if (stat?.isSymbolicLink()) mounts.push({ kind: "link", from: readlinkSync(directory), to: directory });
      else if (stat?.isDirectory()) mounts.push(readOnly(directory, directory));
    }
    for (const root of this.#toolRoots) mounts.push(readOnly(root, root));
    mounts.push(readOnly(this.#files.etc(shared), "/etc"));
    return mounts;
  }

  #imageRoot(slot: SlotPlaces, image: string): SandboxMount[] {
    makeMountPoints(slot.imageRoot ?? image, MOUNT_POINTS);
    const usr = this.#files.isSelfTestRoot(slot.imageRoot) ? [readOnly("/usr", "/usr")] : [];
    return [{ kind: "image", from: image, to: "/" }, ...usr];
  }

  /** To stand after /proc. */
  #masks(shared: string, run: RecipeRun | undefined): SandboxMount[] {
    const processors = run === undefined ? 1 : visibleProcessors(run.request.resources);
    const directory = this.#files.maskedProc(shared, processors);
    return MASKED_PROC.map(({ path, name }) => readOnly(`${directory}/${name}`, path));
  }
}

function profileOf(slot: SlotPlaces): FilterProfile {
  return slot.imageRoot === undefined ? "host" : "image";
}

/**
 * What is mounted over either root. /tmp is the slot's, not one of the sandbox's own: how full it is can be seen, and it
 * goes to disk with the rest of the slot.
 */
function placeMounts(slot: SlotPlaces): SandboxMount[] {
  return [
    { kind: "proc", from: "", to: "/proc" },
    { kind: "dev", from: "", to: "/dev" },
    writable(`${slot.directory}/tmp`, SANDBOX_PLACES.tmp),
    writable(`${slot.directory}/home`, SANDBOX_PLACES.home),
    writable(slot.build, SANDBOX_PLACES.build),
  ];
}

/** In an image only those that it has: nothing can be made in it. */
function networkFiles(imageRoot: string | undefined): SandboxMount[] {
  return NETWORK_FILES.filter(
    (file) => existsSync(file) && (imageRoot === undefined || resolveInRoot(imageRoot, file) !== undefined),
  ).map((file) => readOnly(realpathSync(file), file));
}
