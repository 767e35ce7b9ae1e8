import type { Digest } from "../../base/index.ts";
import type { LeaderConnection } from "../../fulcrum/index.ts";
import {
  type Channel,
  type Moved,
  RemoteBlobs,
  type RemoteBlobsOptions,
  RpcError,
} from "../../fulcrum-client/index.ts";
import { farm } from "../../protocol/index.ts";

/** How an rnode reaches its leader: a new channel for each connection, and the leader's blobs over the newest one. */
export class LeaderLink {
  readonly #open: () => Promise<Channel>;
  readonly #blobs: Omit<RemoteBlobsOptions, "channel">;
  #remote: RemoteBlobs | undefined;

  constructor(open: () => Promise<Channel>, blobs: Omit<RemoteBlobsOptions, "channel">) {
    this.#open = open;
    this.#blobs = blobs;
  }

  async connect(): Promise<LeaderConnection> {
    const channel = await this.#open();
    const remote = new RemoteBlobs({ ...this.#blobs, channel });
    this.#remote = remote;
    return {
      work: (messages, signal) => channel.client(farm.LeaseDefinition).work(messages, { signal }),
      close: () => {
        if (this.#remote === remote) this.#remote = undefined;
        channel.close();
      },
    };
  }

  fetch(digests: Iterable<Digest>, signal?: AbortSignal): Promise<Moved> {
    return this.#current().then((remote) => remote.fetch(digests, signal));
  }

  upload(digests: Iterable<Digest>, signal?: AbortSignal): Promise<Moved> {
    return this.#current().then((remote) => remote.upload(digests, signal));
  }

  /** Whoever asks goes on asking while its lease lives. */
  async #current(): Promise<RemoteBlobs> {
    if (this.#remote === undefined) throw new RpcError("UNAVAILABLE", "there is no connection to the leader");
    return this.#remote;
  }
}
