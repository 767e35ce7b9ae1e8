import { type Sha256, sha256 } from "../../src/base/index.ts";
import { FileBlobStore, FileBlobStreams } from "../../src/cache/index.ts";
import type { ExecutionOptions, ExecutionRequest, Executor } from "../../src/executor/index.ts";
import {
  type Channel,
  InputUploads,
  LazyBlobs,
  openChannel,
  RemoteBlobs,
  RemoteExecutor,
  type RemoteExecutorOptions,
} from "../../src/fulcrum-client/index.ts";
import {
  KernelRandom,
  NodeBulkFiles,
  NodeClock,
  NodeFileStreams,
  NodeFileTree,
  NodeProcessTable,
} from "../../src/platform/index.ts";
import { encodeAction, encodeDirectories, TreeBuilder } from "../../src/protocol/index.ts";
import { fastPlace, scratchDirectory } from "./scratch-directory.ts";

/** A machine that has things executed elsewhere: a store of its own on the disk, and a channel. */
export interface RemoteClient {
  readonly store: FileBlobStore;
  readonly lazy: LazyBlobs;
  readonly channel: Channel;
  readonly remote: RemoteBlobs;
  readonly uploads: InputUploads;
  executor(options: Partial<RemoteExecutorOptions> & { readonly lazily?: boolean }): RemoteExecutor;
  close(): void;
}

/** Two tries and no waiting worth the name. */
export const IMPATIENT = { attempts: 3, firstDelayMs: 1, maxDelayMs: 2 } as const;

export async function remoteClient(address: string, instance = ""): Promise<RemoteClient> {
  const scratch = scratchDirectory(fastPlace());
  const bulk = new NodeBulkFiles();
  const [clock, random] = [new NodeClock(), new KernelRandom()];
  const store = new FileBlobStore({
    fs: new NodeFileTree(),
    bulk,
    processes: new NodeProcessTable(),
    random,
    cacheHome: `${scratch.path}/cache`,
  });
  const channel = await openChannel({ address });
  const streams = new FileBlobStreams(store, new NodeFileStreams());
  const remote = new RemoteBlobs({ channel, instance, blobs: store, streams, clock, random, retry: IMPATIENT });
  const uploads = new InputUploads(remote, store, new NodeFileTree());
  const lazy = new LazyBlobs(store, () => remote);
  return {
    store,
    lazy,
    channel,
    remote,
    uploads,
    executor: ({ lazily = false, ...options }) =>
      new RemoteExecutor({
        endpoint: { channel, instance, name: "grpc://worker" },
        blobs: store,
        remote,
        uploads,
        clock,
        random,
        slots: 2,
        check: undefined,
        retry: IMPATIENT,
        ...(lazily ? { offered: lazy } : {}),
        ...options,
      }),
    close() {
      channel.close();
      bulk.close();
      scratch.dispose();
    },
  };
}

/** The request with the messages that it would have if it came from a dictum, and their digest. */
export function encoded(request: ExecutionRequest): ExecutionRequest {
  const tree = new TreeBuilder();
  for (const { path, digest, executable } of request.inputs) tree.addFile(path, digest, executable);
  for (const { path, target } of request.links) tree.addSymlink(path, target);
  for (const path of request.emptyDirectories) tree.addDirectory(path);
  if (request.directory !== "") tree.addDirectory(request.directory);
  const { root, blobs } = encodeDirectories(tree.build());
  const platform = [["container-image", `begat-host:sha256:${sha256("host")}`]] as const;
  const { action, command } = encodeAction({
    argv: request.argv,
    env: request.env,
    directory: request.directory,
    outputs: request.outputs.map(({ path }) => path),
    platform,
    inputRoot: root,
    timeoutMs: request.timeoutMs,
    doNotCache: false,
  });
  const messages = [action, command, ...blobs].map(({ digest, bytes }) => ({ hash: digest.hash as Sha256, bytes }));
  return { ...request, actionDigest: action.digest, encoded: { inputRoot: root, platform, blobs: messages } };
}

export const purpose = (log: string, parts: Partial<NonNullable<ExecutionOptions["purpose"]>> = {}) => ({
  log,
  build: "b1",
  chore: "copy(a)",
  dictum: "copy",
  attempt: 1,
  version: "test",
  who: "tester",
  tools: [],
  mayBeCached: false,
  expectedMs: undefined,
  rankMs: undefined,
  ...parts,
});

/** Takes requests as any executor does, and gives them to one that executes elsewhere. */
export function encoding(executor: Executor, log: string): Executor {
  return {
    name: executor.name,
    slots: executor.slots,
    probe: (options) => executor.probe(options),
    execute: (request, options) => executor.execute(encoded(request), { purpose: purpose(log), ...options }),
    close: () => executor.close(),
  };
}
