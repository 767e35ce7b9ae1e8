import type { Verdict } from "../../../src/executor/index.ts";

/**
 * What becomes of a recipe at one level. `open`: it got through. `held`: it did not. `-`: depends on the machine, and
 * nothing is promised. Else the verdict of the run.
 */
export type Expected = "open" | "held" | "-" | Exclude<Verdict, "ok">;

/** One way out of a sandbox, or one way to come to another result on another machine. */
export interface WayOut {
  readonly name: string;
  /** Shell text that succeeds where the way is open. It runs in a subshell; what it prints is not looked at. */
  readonly attempt: string;
  readonly none: Expected;
  readonly contained: Expected;
  readonly hermetic: Expected;
  /** Declared outputs. */
  readonly outputs?: readonly string[];
  readonly resources?: Readonly<Record<string, number>>;
  readonly timeoutMs?: number;
}

type Row = readonly [name: string, attempt: string, none: Expected, contained: Expected, hermetic: Expected];

export function ways(...rows: readonly Row[]): WayOut[] {
  return rows.map(([name, attempt, none, contained, hermetic]) => ({ name, attempt, none, contained, hermetic }));
}

/**
 * Perl that makes one system call: number, then arguments. Succeeds unless the call was refused by a filter (EPERM,
 * ENOSYS, EAFNOSUPPORT); with other errors it was reached.
 */
export const SYSCALL = `use Errno;
my @a = map { /^-?\\d+$/ ? $_ + 0 : $_ } @ARGV;
my $r = syscall(shift(@a), @a);
exit 0 if $r >= 0;
exit(grep({ $! == $_ } 1, 38, 97) ? 1 : 0);
`;

/** Perl that connects: family, address, port or path. */
export const CONNECT = `use Socket;
my ($family, $where, $port) = @ARGV;
if ($family eq "inet") { socket(S, PF_INET, SOCK_STREAM, 0) or exit 1; connect(S, sockaddr_in($port, inet_aton($where))) or exit 1; }
if ($family eq "udp") { socket(S, PF_INET, SOCK_DGRAM, 0) or exit 1; send(S, "x", 0, sockaddr_in($port, inet_aton($where))) or exit 1; }
if ($family eq "inet6") { socket(S, PF_INET6, SOCK_STREAM, 0) or exit 1; connect(S, pack_sockaddr_in6($port, inet_pton(AF_INET6, $where))) or exit 1; }
if ($family eq "raw") { socket(S, PF_INET, SOCK_RAW, 1) or exit 1; }
if ($family eq "unix") { socket(S, PF_UNIX, SOCK_STREAM, 0) or exit 1; connect(S, sockaddr_un($where)) or exit 1; }
if ($family eq "abstract") { socket(S, PF_UNIX, SOCK_STREAM, 0) or exit 1; connect(S, pack("S a*", 1, "\\0$where")) or exit 1; }
exit 0;
`;
