import { STAT_NUMBERS } from "../ports/index.ts";
import { CHECKOUT, type Checkout } from "./checkout.ts";
import type { Plan } from "./plan.ts";
import { type CheckoutState, PATH } from "./state.ts";
import type { Selection } from "./targets.ts";

/** What the answer "nothing to do" rests on. */
export interface QuickProof {
  readonly plan: Plan;
  readonly state: CheckoutState;
  readonly selection: Selection;
  /** Names of variables that the begatfiles asked for. */
  readonly variables: readonly string[];
}

/** What else it rests on: where all of it is as it was, the next answer is the same. */
export interface GlanceFacts {
  /** Absolute: the program that says so. */
  readonly bundle: string;
  /** Absolute. The ledger that the state was made with. */
  readonly ledger: string;
  /** Every variable that may matter and how it was; absent ones too. */
  readonly env: readonly (readonly [name: string, value: string | undefined])[];
  /** The line that is printed, up to the time it took. */
  readonly text: string;
}

/** `inode`: nothing else of it counts. */
const KIND = { file: 0x30, link: 0x31, absent: 0x32, inode: 0x33 } as const;
const MAGIC = "BGG1";
const HEAD_BYTES = 24;

/**
 * The file by which begat-client can tell, without Node, that there is nothing to do (docs/formats.md, "Glance").
 * `undefined` where that takes more than stats.
 */
export function encodeGlance(
  checkout: Checkout,
  { plan, state, selection }: QuickProof,
  facts: GlanceFacts,
): Buffer | undefined {
  const names: string[] = [];
  const numbers: number[] = [];
  const own = new Float64Array(STAT_NUMBERS);
  const add = (kind: keyof typeof KIND, path: string, signature: ArrayLike<number>): void => {
    names.push(`${String.fromCharCode(KIND[kind])}${path}\0`);
    for (let i = 0; i < STAT_NUMBERS; i++) numbers.push(signature[i] as number);
  };
  const addNow = (kind: "file" | "inode", path: string): boolean => {
    if (!checkout.fs.statInto(checkout.absolute(path), own, 0)) return false;
    add(kind, path, own);
    return true;
  };
  // The bundle first: begat-client looks at the one that it would start.
  if (!addNow("file", facts.bundle) || !addNow("inode", facts.ledger)) return undefined;
  if (!addNow("file", CHECKOUT.plan) || !addNow("file", CHECKOUT.state)) return undefined;
  for (const { path, signature } of state.reads) {
    if (signature === null) add("absent", path, new Float64Array(STAT_NUMBERS));
    else if (signature.length === STAT_NUMBERS) add("file", path === "" ? "." : path, signature);
    else return undefined;
  }
  const seen = new Uint8Array(plan.pathCount);
  const look = (path: number): boolean => {
    if (seen[path]) return true;
    seen[path] = 1;
    if (state.texts.has(path)) return false;
    if (((state.pathFlags[path] as number) & PATH.tree) === 0) {
      add("file", plan.path(path), state.signature(path));
      return true;
    }
    for (const member of state.members.get(path) ?? []) {
      add(member.flags & PATH.symlink ? "link" : "file", member.path === "" ? "." : member.path, member.signature);
    }
    return state.members.has(path);
  };
  const { inputOffsets, inputs, producer } = plan.columns;
  for (let chore = 0; chore < plan.choreCount; chore++) {
    if (!selection.needed[chore]) continue;
    for (let i = inputOffsets[chore] as number; i < (inputOffsets[chore + 1] as number); i++) {
      const path = (inputs[i] as number) >>> 1;
      if ((producer[path] as number) >= 0 || (state.pathFlags[path] as number) === 0) continue;
      if (!look(path)) return undefined;
    }
  }
  for (const entry of selection.wanted) if (!look(entry >>> 1)) return undefined;
  return laidOut(names, numbers, facts);
}

function laidOut(names: readonly string[], numbers: readonly number[], { env, text }: GlanceFacts): Buffer | undefined {
  const variables = env.map(([name, value]) => (value === undefined ? `${name}\0` : `${name}=${value}\0`)).join("");
  const parts = [`${text}\0`, variables, names.join("")].map((part) => Buffer.from(part));
  const texts = Buffer.concat(parts);
  const start = (HEAD_BYTES + texts.length + 7) & ~7;
  const bytes = Buffer.alloc(start + numbers.length * 8 + 8);
  bytes.write(MAGIC, 0, "latin1");
  for (const [i, part] of parts.entries()) bytes.writeUInt32LE(part.length, 4 + 4 * i);
  bytes.writeUInt32LE(names.length, 16);
  texts.copy(bytes, HEAD_BYTES);
  for (const [i, number] of numbers.entries()) bytes.writeDoubleLE(number, start + 8 * i);
  bytes.writeUInt32LE(checkSum(bytes, bytes.length - 8), bytes.length - 8);
  return bytes;
}

/** FNV-1a over 32-bit words: against a file that a power failure cut or emptied, not against anybody. */
function checkSum(bytes: Buffer, end: number): number {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, end / 4);
  let sum = 0x811c9dc5;
  for (const word of words) sum = Math.imul(sum ^ word, 0x01000193);
  return sum >>> 0;
}
