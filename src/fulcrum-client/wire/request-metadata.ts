import { farm, reapi } from "../../protocol/index.ts";

/** Metadata in which a REAPI client says which tool, build and target a call is for. */
export const REQUEST_METADATA_KEY = "build.bazel.remote.execution.v2.requestmetadata-bin";
/** Metadata in which begat says for which ledger, build and chore an execution is. */
export const TRAVAIL_CONTEXT_KEY = "radix.farm.v1.context-bin";

/** Metadata in which a client says what it knows of an execution beforehand. */
export const EXECUTION_HINTS_KEY = "radix.farm.v1.hints-bin";

export function requestMetadata(metadata: reapi.RequestMetadata): Record<string, Uint8Array> {
  return { [REQUEST_METADATA_KEY]: reapi.RequestMetadata.encode(metadata).finish() };
}

export function travailContext(context: farm.TravailContext): Record<string, Uint8Array> {
  return { [TRAVAIL_CONTEXT_KEY]: farm.TravailContext.encode(context).finish() };
}

export function executionHints(hints: farm.ExecutionHints): Record<string, Uint8Array> {
  return { [EXECUTION_HINTS_KEY]: farm.ExecutionHints.encode(hints).finish() };
}

/** The decoded message of a metadata entry; `undefined` where there is none or it does not decode. */
export function decodeEntry<T>(
  entry: string | Uint8Array | undefined,
  codec: { decode(bytes: Uint8Array): T },
): T | undefined {
  if (!(entry instanceof Uint8Array)) return undefined;
  try {
    return codec.decode(entry);
  } catch {
    // It explains a call and decides nothing: a call is not refused for it.
    return undefined;
  }
}
