function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return bytes;
}

/**
 * One field of a protobuf message, made by hand from the specification: what our encoder is compared with. Given
 * buffers it is a message of these fields in this order; nothing is sorted, nothing left out.
 */
export function field(number: number, ...value: readonly [string | number | boolean] | readonly Uint8Array[]): Buffer {
  const [only] = value;
  if (typeof only === "number" || typeof only === "boolean")
    return Buffer.from([...varint(BigInt(number * 8)), ...varint(BigInt(Number(only)))]);
  const bytes = typeof only === "string" ? Buffer.from(only) : Buffer.concat(value as readonly Uint8Array[]);
  return Buffer.concat([Buffer.from([...varint(BigInt(number * 8 + 2)), ...varint(BigInt(bytes.length))]), bytes]);
}

export const message = (...fields: readonly Uint8Array[]): Buffer => Buffer.concat(fields);
