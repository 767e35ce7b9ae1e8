// What an executor costs a recipe that does nothing, through the executor's own door.
//
//   sandbox-cost <scratch> <process|bubblewrap|server> <inputs> <input bytes> <rounds> [spawn server]
//
// Prints {"wallMs":[...],"cpuMsEach":...}: wall of each execute(), and CPU of this process and all its children, divided.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv, stdout } from "node:process";
import { digestOf, sha256, type WorkspacePath } from "../../src/base/index.ts";
import { FileBlobStore } from "../../src/cache/index.ts";
import {
  createBubblewrapExecutor,
  createProcessExecutor,
  createServerExecutor,
  describeAction,
  type InputFile,
} from "../../src/executor/index.ts";
import { KernelRandom, NodeBulkFiles, NodeClock, NodeFileTree, NodeProcessTable } from "../../src/platform/index.ts";

const [, , scratch = "", backEnd = "process", inputCount = "0", inputBytes = "0", rounds = "1", server = ""] = argv;
mkdirSync(join(scratch, "in"), { recursive: true });
const inputs: InputFile[] = [];
for (let i = 0; i < Number(inputCount); i++) {
  const bytes = Buffer.alloc(Number(inputBytes), `${i} `);
  const file = join(scratch, "in", `${i}`);
  writeFileSync(file, bytes);
  inputs.push({ path: `in/${i}` as WorkspacePath, digest: digestOf(bytes), executable: false, from: { file } });
}
const blobs = new FileBlobStore({
  fs: new NodeFileTree(),
  processes: new NodeProcessTable(),
  random: new KernelRandom(),
  cacheHome: join(scratch, "cache"),
  bulk: new NodeBulkFiles(),
});
const options = {
  blobs,
  clock: new NodeClock(),
  slots: 1,
  inputRoots: [scratch],
  diskStaging: join(scratch, "disk"),
};
const makers = new Map([
  ["process", () => createProcessExecutor(options)],
  ["bubblewrap", () => createBubblewrapExecutor(options)],
  ["server", () => createServerExecutor({ ...options, server })],
]);
const make = makers.get(backEnd);
if (make === undefined) throw new Error(`no executor ${backEnd}`);
const executor = make();
const { request } = describeAction({
  label: "nothing",
  interpreter: ["sh", "-eu"],
  recipe: ":\n",
  env: [],
  directory: "" as WorkspacePath,
  inputNames: [],
  inputs,
  links: [],
  emptyDirectories: [],
  outputs: [],
  up: false,
  image: `begat-host:sha256:${sha256("host")}`,
  imageRoot: undefined,
  network: "none",
  timeoutMs: 0,
  doNotCache: false,
  resources: {},
  interactive: false,
});

async function once(): Promise<number> {
  const begin = performance.now();
  const { verdict, detail } = await executor.execute(request, { signal: new AbortController().signal });
  if (verdict !== "ok") throw new Error(`${verdict}: ${detail}`);
  return performance.now() - begin;
}

/** User and system time of this process and of the children it has waited for, milliseconds; ticks are 10 ms. */
function cpuMs(): number {
  const fields = readFileSync("/proc/self/stat", "latin1").split(") ")[1]?.split(" ") ?? [];
  return [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]) * 10, 0);
}

await executor.probe();
for (let i = 0; i < 5; i++) await once();
const wallMs: number[] = [];
for (let i = 0; i < Number(rounds); i++) wallMs.push(await once());
// Children count once they are waited for, and launchers live until the executor is closed.
await executor.close();
stdout.write(JSON.stringify({ wallMs, cpuMsEach: cpuMs() / (Number(rounds) + 5) }));
process.exit(0);
