import type { SandboxDescription, SandboxMount } from "../sandbox/sandbox-description.ts";

/** What `bwrap` is told, but for what each run adds and for `--seccomp`. */
export function sandboxArguments(description: SandboxDescription): string[] {
  return [
    "--unshare-user",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    ...(description.refusesUserNamespaces ? ["--disable-userns"] : []),
    "--die-with-parent",
    "--as-pid-1",
    ...["--uid", "1000", "--gid", "1000", "--hostname", description.hostName],
    ...description.mounts.flatMap(mountArguments),
    // In an image it is so already.
    ...(description.mounts[0]?.kind === "empty-root" ? ["--remount-ro", "/"] : []),
  ];
}

export function mountArguments({ kind, from, to }: SandboxMount): string[] {
  switch (kind) {
    case "empty-root":
      return [];
    case "image":
    case "read-only":
      return ["--ro-bind", from, to];
    case "writable":
      return ["--bind", from, to];
    case "link":
      return ["--symlink", from, to];
    case "proc":
      return ["--proc", to];
    case "dev":
      return ["--dev", to];
  }
}
