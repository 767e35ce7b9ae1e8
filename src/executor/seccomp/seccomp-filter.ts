import { type Sha256, sha256 } from "../../base/index.ts";
import {
  answer,
  argumentOffset,
  BPF,
  type BpfInstruction,
  encodeProgram,
  jump,
  load,
  SECCOMP_DATA,
  SECCOMP_RETURN,
} from "./bpf.ts";
import { ERRNO, type FilterProfile, filterRules, type SyscallRule } from "./filter-rules.ts";
import { AUDIT_ARCHITECTURES, type FilterMachine, syscallNumber } from "./syscall-numbers.ts";

export interface SeccompFilter {
  readonly program: readonly BpfInstruction[];
  /** The program as the kernel takes it. */
  readonly bytes: Buffer;
  /** SHA-256 of `bytes`: what a result's isolation names. */
  readonly digest: Sha256;
}

/** Calls with this bit are x32's, which share the architecture of x86_64 but not its numbers. */
const X32_BIT = 0x40000000;
/** What a tracer leaves where it skipped a call. */
const NO_CALL = 0xffffffff;

/** The filter for recipes on `machine`; `undefined` on machines whose numbers are not known here. */
export function seccompFilter(profile: FilterProfile, machine: string = process.arch): SeccompFilter | undefined {
  if (machine !== "x64" && machine !== "arm64") return undefined;
  const program = assemble(filterRules(profile), machine, profile);
  const bytes = encodeProgram(program);
  return { program, bytes, digest: sha256(bytes) };
}

/**
 * A straight line: each rule either answers or falls to the next. The kernel remembers which numbers are allowed
 * whatever their arguments, so most calls never run through it.
 */
function assemble(rules: readonly SyscallRule[], machine: FilterMachine, profile: FilterProfile): BpfInstruction[] {
  const foreign = profile === "image" ? SECCOMP_RETURN.killProcess : SECCOMP_RETURN.allow;
  const program: BpfInstruction[] = [
    load(SECCOMP_DATA.architecture),
    jump(BPF.jumpEqual, AUDIT_ARCHITECTURES[machine], 1, 0),
    answer(foreign),
    load(SECCOMP_DATA.number),
  ];
  if (machine === "x64") {
    program.push(
      jump(BPF.jumpAtLeast, X32_BIT, 0, 3),
      jump(BPF.jumpEqual, NO_CALL, 0, 1),
      answer(SECCOMP_RETURN.allow),
      answer(SECCOMP_RETURN.killProcess),
    );
  }
  for (const rule of rules) {
    const number = syscallNumber(rule.syscall, machine);
    if (number === undefined) continue;
    const body = bodyOf(rule);
    program.push(jump(BPF.jumpEqual, number, 0, body.length), ...body);
  }
  program.push(answer(SECCOMP_RETURN.allow));
  return program;
}

/** What follows once the number has matched; every way through it answers. */
function bodyOf({ error, when }: SyscallRule): BpfInstruction[] {
  const refuse = answer(SECCOMP_RETURN.errno | ERRNO[error]);
  if (when === undefined) return [refuse];
  const allow = answer(SECCOMP_RETURN.allow);
  const argument = load(argumentOffset(when.argument));
  if ("anyBitOf" in when) return [argument, jump(BPF.jumpAnySet, when.anyBitOf >>> 0, 0, 1), refuse, allow];
  const isRefusal = "oneOf" in when;
  const values = isRefusal ? when.oneOf : when.noneOf;
  // Each value jumps over the rest of them and the first answer.
  const tests = values.map((value, index) => jump(BPF.jumpEqual, value, values.length - index, 0));
  return isRefusal ? [argument, ...tests, allow, refuse] : [argument, ...tests, refuse, allow];
}
