import type { ExecutorLimits } from "../limits.ts";
import { shellWord, shellWords } from "./shell-word.ts";

/**
 * How the processes of a recipe are held together, so that all of them can be found and killed:
 * `sandbox`: each command makes its own PID namespace (bubblewrap); `pid-namespace`: the launcher is the first process
 * of one; `scan`: all processes of the recipe's user or, where it has none of its own, those that stand in the slot or
 * carry its path in their environment.
 */
export type Containment = "sandbox" | "pid-namespace" | "scan";

export interface LauncherSpec {
  readonly containment: Containment;
  /** Absolute. A POSIX shell; `dash` where there is one, because it is the quickest. */
  readonly shell: string;
  /** The slot's directory, absolute; `io` in it is writable for the launcher. */
  readonly directory: string;
  /** Only root may ask. */
  readonly user: { readonly uid: number } | undefined;
  /** Directories a dropped user could not reach by their own path, to be bound read-only at `at`. */
  readonly binds: readonly { readonly from: string; readonly at: string }[];
  /** Words that stand before the shell: programs that set something and then run it. */
  readonly wrap?: readonly string[];
  readonly limits: ExecutorLimits;
  /** The kernel's limit, which counts what else the same user runs. */
  readonly processes: number;
  /** Shell text run once by the launcher before its first command. */
  readonly setup: string;
  readonly nonce: string;
}

/**
 * First argument vector of a launcher, for `sh`. File descriptor 3 is the lifeline: begat never writes to it while it
 * lives, so when it reads as ended, begat is gone (even by SIGKILL), and the guardian takes the launcher with it.
 *
 * @param first Shell text before all else.
 */
export function launcherArguments(spec: LauncherSpec, first = ""): string[] {
  const drop =
    spec.user === undefined
      ? []
      : ["setpriv", "--reuid", String(spec.user.uid), "--regid", String(spec.user.uid), "--clear-groups"];
  // Elsewhere the launcher's death is everybody's; here they have to be looked for.
  const hunt =
    spec.containment !== "scan"
      ? ""
      : spec.user === undefined
        ? "kill -9 -$$; "
        : `${shellWords([...drop, spec.shell, "-c", "kill -9 -1"])}; `;
  const guardian = `${first}( exec >&- 2>&-; read -r _ <&3 || { kill -9 $$; ${hunt}}; ) & echo "guardian $!"; exec 3<&-; exec "$@"`;
  const shell = [spec.shell, "-s"];
  let chain: string[];
  switch (spec.containment) {
    case "pid-namespace":
      // A change of user clears the parent-death signal that --kill-child had set: setpriv sets it again.
      chain = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
      if (spec.user === undefined) chain.push("--user", "--map-current-user", ...shell);
      else chain.push(...drop, "--no-new-privs", "--pdeathsig", "KILL", ...shell);
      break;
    case "scan":
      chain = [...drop, ...(spec.user === undefined ? [] : ["--no-new-privs"]), ...shell];
      break;
    case "sandbox":
      chain = [...(spec.wrap ?? []), ...drop, ...shell];
      if (spec.binds.length > 0) {
        const mounts = spec.binds.map(
          ({ from, at }) =>
            `mount --bind ${shellWord(from)} ${shellWord(at)} && mount -o remount,bind,ro ${shellWord(at)} && `,
        );
        chain = ["unshare", "--mount", spec.shell, "-c", `${mounts.join("")}exec "$@"`, "slot", ...chain];
      }
      break;
  }
  return ["-c", guardian, "begat-slot", ...chain];
}

/** Length of what `endMark` prints after its prefix: status, count of processes left, line feed. */
const MARK_FIELDS_BYTES = "000:00000\n".length;

export function markPrefix(nonce: string): string {
  return `\u0001${nonce}:`;
}

export function markBytes(nonce: string): number {
  return markPrefix(nonce).length + MARK_FIELDS_BYTES;
}

