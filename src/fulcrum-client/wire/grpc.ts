import type * as Grpc from "@grpc/grpc-js";

/**
 * grpc-js, loaded when the first server or channel is opened and not before: it costs what a whole null build does.
 */
export async function loadGrpc(): Promise<typeof Grpc> {
  const loaded = (await import("@grpc/grpc-js")) as typeof Grpc & { readonly default?: typeof Grpc };
  // Bundled as CommonJS or not, its members are here or one further down.
  return loaded.status === undefined && loaded.default !== undefined ? loaded.default : loaded;
}

/** TLS with the authorities of Node, and those of `extra` (PEM). */
export async function tlsCredentials(extra: Uint8Array | undefined): Promise<Grpc.ChannelCredentials> {
  const { credentials } = await loadGrpc();
  if (extra === undefined) return credentials.createSsl();
  const { rootCertificates } = await import("node:tls");
  return credentials.createSsl(Buffer.concat([Buffer.from(`${rootCertificates.join("\n")}\n`), extra]));
}

/** What a peer without larger limits takes in one message: gRPC's default. */
export const DEFAULT_MESSAGE_BYTES = 4 * 1024 * 1024;

/** What we take in one message, bytes. Above the default, so that a peer's idea of 4 MiB plus its framing fits. */
export const RECEIVE_LIMIT_BYTES = 16 * 1024 * 1024;

/** What is said to be the most for one batch of blobs: fits the default limit of those who raise nothing. */
export const MAX_BATCH_BYTES = DEFAULT_MESSAGE_BYTES - 64 * 1024;

/** Of data in one ByteStream message, bytes. */
export const STREAM_CHUNK_BYTES = 256 * 1024;

/** HTTP/2 window of a connection and its streams: with the default of 64 KiB each chunk would wait for an answer. */
const FLOW_CONTROL_WINDOW_BYTES = 4 * 1024 * 1024;

/** Options of every channel and server of ours. */
export const transportOptions = {
  "grpc.max_receive_message_length": RECEIVE_LIMIT_BYTES,
  "grpc.max_send_message_length": RECEIVE_LIMIT_BYTES,
  "grpc-node.flow_control_window": FLOW_CONTROL_WINDOW_BYTES,
  // Counts of each call that nobody asks for.
  "grpc.enable_channelz": 0,
} as const;
