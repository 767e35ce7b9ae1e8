import type { Digest, WorkspacePath } from "../../src/base/index.ts";
import { encodeDirectories, reapi, TreeBuilder } from "../../src/protocol/index.ts";
import { type Asked, ExecutionClient } from "./execution-client.ts";

export interface CommandParts {
  readonly outputs?: readonly string[];
  readonly inputs?: Readonly<Record<string, string>>;
  readonly platform?: Readonly<Record<string, string>>;
  readonly doNotCache?: boolean;
}

/** A client of the Remote Execution API without a certificate, as Bazel is one. */
export class FarmClient {
  readonly raw: ExecutionClient;

  private constructor(raw: ExecutionClient) {
    this.raw = raw;
  }

  /** @param address Of the listener in plain text. */
  static async open(address: string): Promise<FarmClient> {
    return new FarmClient(await ExecutionClient.open(address));
  }

  /** Has `sh -c script` executed. */
  async sh(script: string, parts: CommandParts = {}): Promise<Asked> {
    return this.raw.execute(await this.action(script, parts));
  }

  async action(script: string, { outputs = [], inputs = {}, platform = {}, doNotCache = false }: CommandParts = {}) {
    const { reapi: calls } = this.raw;
    const tree = new TreeBuilder();
    for (const [path, text] of Object.entries(inputs)) {
      tree.addFile(path as WorkspacePath, await calls.upload(text), false);
    }
    const { root, blobs } = encodeDirectories(tree.build());
    for (const { bytes } of blobs) await calls.upload(bytes);
    const command = reapi.Command.fromPartial({
      arguments: ["/bin/sh", "-c", script],
      environmentVariables: [{ name: "PATH", value: "/usr/bin:/bin" }],
      outputPaths: [...outputs],
    });
    const commandDigest = await calls.upload(reapi.Command.encode(command).finish());
    const properties = Object.entries(platform).map(([name, value]) => ({ name, value }));
    const action = { commandDigest, inputRootDigest: root, doNotCache, platform: { properties } };
    return calls.upload(reapi.Action.encode(reapi.Action.fromPartial(action)).finish());
  }

  /** What it printed. */
  async stdout(response: reapi.ExecuteResponse): Promise<string> {
    const digest = response.result?.stdoutDigest as Digest;
    return digest.sizeBytes === 0 ? "" : (await this.raw.reapi.download(this.raw.reapi.readName(digest))).toString();
  }

  close(): void {
    this.raw.close();
  }
}