/**
 * What a launcher is told first. `F status` ends a command: it prints the mark on both streams. In a PID namespace it
 * first looks for processes the recipe left, gives them a moment to end by themselves, kills them, and waits until
 * none is there: after the mark nothing of the recipe can print or write any more.
 */
export function launcherSetup(spec: LauncherSpec): string {
  const { limits } = spec;
  const blocks = Math.min(Math.ceil(limits.outputBytes / 512) + 2 * 1024 * 1024, 2 ** 52);
  const lines = [
    "umask 022",
    "ulimit -c 0",
    `ulimit -S -n ${limits.openFiles} 2>/dev/null`,
    `ulimit -H -n ${limits.openFiles * 4} 2>/dev/null`,
    `ulimit -f ${blocks}`,
    // dash calls it -p, other shells -u.
    `ulimit -u ${spec.processes} 2>/dev/null || ulimit -p ${spec.processes}`,
    `cd ${shellWord(`${spec.directory}/io`)} || exit 120`,
    "mkfifo -m 600 out err || exit 121",
    ": >report",
    "echo ready",
    "exec 1<>out 2<>err 3>>report",
    // The last two are left there by bash, where that was the first shell.
    "unset PWD OLDPWD SHLVL _",
    LEFT_BEHIND,
    KILL_OTHERS,
    `F() { s=$1; n=0; ${spec.containment === "pid-namespace" ? `set -- /proc/[0-9]*; [ $# = 1 ] || { L ${PATIENCE}; K; }; ` : ""}` +
      `printf '\\001${spec.nonce}:%03d:%05d\\n' $s $n; printf '\\001${spec.nonce}:%03d:%05d\\n' $s $n >&2; }`,
    spec.setup,
  ];
  return `${lines.join("\n")}\n`;
}

/**
 * Shell functions for whoever is the first process of a PID namespace. `T` reads into `t` how long it has itself been
 * running on a processor, hundredths of a second: it does nothing else meanwhile, and /proc/uptime may be masked. `S` counts the living others into `a`, their names into `w`; one may have forked and ended between
 * the listing and the look at it, so `A` looks again until nobody ended meanwhile. `L` does so until they are gone or its argument's
 * time has passed; then it leaves the count in `n` and names them in the report. Only built-ins: a fork could fail where
 * a fork bomb has just run.
 */
const LEFT_BEHIND =
  "T() { read -r l </proc/1/stat; set -- ${l##*) }; t=$((${12}+${13})); }; " +
  'S() { a=0; w=; g=0; z=0; for p in /proc/[0-9]*; do [ "$p" = /proc/1 ] || ' +
  '{ if read -r l 2>/dev/null <"$p/stat"; then case "$l" in *") Z "*|*") X "*) z=$((z+1));; ' +
  '*) a=$((a+1)); l=${l#*(}; w="$w ${l%%)*}";; esac; else g=1; fi; }; done; }; ' +
  "A() { y=0; i=0; while S; [ $a = 0 ] && [ $i -lt 99 ] && { [ $g = 1 ] || [ $z != $y ]; }; do y=$z; i=$((i+1)); done; }; " +
  "L() { n=0; T; e=$((t+$1)); while A; [ $a != 0 ] && [ $t -lt $e ]; do T; done; " +
  '[ $a = 0 ] || { n=$a; echo "left $n$w" >&3; }; }';

/** A child that is about to end is not left behind: what is given to it, hundredths of a second. */
export const PATIENCE = 5;

/** Kills all others in the PID namespace and waits until they are dead. */
const KILL_OTHERS = "K() { while [ $a != 0 ]; do kill -9 -1 2>/dev/null; A; done; }";

/**
 * The first process inside a sandbox: runs its arguments, then reports what they left behind; its name is the patience
 * it has. When it ends, the kernel kills the rest, and bubblewrap returns only after that, since this is PID 1 itself.
 */
export const SANDBOX_INIT = `unset PWD OLDPWD; echo begun >&3; "$@" 3>&-; s=$?; set -- /proc/[0-9]*; [ $# = 1 ] || { ${LEFT_BEHIND}; L $0; }; exit $s`;
