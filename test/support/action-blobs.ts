import type { Digest, WorkspacePath } from "../../src/base/index.ts";
import type { BlobStore } from "../../src/cache/index.ts";
import { encodeDirectories, reapi, TreeBuilder } from "../../src/protocol/index.ts";

export interface ActionParts {
  readonly inputs?: Readonly<Record<string, string>>;
  readonly platform?: Readonly<Record<string, string>>;
  readonly command?: Partial<reapi.Command>;
  readonly action?: Partial<reapi.Action>;
}

/** An action, whose blobs `blobs` has from now on. */
export function actionIn(
  blobs: Pick<BlobStore, "write">,
  { inputs = { "src/a.c": "int a;" }, platform = {}, command, action: parts }: ActionParts = {},
): Digest {
  const tree = new TreeBuilder();
  for (const [path, text] of Object.entries(inputs)) {
    tree.addFile(path as WorkspacePath, blobs.write(Buffer.from(text)), false);
  }
  const { root, blobs: directories } = encodeDirectories(tree.build());
  for (const { bytes } of directories) blobs.write(bytes);
  const commandDigest = blobs.write(
    reapi.Command.encode(
      reapi.Command.fromPartial({ arguments: ["make"], outputPaths: ["out/a.o"], ...command } as reapi.Command),
    ).finish(),
  );
  const properties = Object.entries(platform).map(([name, value]) => ({ name, value }));
  const message = reapi.Action.fromPartial({
    commandDigest,
    inputRootDigest: root,
    platform: { properties },
    ...parts,
  } as reapi.Action);
  return blobs.write(reapi.Action.encode(message).finish());
}
