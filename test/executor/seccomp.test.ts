import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { filterRules } from "../../src/executor/seccomp/filter-rules.ts";
import { type SeccompFilter, seccompFilter } from "../../src/executor/seccomp/seccomp-filter.ts";
import { AUDIT_ARCHITECTURES, type SyscallName, syscallNumber } from "../../src/executor/seccomp/syscall-numbers.ts";
import { runFilter } from "./bpf-interpreter.ts";

const MACHINES = ["x64", "arm64"] as const;
const PROFILES = ["image", "host"] as const;

function filter(profile: (typeof PROFILES)[number], machine: string): SeccompFilter {
  const made = seccompFilter(profile, machine);
  if (made === undefined) throw new Error(`no filter for ${machine}`);
  return made;
}

const [EPERM, ENOSYS, EAFNOSUPPORT] = ["errno 1", "errno 38", "errno 97"];
const big = (...values: number[]) => values.map((value) => BigInt(value));

/** Call, arguments, in an image, with the host's tools. */
const CASES: readonly (readonly [SyscallName, readonly bigint[], string, string])[] = [
  ...(["io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", "userfaultfd"] as const).map(
    (name) => [name, [], ENOSYS, ENOSYS] as const,
  ),
  ...(
    "add_key bpf delete_module finit_module fsconfig fsmount fsopen fspick init_module kexec_file_load kexec_load " +
    "keyctl mount mount_setattr move_mount open_by_handle_at open_tree open_tree_attr pivot_root request_key setns " +
    "umount2 unshare"
  )
    .split(" ")
    .map((name) => [name as SyscallName, [], EPERM, EPERM] as const),
  ...(
    ["perf_event_open", "personality", "pidfd_getfd", "process_vm_readv", "process_vm_writev", "ptrace"] as const
  ).map((name) => [name, [], EPERM, "allow"] as const),
  ["socket", big(1, 1, 0), "allow", "allow"],
  ["socket", big(2, 1, 0), "allow", "allow"],
  ["socket", big(10, 2, 0), "allow", "allow"],
  ...[0, 3, 9, 11, 16, 17, 31, 38, 40, 44].map((family) => {
    return ["socket", big(family, 3, 0), EAFNOSUPPORT, EAFNOSUPPORT] as const;
  }),
  // The kernel takes an int: what stands in the upper half does not make it another family.
  ["socket", [(1n << 32n) | 40n], EAFNOSUPPORT, EAFNOSUPPORT],
  ["socket", [(1n << 32n) | 1n], "allow", "allow"],
  ["ioctl", big(0, 0x5412), EPERM, EPERM],
  ["ioctl", [0n, (1n << 32n) | 0x5412n], EPERM, EPERM],
  ["ioctl", big(0, 0x541c), EPERM, EPERM],
  ["ioctl", big(0, 0x5401), "allow", "allow"],
  ["ioctl", big(0x5412, 0), "allow", "allow"],
  ["clone", big(0x01200011), "allow", "allow"],
  ["clone", big(0x003d0f00), "allow", "allow"],
  ...[0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000].map((flag) => {
    return ["clone", big(flag | 17), EPERM, EPERM] as const;
  }),
  ["chmod", big(0, 0o755), "allow", "allow"],
  ["chmod", big(0, 0o1777), "allow", "allow"],
  ["chmod", big(0, 0o4755), EPERM, "allow"],
  ["chmod", big(0o4000, 0o755), "allow", "allow"],
  ["fchmod", big(3, 0o2755), EPERM, "allow"],
  ["fchmod", big(3, 0o644), "allow", "allow"],
  ["fchmodat", big(0, 0, 0o6755), EPERM, "allow"],
  ["fchmodat", big(0, 0o4000, 0o644), "allow", "allow"],
  ["fchmodat2", big(0, 0, 0o4000, 0), EPERM, "allow"],
  ["fchmodat2", big(0, 0, 0o777, 0), "allow", "allow"],
];

describe.each(MACHINES)("the filter on %s", (machine) => {
  const architecture = AUDIT_ARCHITECTURES[machine];
  const cases = CASES.filter(([name]) => syscallNumber(name, machine) !== undefined);

  test.each(cases)("%s %s", (name, args, inImage, onHost) => {
    const call = { architecture, number: syscallNumber(name, machine) ?? -1, arguments: args };
    expect(runFilter(filter("image", machine).bytes, call)).toBe(inImage);
    expect(runFilter(filter("host", machine).bytes, call)).toBe(onHost);
  });

  test("has a case here for every call it speaks of", () => {
    const tested = new Set<string>(CASES.map(([name]) => name));
    expect(filterRules("image").filter(({ syscall }) => !tested.has(syscall))).toEqual([]);
  });

  test("lets every other call pass, whatever its arguments", () => {
    const spoken = new Set(filterRules("image").map(({ syscall }) => syscallNumber(syscall, machine)));
    const number = fc.integer({ min: 0, max: 0x3fffffff }).filter((candidate) => !spoken.has(candidate));
    const args = fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 6, maxLength: 6 });
    for (const profile of PROFILES) {
      const { bytes } = filter(profile, machine);
      const allowed = fc.property(number, args, (candidate, values) => {
        return runFilter(bytes, { architecture, number: candidate, arguments: values }) === "allow";
      });
      fc.assert(allowed);
      for (let known = 0; known < 470; known++) {
        if (!spoken.has(known)) expect(runFilter(bytes, { architecture, number: known })).toBe("allow");
      }
    }
  });

  test("ends whoever calls by another machine's numbers, in an image", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(0xffffffff), (number, other) => {
        fc.pre(other !== architecture);
        return runFilter(filter("image", machine).bytes, { architecture: other, number }) === "kill";
      }),
    );
    // 32-bit x86.
    expect(runFilter(filter("host", machine).bytes, { architecture: 0x40000003, number: 1 })).toBe("allow");
  });

  test("is within what the kernel takes, and is named by its bytes", () => {
    for (const profile of PROFILES) {
      const { program, bytes, digest } = filter(profile, machine);
      expect(program.length).toBeLessThan(4096);
      expect(program.every(({ jt, jf }) => jt < 256 && jf < 256)).toBe(true);
      expect(bytes.length).toBe(program.length * 8);
      expect(digest).toMatch(/^[0-9a-f]{64}$/);
    }
    expect(filter("image", machine).digest).not.toBe(filter("host", machine).digest);
  });
});

test("x32's calls end their process; a call that a tracer skipped does not", () => {
  const architecture = AUDIT_ARCHITECTURES.x64;
  for (const profile of PROFILES) {
    const { bytes } = filter(profile, "x64");
    for (const number of [0x40000000, 0x40000029, 0x7fffffff, 0xfffffffe]) {
      expect(runFilter(bytes, { architecture, number })).toBe("kill");
    }
    expect(runFilter(bytes, { architecture, number: 0xffffffff })).toBe("allow");
  }
});

test("there is none for a machine whose numbers are not known", () => {
  expect(seccompFilter("image", "riscv64")).toBeUndefined();
});
