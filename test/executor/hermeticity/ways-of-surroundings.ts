import { MASKED_PROC, maskedProcFiles } from "../../../src/executor/sandbox/masked-proc.ts";
import { type WayOut, ways } from "./way-out.ts";

const masks = maskedProcFiles(1);
const isNot = (text: string, value: string) => `test "${text}" != '${value}'`;

/** What differs from one machine, user or moment to the next. */
export const SURROUNDINGS: readonly WayOut[] = [
  ...MASKED_PROC.map(({ path, name }): WayOut => {
    const attempt = isNot(`$(cat ${path})`, (masks.get(name) ?? "").replace(/\n+$/, ""));
    return { name: path, attempt, none: "open", contained: "open", hermetic: "held" };
  }),
  ...ways(
    ["host name", isNot("$(cat /proc/sys/kernel/hostname)", "build"), "-", "held", "held"],
    ["user id", isNot("$(id -u)", "1000"), "open", "held", "held"],
    ["group id", isNot("$(id -g)", "1000"), "open", "held", "held"],
    ["user name", isNot("$(id -un)", "build"), "open", "held", "held"],
    ["home directory", isNot("$HOME", "/home/build"), "open", "held", "held"],
    ["temporary directory", isNot("$TMPDIR", "/tmp"), "open", "held", "held"],
    ["working directory", isNot("$(pwd)", "/build"), "open", "held", "held"],
    ["umask", isNot("$(umask)", "0022"), "held", "held", "held"],
    ["limit of open files", isNot("$(ulimit -n)", "1024"), "held", "held", "held"],
    ["core dumps", isNot("$(ulimit -c)", "0"), "held", "held", "held"],
    ["processors", isNot("$(nproc)", "1"), "-", "-", "held"],
    ["time zone", isNot("$(date +%z)", "+0000"), "-", "held", "held"],
    ["locale", 'test -n "$LANG$LC_ALL"', "held", "held", "held"],
    ["begat's environment", "env | grep BEGAT_TEST_SECRET", "held", "held", "held"],
    ["begat's environment through /proc", "tr '\\0' '\\n' </proc/$HOST_PID/environ | grep SECRET", "-", "held", "held"],
    ["process ids", "test $$ -gt 20", "-", "held", "held"],
    ["processes of others", "set -- /proc/[0-9]*; test $# -gt 6", "-", "held", "held"],
    ["begat's process", "kill -0 $HOST_PID || test -d /proc/$HOST_PID", "-", "held", "held"],
    ["times of inputs", isNot("$(stat -c %Y in/small)", "1"), "held", "held", "held"],
    ["modes of inputs", isNot("$(stat -c %a in/small)", "444"), "held", "held", "held"],
    ["modes of directories", isNot("$(stat -c %a . in)", "755\n755"), "held", "held", "held"],
    ["cgroup", "grep -v ':/$' /proc/self/cgroup", "-", "held", "held"],
    ["network interfaces", "grep -v -e '|' -e ' lo:' /proc/net/dev", "-", "held", "held"],
    ["capabilities", "grep 'CapEff:.*[1-9a-f]' /proc/self/status", "held", "held", "held"],
    ["more privileges by running a program", "grep 'NoNewPrivs:.0' /proc/self/status", "held", "held", "held"],
    [
      "addresses by chance",
      'a=$(head -n 1 /proc/self/maps); b=$(head -n 1 /proc/self/maps); c=$(tail -n 3 /proc/self/maps); d=$(tail -n 3 /proc/self/maps); test "$a$c" != "$b$d"',
      "-",
      "held",
      "held",
    ],
    [
      "open files of begat",
      "perl -e 'for (3 .. 255) { exit 0 if open(my $f, \"<&=\", $_) } exit 1'",
      "held",
      "held",
      "held",
    ],
    ["begat's standard input", "read x", "held", "held", "held"],
    // Ways that are known and open: results name them as leaks.
    ["the clock", "test $(date +%s) -gt 1000000000", "open", "open", "open"],
    ["chance", 'test "$(head -c 8 /dev/urandom)" != "$(head -c 8 /dev/urandom)"', "open", "open", "open"],
    ["the kernel's release by uname", 'test -n "$(uname -r)"', "open", "open", "open"],
    ["the host's paths in mountinfo", "grep /begat- /proc/self/mountinfo", "-", "open", "open"],
    ["free space", "test $(stat -f -c %a .) -gt 0", "open", "open", "open"],
  ),
];

/** Other processes, in and out of the sandbox. */
export const PROCESSES: readonly WayOut[] = [
  ...ways(
    ["a connection to the host over TCP", "perl connect inet 127.0.0.1 $HOST_PORT", "open", "held", "held"],
    ["a connection to the host over IPv6", "perl connect inet6 ::1 $HOST_PORT6", "-", "held", "held"],
    ["a datagram to anywhere", "perl connect udp 192.0.2.1 9", "-", "held", "held"],
    ["a raw socket", "perl connect raw", "held", "held", "held"],
    ["a socket of the host by path", "perl connect unix $HOST_SOCKET", "open", "held", "held"],
    ["a socket of the host by abstract name", "perl connect abstract $HOST_ABSTRACT", "-", "held", "held"],
    [
      "memory of the host by System V key",
      "perl -e 'exit(defined shmget($ENV{HOST_KEY}, 1, 0) ? 0 : 1)'",
      "-",
      "held",
      "held",
    ],
    [
      "a daemon",
      "setsid sleep 600 >/dev/null 2>&1 &",
      "leftover-processes",
      "leftover-processes",
      "leftover-processes",
    ],
    [
      "a daemon of a daemon",
      "perl -e 'fork and exit; setpgrp; fork and exit; $SIG{TERM} = $SIG{HUP} = sub {}; sleep 600' >/dev/null 2>&1",
      "leftover-processes",
      "leftover-processes",
      "leftover-processes",
    ],
  ),
  { ...same("timeout"), name: "a recipe that does not end", attempt: "sleep 600", timeoutMs: 300 },
  {
    ...same("resource"),
    name: "a fork bomb",
    attempt: "f() { f & f & wait; }; f; exit 3",
    // So few that it soon finds all of them taken, and dies.
    resources: { pids: 24 },
  },
  {
    ...same("held"),
    name: "more memory than asked for",
    attempt: "perl -e '$x = \"x\" x 400000000; print length $x'",
    resources: { memory: 100 * 1024 ** 2 },
  },
];

function same(expected: WayOut["none"]): Pick<WayOut, "none" | "contained" | "hermetic"> {
  return { none: expected, contained: expected, hermetic: expected };
}
