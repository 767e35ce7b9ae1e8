import type { Digest, WorkspacePath } from "../base/index.ts";
import { compareUtf8, digestOf, relativeTo } from "../base/index.ts";
import { Action, Command } from "./generated/actions.ts";
import type { EncodedBlob } from "./input-root.ts";

/** Everything but the inputs' bytes that may influence a result. Nothing here needs to be sorted. */
export interface ActionSpec {
  readonly argv: readonly string[];
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly directory: WorkspacePath;
  /** Files and trees alike; a tree without its slash. */
  readonly outputs: readonly WorkspacePath[];
  readonly platform: readonly (readonly [name: string, value: string])[];
  readonly inputRoot: Digest;
  /** Milliseconds; 0 leaves the field out. */
  readonly timeoutMs: number;
  readonly doNotCache: boolean;
}

export interface EncodedAction {
  readonly action: EncodedBlob;
  readonly command: EncodedBlob;
}

const NO_SALT = new Uint8Array(0);

const pairs = (list: readonly (readonly [string, string])[]): { name: string; value: string }[] =>
  list
    .map(([name, value]) => ({ name, value }))
    .sort((a, b) => compareUtf8(a.name, b.name) || compareUtf8(a.value, b.value));

/**
 * The canonical REAPI Action and Command: fields in tag order, defaults not written, lists sorted as the protocol asks
 * (docs/formats.md). The action's digest is the chore's key.
 */
export function encodeAction(spec: ActionSpec): EncodedAction {
  const outputPaths = spec.outputs.map((path) => relativeTo(spec.directory, path)).sort(compareUtf8);
  const commandBytes = Command.encode({
    arguments: [...spec.argv],
    environmentVariables: pairs(spec.env),
    outputFiles: [],
    outputDirectories: [],
    workingDirectory: spec.directory,
    outputPaths,
    outputNodeProperties: [],
    outputDirectoryFormat: 0,
  }).finish();
  const commandDigest = digestOf(commandBytes);
  const actionBytes = Action.encode({
    commandDigest,
    inputRootDigest: spec.inputRoot,
    timeout:
      spec.timeoutMs === 0
        ? undefined
        : { seconds: Math.floor(spec.timeoutMs / 1000), nanos: (spec.timeoutMs % 1000) * 1_000_000 },
    doNotCache: spec.doNotCache,
    salt: NO_SALT,
    platform: { properties: pairs(spec.platform) },
  }).finish();
  return {
    command: { digest: commandDigest, bytes: commandBytes },
    action: { digest: digestOf(actionBytes), bytes: actionBytes },
  };
}
