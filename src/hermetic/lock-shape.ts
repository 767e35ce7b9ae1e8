import { parseSha256, type Sha256 } from "../base/index.ts";
import { type LockNode, lockMalformed } from "./lock-text.ts";

/** Looks up members of an object that has exactly these; of `optional` ones there may be some. */
export function members(
  node: LockNode,
  what: string,
  names: readonly string[],
  optional: readonly string[] = [],
): (name: string) => LockNode {
  if (node.kind !== "object") throw lockMalformed(node.line, `expected ${what} to be an object`);
  for (const [name, member] of node.members) {
    if (!names.includes(name) && !optional.includes(name))
      throw lockMalformed(member.line, `${what} has no member ${JSON.stringify(name)}`);
  }
  return (name) => {
    const member = node.members.get(name);
    if (member === undefined) throw lockMalformed(node.line, `${what} lacks ${JSON.stringify(name)}`);
    return member;
  };
}

export function text(node: LockNode, what: string): string {
  if (node.kind !== "string") throw lockMalformed(node.line, `expected ${what} in quotes`);
  return node.text;
}

export function items(node: LockNode, what: string): readonly LockNode[] {
  if (node.kind !== "array") throw lockMalformed(node.line, `expected a list of ${what}`);
  return node.items;
}

export function hash(node: LockNode): Sha256 {
  const parsed = parseSha256(text(node, "a SHA-256"));
  if (parsed === undefined) throw lockMalformed(node.line, "expected a SHA-256: 64 lower-case hexadecimal digits");
  return parsed;
}

/** A count of bytes. */
export function size(node: LockNode): number {
  if (node.kind === "number" && Number.isSafeInteger(node.value) && node.value >= 0) return node.value;
  throw lockMalformed(node.line, "expected a size in bytes");
}

/** The member of an object if it is there. */
export function optionalMember(node: LockNode, name: string): LockNode | undefined {
  return node.kind === "object" ? node.members.get(name) : undefined;
}
