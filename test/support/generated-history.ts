import { digestOf, sha256, type WorkspacePath } from "../../src/base/index.ts";
import { encodeAction, encodeDirectories, TreeBuilder } from "../../src/protocol/index.ts";
import {
  type Entry,
  type ExecBody,
  type Ledger,
  planRoot,
  type Signer,
  signExecution,
} from "../../src/provenance/index.ts";

const HOST = `begat-host:sha256:${sha256("host")}`;
const NOTHING = sha256("");
const ARGV = ["sh", "-eu", ".begat/recipe"];
const ENV: [string, string][] = [["PATH", "/usr/bin"]];
const PLATFORM: [string, string][] = [["container-image", HOST]];
/** Executions of one round: 100 objects, 10 archives of 10 objects each, a program. */
export const ROUND = 111;
/** With the begin and the end of its build. */
export const RECORDS_OF_ROUND = ROUND + 2;

interface Step {
  readonly chore: string;
  readonly inputs: readonly (readonly [path: string, content: string])[];
  readonly output: readonly [path: string, content: string];
}

/** What round `round` makes: everything anew, each object from a source of its own and a header that all share. */
function steps(round: number): Step[] {
  const made: Step[] = [];
  const object = (i: number) => [`obj/${i}.o`, `object ${i} of ${round}`] as const;
  for (let i = 0; i < 100; i++) {
    const inputs = [[`src/${i}.c`, `source ${i} of ${round}`] as const, ["include/all.h", "header"] as const];
    made.push({ chore: `compile(src/${i}.c)`, inputs, output: object(i) });
  }
  const archive = (j: number) => [`lib/${j}.a`, `archive ${j} of ${round}`] as const;
  for (let j = 0; j < 10; j++) {
    const inputs = Array.from({ length: 10 }, (_, i) => object(j * 10 + i));
    made.push({ chore: `archive(lib/${j}.a)`, inputs, output: archive(j) });
  }
  const archives = Array.from({ length: 10 }, (_, j) => archive(j));
  made.push({ chore: "link(prog)", inputs: archives, output: ["prog", `program of ${round}`] });
  return made;
}

function entryOf(step: Step, build: string, origin: string, signer: Signer, like: ExecBody | undefined): Entry {
  const tree = new TreeBuilder();
  for (const [path, text] of step.inputs) tree.addFile(path as WorkspacePath, digestOf(text), false);
  const { root, blobs } = encodeDirectories(tree.build());
  const [path, content] = step.output;
  const { action, command } = encodeAction({
    argv: ARGV,
    env: ENV,
    directory: "" as WorkspacePath,
    outputs: [path as WorkspacePath],
    platform: PLATFORM,
    inputRoot: root,
    timeoutMs: 0,
    doNotCache: false,
  });
  const manifests = [action, command, ...blobs].map(({ digest, bytes }) => ({ hash: digest.hash, bytes }));
  const digest = digestOf(content);
  const facts: Omit<ExecBody, "stmt" | "key" | "sig"> = {
    kind: "exec",
    build,
    action: action.digest.hash,
    asize: action.digest.sizeBytes,
    dictum: step.chore.slice(0, step.chore.indexOf("(")),
    chore: step.chore,
    image: HOST,
    in: { n: step.inputs.length, root: root.hash },
    out: [{ p: path, d: digest.hash, n: digest.sizeBytes }],
    io: { out: NOTHING, err: NOTHING },
    exit: 0,
    t0: 1_767_225_600_000,
    t1: 1_767_225_601_000,
    ms: 1_000,
    rnode: signer.entry.rnode ?? "local",
    level: "contained",
    sandbox: { backend: "bubblewrap", version: "0.8.0", network: "none", leaks: ["clock", "host-tools"] },
    ver: "0.1.0",
    why: { r: "new" },
    attempt: 1,
    cacheable: true,
  };
  if (like !== undefined) return { body: { ...facts, stmt: like.stmt, key: like.key, sig: like.sig }, manifests };
  const inputs = step.inputs.map(([name, text]) => ({ path: name, digest: digestOf(text).hash }));
  const listing = { argv: ARGV, env: ENV, directory: "", platform: PLATFORM, inputs };
  return { body: signExecution(facts, listing, origin, signer), manifests };
}

/**
 * Entries of a project that is rebuilt from changed sources, build after build, each made when it is asked for: so many
 * executions, and the begin and end of each build.
 *
 * @param firstSeq Where the first of them will stand.
 * @param signed So many of the last executions are really signed; the others bear a signature of the same length, since an
 *   index does not look at it and a million take a minute.
 */
export function* historyEntries(
  { origin, firstSeq, signer }: { readonly origin: string; readonly firstSeq: number; readonly signer: Signer },
  executions: number,
  signed = executions,
): Generator<Entry> {
  let like: ExecBody | undefined;
  let seq = firstSeq;
  for (let round = 0, rest = executions; rest > 0; round++) {
    const build = `generated-${round}`;
    const all = steps(round);
    const done = all.slice(0, rest);
    const plan = { n: all.length, root: planRoot(all.map(({ chore }) => chore)) };
    yield { body: { kind: "build.begin", build, goal: ["prog"], plan, vars: {}, who: "nobody" }, manifests: [] };
    for (const step of done) {
      const entry = entryOf(step, build, origin, signer, rest-- > signed ? like : undefined);
      like ??= entry.body as ExecBody;
      yield entry;
    }
    const n = { exec: done.length, hit: 0, fail: 0, skip: all.length - done.length, settled: 0 };
    const outcome = n.skip === 0 ? "ok" : "cancelled";
    yield { body: { kind: "build.end", build, begin: seq, n, outcome, artifacts: [] }, manifests: [] };
    seq += done.length + 2;
  }
}

/** Appends them, some thousands at a time. */
export async function generateHistory(
  ledger: Ledger,
  signer: Signer,
  executions: number,
  signed = executions,
): Promise<void> {
  const place = { origin: ledger.origin, firstSeq: ledger.size(), signer };
  let batch: Entry[] = [];
  for (const entry of historyEntries(place, executions, signed)) {
    batch.push(entry);
    if (batch.length < 4_000) continue;
    await ledger.append(batch);
    batch = [];
  }
  await ledger.append(batch);
  await ledger.flush();
}
