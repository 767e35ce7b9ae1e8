import { lstatSync, readlinkSync } from "node:fs";
import type { SlotPlaces } from "../back-end.ts";

/** Paths inside. */
export const SANDBOX_PLACES = { build: "/build", home: "/home/build", tmp: "/tmp" } as const;

/** Directories that are mounted over in any root. */
export const MOUNT_POINTS: readonly string[] = ["/proc", "/dev", ...Object.values(SANDBOX_PLACES)];

/** Top-level directories of the host that hold its tools; on merged-usr systems all but the first are links. */
const TOOL_DIRECTORIES = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

export interface SandboxHost {
  /** The prepared copy of /etc. */
  readonly etc: string;
  /** More directories with tools, absolute, seen at the same path: where Node is when it is not under /usr. */
  readonly toolRoots: readonly string[];
  readonly disablesUserNamespaces: boolean;
}

/** What every sandbox has, whatever its root. */
export function isolationArguments(host: SandboxHost): string[] {
  return [
    "--unshare-user",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    ...(host.disablesUserNamespaces ? ["--disable-userns"] : []),
    "--die-with-parent",
    "--as-pid-1",
    ...["--uid", "1000", "--gid", "1000", "--hostname", "build"],
  ];
}

/** The host's own tools, read-only. */
export function hostRootArguments(host: SandboxHost): string[] {
  const words: string[] = [];
  for (const directory of TOOL_DIRECTORIES) {
    const stat = lstatSync(directory, { throwIfNoEntry: false });
    if (stat?.isSymbolicLink()) words.push("--symlink", readlinkSync(directory), directory);
    else if (stat?.isDirectory()) words.push("--ro-bind", directory, directory);
  }
  for (const root of host.toolRoots) words.push("--ro-bind", root, root);
  words.push("--ro-bind", host.etc, "/etc");
  return words;
}

/** An image's root file system, read-only; the directories mounted on below must exist in it. */
export function imageRootArguments(imageRoot: string): string[] {
  return ["--ro-bind", imageRoot, "/"];
}

/**
 * What is mounted over either root. /tmp is the slot's, not one of the sandbox's own: how full it is can be seen, and it
 * goes to disk with the rest of the slot.
 */
export function placesArguments(slot: SlotPlaces): string[] {
  return [
    ...["--proc", "/proc", "--dev", "/dev"],
    ...["--bind", `${slot.directory}/tmp`, SANDBOX_PLACES.tmp],
    ...["--bind", `${slot.directory}/home`, SANDBOX_PLACES.home],
    ...["--bind", slot.build, SANDBOX_PLACES.build],
  ];
}
