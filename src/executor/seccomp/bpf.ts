/** One instruction of classic BPF, the machine that seccomp filters run on. `jt` and `jf` count from the next one. */
export interface BpfInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** Operation codes, from linux/bpf_common.h. */
export const BPF = { loadWord: 0x20, jumpEqual: 0x15, jumpAtLeast: 0x35, jumpAnySet: 0x45, answer: 0x06 } as const;

/** What a filter answers, from linux/seccomp.h; an error number stands in the low half of `errno`. */
export const SECCOMP_RETURN = { allow: 0x7fff0000, errno: 0x00050000, killProcess: 0x80000000 } as const;

/** Offsets into struct seccomp_data on little-endian machines. */
export const SECCOMP_DATA = { number: 0, architecture: 4 } as const;

/** The low half of an argument: all the kernel looks at for the types these filters test (int, mode_t, unsigned int). */
export function argumentOffset(index: number): number {
  return 16 + 8 * index;
}

export function load(offset: number): BpfInstruction {
  return { code: BPF.loadWord, jt: 0, jf: 0, k: offset };
}

export function answer(value: number): BpfInstruction {
  return { code: BPF.answer, jt: 0, jf: 0, k: value };
}

export function jump(
  code: typeof BPF.jumpEqual | typeof BPF.jumpAtLeast | typeof BPF.jumpAnySet,
  k: number,
  jt: number,
  jf: number,
): BpfInstruction {
  return { code, jt, jf, k };
}

/** As struct sock_filter lies in memory, little-endian: 8 bytes each. This is what `bwrap --seccomp` reads. */
export function encodeProgram(program: readonly BpfInstruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jt, index * 8 + 2);
    bytes.writeUInt8(jf, index * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, index * 8 + 4);
  }
  return bytes;
}
