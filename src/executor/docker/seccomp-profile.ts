import { ERRNO, type SyscallRule } from "../seccomp/filter-rules.ts";

/** Docker's seccomp profile: what `--security-opt seccomp=` takes, as far as it is used here. */
export interface SeccompProfile {
  readonly defaultAction: "SCMP_ACT_ALLOW";
  readonly architectures: readonly string[];
  readonly syscalls: readonly ProfileRule[];
}

interface ProfileRule {
  readonly names: readonly string[];
  readonly action: "SCMP_ACT_ERRNO";
  readonly errnoRet: number;
  readonly args?: readonly ProfileArgument[];
}

interface ProfileArgument {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: "SCMP_CMP_EQ" | "SCMP_CMP_GT" | "SCMP_CMP_MASKED_EQ";
}

const LOW_HALF = 0xffffffff;

/**
 * The same rules as a profile. It can only say when a call is refused, and tests of one argument are alternatives: a set of
 * bits becomes one rule a bit, and values that are allowed become all the others.
 */
export function seccompProfile(rules: readonly SyscallRule[], machine: string = process.arch): SeccompProfile {
  const syscalls = rules.flatMap(({ syscall, error, when }): ProfileRule[] => {
    const rule = { names: [syscall], action: "SCMP_ACT_ERRNO", errnoRet: ERRNO[error] } as const;
    if (when === undefined) return [rule];
    return argumentsOf(when).map((argument) => ({ ...rule, args: [argument] }));
  });
  const architectures = [machine === "arm64" ? "SCMP_ARCH_AARCH64" : "SCMP_ARCH_X86_64"];
  return { defaultAction: "SCMP_ACT_ALLOW", architectures, syscalls };
}

function argumentsOf(when: NonNullable<SyscallRule["when"]>): ProfileArgument[] {
  const index = when.argument;
  if ("anyBitOf" in when) {
    const bits = Array.from({ length: 32 }, (_, bit) => 2 ** bit).filter((bit) => (when.anyBitOf & bit) !== 0);
    return bits.map((bit) => ({ index, value: bit, valueTwo: bit, op: "SCMP_CMP_MASKED_EQ" }));
  }
  if ("oneOf" in when) {
    return when.oneOf.map((value) => ({ index, value: LOW_HALF, valueTwo: value, op: "SCMP_CMP_MASKED_EQ" }));
  }
  const last = Math.max(...when.noneOf);
  const below = Array.from({ length: last }, (_, value) => value).filter((value) => !when.noneOf.includes(value));
  return [
    ...below.map((value): ProfileArgument => ({ index, value, op: "SCMP_CMP_EQ" })),
    { index, value: last, op: "SCMP_CMP_GT" },
  ];
}
