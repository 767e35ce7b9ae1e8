import { type SyscallName, syscallNumber } from "../../../src/executor/seccomp/syscall-numbers.ts";
import { ways } from "./way-out.ts";

const machine = process.arch === "arm64" ? "arm64" : "x64";
const call = (name: SyscallName, ...words: (string | number)[]) => bare(syscallNumber(name, machine) ?? -1, ...words);
const bare = (number: number, ...words: (string | number)[]) => `perl syscall ${[number, ...words].join(" ")}`;
const on = (x64: number, arm64: number) => (machine === "x64" ? x64 : arm64);

const FAMILIES: Readonly<Record<string, number>> = {
  NETLINK: 16,
  PACKET: 17,
  KEY: 15,
  TIPC: 30,
  BLUETOOTH: 31,
  ALG: 38,
  VSOCK: 40,
  KCM: 41,
  QIPCRTR: 42,
  SMC: 43,
  XDP: 44,
};

/** System calls that a filter refuses. With null arguments: whether they were reached is all that counts. */
export const CALLS = [
  ...Object.entries(FAMILIES).flatMap(([name, family]) =>
    ways([`a socket of family ${name}`, call("socket", family, 3, 0), "-", "held", "held"]),
  ),
  ...ways(
    [
      "a socket of family NETLINK, with a family's upper half set",
      call("socket", 4294967312, 3, 0),
      "-",
      "held",
      "held",
    ],
    ["io_uring_setup", call("io_uring_setup", 1, 0), "-", "held", "held"],
    ["io_uring_enter", call("io_uring_enter", -1, 0, 0, 0, 0), "-", "held", "held"],
    ["userfaultfd", call("userfaultfd", 1), "-", "held", "held"],
    ["clone3", call("clone3", 0, 0), "-", "held", "held"],
    ["bpf", call("bpf", 0, 0, 0), "-", "held", "held"],
    ["perf_event_open", call("perf_event_open", 0, 0, -1, -1, 0), "-", "-", "held"],
    ["keyctl", call("keyctl", 0, -3, 1), "-", "held", "held"],
    ["add_key", call("add_key", "user", "begat", "x", 1, -3), "-", "held", "held"],
    ["request_key", call("request_key", "user", "begat", 0, 0), "-", "held", "held"],
    ["mount", call("mount", "none", "/tmp", "tmpfs", 0, 0), "held", "held", "held"],
    ["umount2", call("umount2", "/proc", 2), "held", "held", "held"],
    ["pivot_root", call("pivot_root", ".", "."), "held", "held", "held"],
    ["fsopen", call("fsopen", "tmpfs", 0), "held", "held", "held"],
    ["open_tree", call("open_tree", -100, "/", 1), "-", "held", "held"],
    ["move_mount", call("move_mount", -1, "", -1, "", 0), "-", "held", "held"],
    ["mount_setattr", call("mount_setattr", -100, "/", 0, 0, 0), "-", "held", "held"],
    ["setns", call("setns", -1, 0), "-", "held", "held"],
    ["unshare of a user namespace", call("unshare", 0x10000000), "-", "held", "held"],
    ["unshare of a network namespace", call("unshare", 0x40000000), "held", "held", "held"],
    ["clone into a user namespace", `${call("clone", 0x10000011, 0, 0, 0, 0)}`, "-", "held", "held"],
    ["unshare(1)", "unshare -U true", "-", "held", "held"],
    ["open_by_handle_at", call("open_by_handle_at", -100, 0, 0), "-", "held", "held"],
    ["kexec_load", call("kexec_load", 0, 0, 0, 0), "held", "held", "held"],
    ["init_module", call("init_module", 0, 0, ""), "held", "held", "held"],
    ["ptrace of itself", call("ptrace", 0, 0, 0, 0), "-", "-", "held"],
    ["ptrace of begat", `${call("ptrace", 16, "$HOST_PID", 0, 0)} && test -d /proc/$HOST_PID`, "held", "held", "held"],
    ["process_vm_readv", call("process_vm_readv", "$$", 0, 0, 0, 0, 0), "-", "-", "held"],
    ["pidfd_getfd", call("pidfd_getfd", -1, 0, 0), "-", "-", "held"],
    ["personality, to have addresses by chance again", call("personality", 0), "-", "open", "held"],
    ["chroot", bare(on(161, 51), "."), "held", "held", "held"],
    ["sethostname", bare(on(170, 161), "x", 1), "held", "held", "held"],
    ["settimeofday", bare(on(164, 170), 0, 0), "-", "-", "-"],
    ["reboot", bare(on(169, 142), 0, 0, 0, 0), "held", "held", "held"],
    ["swapon", bare(on(167, 224), "x", 0), "held", "held", "held"],
    ["setuid 0", "perl -e 'exit($< == 0 || ($< = 0, $< == 0) ? 0 : 1)'", "held", "held", "held"],
    ["characters put into a terminal", `${call("ioctl", 0, 0x5412, "x")} || perl -e 'exit 1'`, "-", "held", "held"],
    ["TIOCLINUX", call("ioctl", 0, 0x541c, "x"), "-", "held", "held"],
  ),
];
