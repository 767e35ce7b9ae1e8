/** Machines a filter can be made for, by Node's name for them. */
export type FilterMachine = "x64" | "arm64";

/** AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64, from linux/audit.h. */
export const AUDIT_ARCHITECTURES: Readonly<Record<FilterMachine, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/**
 * Numbers of the system calls that filters speak of: [x86_64, aarch64], from the kernel's tables. `undefined` where a
 * machine does not have the call; numbers from 424 on are the same on both.
 */
const NUMBERS = {
  add_key: [248, 217],
  bpf: [321, 280],
  chmod: [90, undefined],
  clone: [56, 220],
  clone3: [435, 435],
  delete_module: [176, 106],
  fchmod: [91, 52],
  fchmodat: [268, 53],
  fchmodat2: [452, 452],
  finit_module: [313, 273],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fsopen: [430, 430],
  fspick: [433, 433],
  init_module: [175, 105],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  io_uring_setup: [425, 425],
  ioctl: [16, 29],
  kexec_file_load: [320, 294],
  kexec_load: [246, 104],
  keyctl: [250, 219],
  mount: [165, 40],
  mount_setattr: [442, 442],
  move_mount: [429, 429],
  open_by_handle_at: [304, 265],
  open_tree: [428, 428],
  open_tree_attr: [467, 467],
  perf_event_open: [298, 241],
  personality: [135, 92],
  pidfd_getfd: [438, 438],
  pivot_root: [155, 41],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  ptrace: [101, 117],
  request_key: [249, 218],
  setns: [308, 268],
  socket: [41, 198],
  umount2: [166, 39],
  unshare: [272, 97],
  userfaultfd: [323, 282],
} as const satisfies Readonly<Record<string, readonly [number | undefined, number | undefined]>>;

export type SyscallName = keyof typeof NUMBERS;

export function syscallNumber(name: SyscallName, machine: FilterMachine): number | undefined {
  return NUMBERS[name][machine === "x64" ? 0 : 1];
}
