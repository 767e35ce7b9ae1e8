import type { ServiceDefinition } from "@grpc/grpc-js";
import { dataEncoders } from "./data-messages.ts";

/** What ts-proto makes of a message type. */
export interface MessageCodec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** A codec of any message: what it decodes is told by `RequestOf` and `ResponseOf`. */
export interface AnyCodec {
  encode(message: never): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
}

/** What ts-proto makes of a method ("generic definitions"). */
export interface MethodShape {
  readonly name: string;
  readonly requestType: AnyCodec;
  readonly requestStream: boolean;
  readonly responseType: AnyCodec;
  readonly responseStream: boolean;
}

export interface ServiceShape {
  readonly fullName: string;
  readonly methods: Readonly<Record<string, MethodShape>>;
}

export type RequestOf<M extends MethodShape> = ReturnType<M["requestType"]["decode"]>;
export type ResponseOf<M extends MethodShape> = ReturnType<M["responseType"]["decode"]>;

export const pathOf = (service: ServiceShape, method: MethodShape): string => `/${service.fullName}/${method.name}`;

const serializer = (codec: AnyCodec) => {
  const fast = dataEncoders.get(codec) as ((message: unknown) => Buffer) | undefined;
  if (fast !== undefined) return fast;
  const { encode } = codec as MessageCodec<unknown>;
  return (message: unknown): Buffer => {
    const bytes = encode(message).finish();
    // A view: grpc-js copies the bytes into its frame anyway.
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
};

const deserializer = (codec: AnyCodec) => {
  const { decode } = codec as MessageCodec<unknown>;
  return (bytes: Buffer): unknown => decode(bytes);
};

/** A service in the form grpc-js takes. */
export function grpcServiceDefinition(service: ServiceShape): ServiceDefinition {
  return Object.fromEntries(
    Object.entries(service.methods).map(([name, method]) => [
      name,
      {
        path: pathOf(service, method),
        requestStream: method.requestStream,
        responseStream: method.responseStream,
        requestSerialize: serializer(method.requestType),
        requestDeserialize: deserializer(method.requestType),
        responseSerialize: serializer(method.responseType),
        responseDeserialize: deserializer(method.responseType),
      },
    ]),
  );
}
