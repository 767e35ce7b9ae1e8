import { createReadStream } from "node:fs";
import type Docker from "dockerode";
import type { Sha256 } from "../../base/index.ts";
import { ExecutorError } from "../executor.ts";

/** An image as an engine can have it. */
export interface DockerImage {
  /** OCI config digest, which is how the engine names it, too. */
  readonly digest: Sha256;
  /** Makes a tar that `docker load` takes, at an absolute path; asked only when the engine does not have the image. */
  archive(): Promise<{ readonly path: string; dispose(): void }>;
}

const OWNER = "begat.process";

/** What is asked of an engine. dockerode is loaded only when one is used: it takes 100 ms. */
export class DockerClient {
  readonly docker: Docker;
  readonly #loaded = new Map<Sha256, Promise<readonly string[]>>();

  private constructor(docker: Docker) {
    this.docker = docker;
  }

  /** @param socket Absolute; else what DOCKER_HOST says, or the usual one. */
  static async connect(socket: string | undefined): Promise<DockerClient> {
    const { default: Engine } = await import("dockerode");
    return new DockerClient(socket === undefined ? new Engine() : new Engine({ socketPath: socket }));
  }

  /** Its version; throws when there is no engine. */
  async version(): Promise<string> {
    return (await this.docker.version()).Version;
  }

  labels(): Record<string, string> {
    return { [OWNER]: String(process.pid) };
  }

  /** Removes containers of begats that were killed. */
  async removeStale(isAlive: (pid: number) => boolean): Promise<void> {
    const all = await this.docker.listContainers({ all: true, filters: { label: [OWNER] } });
    const stale = all.filter(({ Labels }) => !isAlive(Number(Labels[OWNER])));
    await Promise.all(stale.map(({ Id }) => this.remove(this.docker.getContainer(Id))));
  }

  /** Loads the image where the engine does not have it; answers the names of the variables it sets. */
  load(image: DockerImage): Promise<readonly string[]> {
    let loading = this.#loaded.get(image.digest);
    if (loading === undefined) {
      loading = this.#load(image);
      this.#loaded.set(image.digest, loading);
      loading.catch(() => this.#loaded.delete(image.digest));
    }
    return loading;
  }

  async #load({ digest, archive }: DockerImage): Promise<readonly string[]> {
    const inspect = () => this.docker.getImage(`sha256:${digest}`).inspect();
    try {
      const found = await inspect().catch(async () => {
        const tar = await archive();
        try {
          await drain(await this.docker.loadImage(createReadStream(tar.path), { quiet: true }));
        } finally {
          tar.dispose();
        }
        return inspect();
      });
      return (found.Config.Env ?? []).map((variable) => variable.slice(0, variable.indexOf("=")));
    } catch (cause) {
      throw new ExecutorError("EXECUTOR_UNUSABLE", `docker does not take image ${digest}`, { cause });
    }
  }

  /** Gone afterwards, whatever it was doing; no error when it was gone before. */
  async remove(container: Docker.Container): Promise<void> {
    try {
      await container.remove({ force: true, v: true });
    } catch (error) {
      const status = (error as { statusCode?: number }).statusCode;
      // 409: somebody else is removing it.
      if (status !== 404 && status !== 409) throw error;
    }
  }
}

export function drain(stream: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.on("end", resolve);
    stream.on("close", () => resolve());
    stream.on("error", reject);
    stream.resume();
  });
}
