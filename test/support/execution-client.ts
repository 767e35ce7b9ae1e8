import { randomUUID } from "node:crypto";
import type { Digest } from "../../src/base/index.ts";
import type { CallOptions } from "../../src/fulcrum-client/index.ts";
import { farm, type longrunning, reapi, unpackAny } from "../../src/protocol/index.ts";
import { type ReapiClient, reapiClient } from "./reapi-client.ts";

/** One execution as its client hears of it. */
export interface Asked {
  /** Resolves with the first word. */
  readonly name: Promise<string>;
  readonly stages: reapi.ExecutionStage_Value[];
  /** Resolves when it is done. */
  readonly response: Promise<reapi.ExecuteResponse>;
  /** Drops the stream. */
  drop(): void;
}

/** A client that asks for executions and listens in the background. */
export class ExecutionClient {
  readonly reapi: ReapiClient;
  readonly status: ReturnType<typeof statusOf>;
  readonly control: ReturnType<typeof controlOf>;

  private constructor(client: ReapiClient) {
    this.reapi = client;
    this.status = statusOf(client);
    this.control = controlOf(client);
  }

  static async open(address: string): Promise<ExecutionClient> {
    return new ExecutionClient(await reapiClient(address, ""));
  }

  close(): void {
    this.reapi.channel.close();
  }

  /** An action that nobody has seen, unless `word` is given. */
  async action(
    parts: Partial<reapi.Action> & { readonly word?: string; readonly outputs?: readonly string[] } = {},
  ): Promise<Digest> {
    const { word = randomUUID(), outputs = [], ...given } = parts;
    const command = reapi.Command.fromPartial({ arguments: ["make", word], outputPaths: [...outputs] });
    const commandDigest = await this.reapi.upload(reapi.Command.encode(command).finish());
    const inputRootDigest = await this.reapi.upload("");
    const action = reapi.Action.fromPartial({ commandDigest, inputRootDigest, ...given } as reapi.Action);
    return this.reapi.upload(reapi.Action.encode(action).finish());
  }

  execute(actionDigest: Digest, parts: Partial<reapi.ExecuteRequest> = {}, options: CallOptions = {}): Asked {
    const stream = new AbortController();
    const request = reapi.ExecuteRequest.fromPartial({ actionDigest, ...parts });
    return this.#listen(this.reapi.execution.execute(request, { ...options, signal: stream.signal }), stream);
  }

  /** As begat asks its own farms. */
  chore({ execute, blobs }: { readonly execute: Partial<reapi.ExecuteRequest>; readonly blobs: Uint8Array[] }): Asked {
    const stream = new AbortController();
    const request = farm.ChoreRequest.fromPartial({ execute: reapi.ExecuteRequest.fromPartial(execute), blobs });
    const chores = this.reapi.channel.client(farm.ChoresDefinition);
    return this.#listen(chores.execute(request, { signal: stream.signal }), stream);
  }

  wait(name: string): Asked {
    const stream = new AbortController();
    return this.#listen(this.reapi.execution.waitExecution({ name }, { signal: stream.signal }), stream);
  }

  #listen(operations: AsyncIterable<longrunning.Operation>, stream: AbortController): Asked {
    let named = (_name: string) => {};
    let failed = (_cause: unknown) => {};
    const name = new Promise<string>((resolve, reject) => {
      named = resolve;
      failed = reject;
    });
    name.catch(() => {});
    const stages: reapi.ExecutionStage_Value[] = [];
    const response = (async () => {
      for await (const operation of operations) {
        const metadata = operation.metadata === undefined ? [] : [operation.metadata];
        const told = unpackAny(metadata, `${PACKAGE}.ExecuteOperationMetadata`, reapi.ExecuteOperationMetadata);
        if (told !== undefined && told.stage !== stages.at(-1)) stages.push(told.stage);
        named(operation.name);
        if (operation.result?.$case !== "response") continue;
        const found = unpackAny([operation.result.value], `${PACKAGE}.ExecuteResponse`, reapi.ExecuteResponse);
        if (found !== undefined) return found;
      }
      throw new Error("the stream ended without a response");
    })();
    response.catch(failed);
    return { name, stages, response, drop: () => stream.abort(new Error("dropped by the test")) };
  }
}

const PACKAGE = "build.bazel.remote.execution.v2";
const statusOf = ({ channel }: ReapiClient) => channel.client(farm.StatusDefinition);
const controlOf = ({ channel }: ReapiClient) => channel.client(farm.ControlDefinition);
