import { SECCOMP_RETURN } from "../../src/executor/seccomp/bpf.ts";

/** One system call as a filter sees it. */
export interface SeenCall {
  readonly architecture: number;
  readonly number: number;
  readonly arguments?: readonly bigint[];
}

/** Runs a filter's bytes as the kernel does. Answers in words: `allow`, `kill`, `errno 1`. */
export function runFilter(bytes: Buffer, call: SeenCall): string {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call.number >>> 0, 0);
  data.writeUInt32LE(call.architecture, 4);
  for (const [index, value] of (call.arguments ?? []).entries()) data.writeBigUInt64LE(value, 16 + 8 * index);
  let accumulator = 0;
  for (let at = 0; at < bytes.length / 8; at++) {
    const code = bytes.readUInt16LE(at * 8);
    const [jt, jf] = [bytes.readUInt8(at * 8 + 2), bytes.readUInt8(at * 8 + 3)];
    const k = bytes.readUInt32LE(at * 8 + 4);
    switch (code) {
      case 0x20:
        // The kernel refuses to load what is not aligned or lies outside.
        if (k % 4 !== 0 || k > 60) throw new Error(`load from ${k}`);
        accumulator = data.readUInt32LE(k);
        break;
      case 0x15:
        at += accumulator === k ? jt : jf;
        break;
      case 0x35:
        at += accumulator >= k ? jt : jf;
        break;
      case 0x45:
        at += (accumulator & k) !== 0 ? jt : jf;
        break;
      case 0x06:
        return inWords(k);
      default:
        throw new Error(`operation ${code}`);
    }
  }
  throw new Error("ran off the end");
}

function inWords(value: number): string {
  if (value === SECCOMP_RETURN.allow) return "allow";
  if (value === SECCOMP_RETURN.killProcess) return "kill";
  if ((value & 0xffff0000) === SECCOMP_RETURN.errno) return `errno ${value & 0xffff}`;
  throw new Error(`answer ${value}`);
}
