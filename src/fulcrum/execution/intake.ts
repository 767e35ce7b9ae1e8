import type { Digest } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import { RpcError } from "../../fulcrum-client/index.ts";
import { reapi } from "../../protocol/index.ts";
import { checkInputRoot, digestFrom } from "../services/index.ts";

/** An action that can be executed: all it needs is there. */
export interface ReadyAction {
  readonly kind: "ready";
  readonly doNotCache: boolean;
  /** Of the action; of its command where it has none, as clients before 2.2 have it. */
  readonly platform: readonly (readonly [name: string, value: string])[];
  readonly inputs: readonly Digest[];
  /** `undefined` where it declares none. */
  readonly firstOutput: string | undefined;
}

export type Intake = ReadyAction | { readonly kind: "missing"; readonly digests: readonly Digest[] };

/**
 * Reads an action and looks whether all of it is there.
 *
 * @throws {RpcError} `RPC_INVALID_ARGUMENT` for what can never be executed, whatever else is brought.
 */
export function takeIn(blobs: Pick<BlobStore, "has" | "read">, digest: Digest): Intake {
  if (!blobs.has(digest)) return { kind: "missing", digests: [digest] };
  const action = decodeBlob("action", blobs, digest, reapi.Action);
  const commandDigest = digestFrom(action.commandDigest, "the action's command");
  const { problems, missing, files } = checkInputRoot(blobs, digestFrom(action.inputRootDigest, "the input root"));
  if (problems.length > 0)
    throw invalid(`the input root of action ${digest.hash} is not valid: ${problems.join("; ")}`);
  if (!blobs.has(commandDigest)) return { kind: "missing", digests: [commandDigest, ...missing] };
  if (missing.length > 0) return { kind: "missing", digests: missing };
  const command = decodeBlob("command", blobs, commandDigest, reapi.Command);
  if (command.arguments.length === 0) throw invalid(`the command of action ${digest.hash} has no words`);
  const outputs =
    command.outputPaths.length > 0 ? command.outputPaths : [...command.outputFiles, ...command.outputDirectories];
  checkPath(command.workingDirectory, "", "the working directory");
  for (const path of outputs) checkPath(path, command.workingDirectory, "an output");
  const { properties } = action.platform ?? command.platform ?? { properties: [] };
  return {
    kind: "ready",
    doNotCache: action.doNotCache,
    platform: properties.map(({ name, value }) => [name, value] as const),
    inputs: files,
    firstOutput: outputs[0],
  };
}

const invalid = (message: string): RpcError => new RpcError("INVALID_ARGUMENT", message);

function decodeBlob<T>(
  what: string,
  blobs: Pick<BlobStore, "read">,
  digest: Digest,
  codec: { decode(bytes: Uint8Array): T },
): T {
  const bytes = blobs.read(digest);
  try {
    return codec.decode(bytes);
  } catch (cause) {
    throw new RpcError("INVALID_ARGUMENT", `blob ${digest.hash} is no ${what}`, { cause });
  }
}

/** Relative, and below the input root when read from `directory`. */
function checkPath(path: string, directory: string, what: string): void {
  let level = 0;
  for (const segment of `${directory}/${path}`.split("/")) {
    if (segment === "..") level--;
    else if (segment !== "" && segment !== ".") level++;
    if (level < 0) break;
  }
  if (level >= 0 && !path.startsWith("/") && !path.includes("\0")) return;
  throw invalid(`${what} ${JSON.stringify(path)} leads out of the input root`);
}
