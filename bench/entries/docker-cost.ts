// What Docker costs a recipe that does nothing, in an image of this machine's own programs, with an engine of its own.
//
//   docker-cost <scratch> <create|exec> <rounds>     prints {"wallMs":[...]} or {"problem":"..."}

import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { argv, stdout } from "node:process";
import { sha256, type WorkspacePath } from "../../src/base/index.ts";
import { FileBlobStore } from "../../src/cache/index.ts";
import { createDockerExecutor, describeAction } from "../../src/executor/index.ts";
import { KernelRandom, NodeBulkFiles, NodeClock, NodeFileTree, NodeProcessTable } from "../../src/platform/index.ts";
import { dockerArchive, dockerdProblem, startDockerd } from "../../test/support/dockerd.ts";
import { makeHostImage } from "../../test/support/host-image.ts";

const [, , scratch = "", lane = "create", rounds = "1"] = argv;

async function measure(): Promise<number[]> {
  chmodSync(scratch, 0o755);
  const imageRoot = join(scratch, "root");
  mkdirSync(imageRoot);
  makeHostImage(imageRoot);
  const image = dockerArchive(imageRoot, scratch);
  const engine = await startDockerd(scratch);
  const blobs = new FileBlobStore({
    fs: new NodeFileTree(),
    processes: new NodeProcessTable(),
    random: new KernelRandom(),
    cacheHome: join(scratch, "cache"),
    bulk: new NodeBulkFiles(),
  });
  const executor = createDockerExecutor({
    blobs,
    clock: new NodeClock(),
    slots: 1,
    inputRoots: [scratch],
    diskStaging: join(scratch, "disk"),
    socket: engine.socket,
    imageOf: async () => image,
    lane: lane === "exec" ? "exec" : "create",
  });
  const { request } = describeAction({
    label: "nothing",
    interpreter: ["sh", "-eu"],
    recipe: ":\n",
    env: [],
    directory: "" as WorkspacePath,
    inputNames: [],
    inputs: [],
    links: [],
    emptyDirectories: [],
    outputs: [],
    up: false,
    image: `sha256:${sha256("image")}`,
    imageRoot,
    network: "none",
    timeoutMs: 0,
    doNotCache: false,
    resources: {},
    interactive: false,
  });
  const wallMs: number[] = [];
  try {
    await executor.probe({ images: true });
    // The first loads the image and tries its canaries.
    for (let i = -2; i < Number(rounds); i++) {
      const begin = performance.now();
      const { verdict, detail } = await executor.execute(request, { signal: new AbortController().signal });
      if (verdict !== "ok") throw new Error(`${verdict}: ${detail}`);
      if (i >= 0) wallMs.push(performance.now() - begin);
    }
  } finally {
    await executor.close();
    await engine.stop();
  }
  return wallMs;
}

const problem = dockerdProblem();
stdout.write(JSON.stringify(problem === undefined ? { wallMs: await measure() } : { problem }));
process.exit(0);
