import type { Any } from "./generated/google/protobuf/any.ts";
import type { Duration } from "./generated/google/protobuf/duration.ts";
import type { Timestamp } from "./generated/google/protobuf/timestamp.ts";

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

const PREFIX = "type.googleapis.com/";

/** Wraps a message under its full name: `packAny("google.rpc.RetryInfo", rpc.RetryInfo, { retryDelay })`. */
export function packAny<T>(fullName: string, codec: Codec<T>, message: T): Any {
  return { typeUrl: PREFIX + fullName, value: codec.encode(message).finish() };
}

/** The first message of that name in a list of Anys; `undefined` where there is none, or its bytes do not decode. */
export function unpackAny<T>(list: readonly Any[], fullName: string, codec: Codec<T>): T | undefined {
  for (const any of list) {
    if (any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1) !== fullName) continue;
    try {
      return codec.decode(any.value);
    } catch {
      // A peer's mistake in a detail must not hide the error it explains.
    }
  }
  return undefined;
}

/** Milliseconds to seconds and nanoseconds; the time is at or after 1970. */
export function timestampOf(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1_000_000) };
}

export function durationOf(ms: number): Duration {
  return timestampOf(ms);
}

/** Milliseconds, with what is below them as a fraction. */
export function millisecondsOf(span: Timestamp | Duration): number {
  return span.seconds * 1000 + span.nanos / 1_000_000;
}
