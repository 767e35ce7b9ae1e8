import type { SyscallName } from "./syscall-numbers.ts";

/** Error numbers, the same on x86_64 and aarch64. */
export const ERRNO = { EPERM: 1, ENOSYS: 38, EAFNOSUPPORT: 97 } as const;

/** When a call is refused; `undefined` in a rule means always. Looks at the low 32 bits of one argument. */
export type ArgumentTest =
  | { readonly argument: number; readonly anyBitOf: number }
  | { readonly argument: number; readonly oneOf: readonly number[] }
  | { readonly argument: number; readonly noneOf: readonly number[] };

export interface SyscallRule {
  readonly syscall: SyscallName;
  readonly error: keyof typeof ERRNO;
  readonly when?: ArgumentTest;
}

/**
 * `image`: everything a recipe in a hermetic image has no use for. `host`: less, because with the host's tools people
 * also debug, trace, install setuid files into staging directories and run programs of 32 bits.
 */
export type FilterProfile = "image" | "host";

const SETUID_OR_SETGID = 0o6000;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const CLONE_NEW = 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x00020000;
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
/** AF_UNIX, AF_INET, AF_INET6. A network namespace does not hold AF_VSOCK before Linux 7.0. */
const SOCKET_FAMILIES = [1, 2, 10];

const always = (error: SyscallRule["error"], ...syscalls: SyscallName[]): SyscallRule[] =>
  syscalls.map((syscall) => ({ syscall, error }));

const EVERYWHERE: readonly SyscallRule[] = [
  // Answered as an old kernel would: whoever tries has another way. io_uring opens sockets past any rule on `socket`,
  // and the flags of clone3 cannot be seen from here.
  ...always("ENOSYS", "io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", "userfaultfd"),
  ...always("EPERM", "keyctl", "add_key", "request_key", "bpf"),
  ...always("EPERM", "mount", "umount2", "pivot_root", "open_tree", "open_tree_attr", "move_mount", "fsopen"),
  ...always("EPERM", "fsconfig", "fsmount", "fspick", "mount_setattr", "setns", "unshare"),
  ...always("EPERM", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module"),
  ...always("EPERM", "open_by_handle_at"),
  { syscall: "clone", error: "EPERM", when: { argument: 0, anyBitOf: CLONE_NEW } },
  { syscall: "socket", error: "EAFNOSUPPORT", when: { argument: 0, noneOf: SOCKET_FAMILIES } },
  { syscall: "ioctl", error: "EPERM", when: { argument: 1, oneOf: [TIOCSTI, TIOCLINUX] } },
];

const IN_IMAGES: readonly SyscallRule[] = [
  ...always("EPERM", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "perf_event_open"),
  // ASLR is switched off before the filter is set; nobody switches it on again.
  ...always("EPERM", "personality"),
  { syscall: "chmod", error: "EPERM", when: { argument: 1, anyBitOf: SETUID_OR_SETGID } },
  { syscall: "fchmod", error: "EPERM", when: { argument: 1, anyBitOf: SETUID_OR_SETGID } },
  { syscall: "fchmodat", error: "EPERM", when: { argument: 2, anyBitOf: SETUID_OR_SETGID } },
  { syscall: "fchmodat2", error: "EPERM", when: { argument: 2, anyBitOf: SETUID_OR_SETGID } },
];

export function filterRules(profile: FilterProfile): readonly SyscallRule[] {
  return profile === "image" ? [...EVERYWHERE, ...IN_IMAGES] : EVERYWHERE;
}
