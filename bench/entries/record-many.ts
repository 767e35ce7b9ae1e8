// Signs and appends N executions through the provenance door, as a build does, and says what CPU that took.
//
//   record-many <state home> <N>    prints {"cpuMsEach":...,"records":...}
//
// Describing the action is not counted: the key of the cache is its digest, so a build without records needs it too.

import { argv, stdout } from "node:process";
import { type Digest, digestOf, sha256, type WorkspacePath } from "../../src/base/index.ts";
import { describeAction } from "../../src/executor/index.ts";
import { KernelRandom, NodeClock, NodeFileTree } from "../../src/platform/index.ts";
import { type Entry, openLedger, signExecution } from "../../src/provenance/index.ts";

const count = Number(argv[3]);
const ledger = await openLedger({
  stateHome: argv[2] ?? "",
  files: new NodeFileTree(),
  clock: new NodeClock(),
  random: new KernelRandom(),
  window: { ms: 200, records: 2_000 },
});
const signer = ledger.signer();
const NOTHING = sha256("");

function described(i: number): { readonly action: ReturnType<typeof describeAction>; readonly output: Digest } {
  const digest = digestOf(`input ${i}`);
  const path = `src/${i}` as WorkspacePath;
  const out = `out/${i}` as WorkspacePath;
  const action = describeAction({
    label: `copy(${i})`,
    interpreter: ["sh", "-eu"],
    recipe: '\n        cp "$in" "$out"\n    ',
    env: [
      ["in", path],
      ["name", `${i}`],
      ["out", out],
    ],
    directory: "" as WorkspacePath,
    inputNames: [path],
    inputs: [{ path, digest, executable: false, from: { file: `/${path}` } }],
    links: [],
    emptyDirectories: [],
    outputs: [{ path: out, kind: "file" }],
    up: false,
    image: `begat-host:sha256:${sha256("host")}`,
    imageRoot: undefined,
    network: "none",
    timeoutMs: 0,
    doNotCache: false,
    resources: {},
    interactive: false,
  });
  return { action, output: digest };
}

function entryOf({ action, output }: ReturnType<typeof described>, i: number): Entry {
  const { request, inputRoot, inputCount, listing, manifests } = action;
  const body = signExecution(
    {
      kind: "exec",
      build: "0123456789abcdef",
      action: request.actionDigest.hash,
      asize: request.actionDigest.sizeBytes,
      dictum: "copy",
      chore: `copy(${i})`,
      image: `begat-host:sha256:${sha256("host")}`,
      in: { n: inputCount, root: inputRoot.hash },
      out: [{ p: `out/${i}`, d: output.hash, n: output.sizeBytes }],
      io: { out: NOTHING, err: NOTHING },
      exit: 0,
      t0: 1_767_225_600_000,
      t1: 1_767_225_600_003,
      ms: 3,
      rnode: "bench",
      level: "none",
      sandbox: { backend: "process", version: "1", network: "host", uidDropped: false, namespaces: [], leaks: ["all"] },
      ver: "0.0.0",
      why: { r: "new" },
      attempt: 1,
      cacheable: true,
    },
    listing,
    ledger.origin,
    signer,
  );
  return { body, manifests };
}

const actions = Array.from({ length: count }, (_, i) => described(i));
const before = process.cpuUsage();
let waiting: Promise<unknown>[] = [];
for (const [i, action] of actions.entries()) {
  waiting.push(ledger.append([entryOf(action, i)]));
  // So many a build of small chores, 3 ms each, gathers in the 200 ms that it lets records wait.
  if (waiting.length < 64) continue;
  await ledger.flush();
  await Promise.all(waiting);
  waiting = [];
}
await Promise.all(waiting);
await ledger.flush();
const { user, system } = process.cpuUsage(before);
const records = ledger.size();
ledger.close();
stdout.write(`${JSON.stringify({ cpuMsEach: (user + system) / 1000 / count, records })}\n`);
