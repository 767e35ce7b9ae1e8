import type { Sha256 } from "../../src/base/index.ts";
import {
  type ChallengeFacts,
  type ExecutionRecord,
  type ExportRequest,
  endorsedKeys,
  exportProof,
  type ProofExport,
  regenerateStatement,
  signChallenge,
  signExecution,
  signerFromSeed,
} from "../../src/provenance/index.ts";
import { MemoryLedger } from "./memory-ledger.ts";
import { type ChoreSketch, listAction, sketchChore } from "./recorded-chore.ts";

export const log = signerFromSeed(Buffer.alloc(32, 1), "log");
export const rnode = signerFromSeed(Buffer.alloc(32, 2), "rnode", "frodo");
export const artifactBytes = Buffer.from("object a\n");

export interface ProvenSketch extends ChoreSketch {
  /** Records before and after the execution. */
  readonly around?: number;
  /** Of them, those after it; as many as before where it is not said. */
  readonly after?: number;
  readonly challenges?: readonly ("differ" | "match")[];
  /** Of the outputs, the one to prove. */
  readonly artifact?: string;
}

/** A ledger in which one chore was executed, and what an export of its artifact asks. */
export async function provenChore(
  sketch: ProvenSketch = {},
): Promise<{ ledger: MemoryLedger; request: ExportRequest; seq: number }> {
  const ledger = new MemoryLedger();
  const others = (text: string, length = sketch.around ?? 3) =>
    Array.from({ length }, (_, i) => {
      const other = sketchChore({ chore: `${text}(${i})`, outputs: { [`${text}${i}`]: text } });
      return { body: signExecution(other.facts, other.listing, ledger.origin, rnode), manifests: other.manifests };
    });
  await ledger.append(others("before"));
  const chore = sketchChore(sketch);
  const body = signExecution(chore.facts, chore.listing, ledger.origin, rnode);
  const [made] = await ledger.append([{ body, manifests: chore.manifests }]);
  const { seq } = made!;
  await ledger.append(others("after", sketch.after));
  const record = ledger.record(seq) as ExecutionRecord;
  const agreeing: number[] = [];
  for (const [i, verdict] of (sketch.challenges ?? []).entries()) {
    const facts = { build: "c", of: seq, action: record.action, chore: record.chore, verdict, seed: i, out: [] };
    const rest = { rnode: "frodo", level: record.level, t0: 1, t1: 2, ms: 1, ver: "0.1.0" };
    const challenge = signChallenge({ ...facts, ...rest } as ChallengeFacts, ledger.origin, rnode);
    const [added] = await ledger.append([{ body: challenge, manifests: [] }]);
    agreeing.push(added!.seq);
  }
  const output = record.out.find(({ p }) => p === sketch.artifact) ?? record.out[0]!;
  const request: ExportRequest = {
    ledger,
    record,
    statement: regenerateStatement(record, ledger, listAction),
    listing: listAction(record.action, (hash) => ledger.manifest(hash)),
    artifact: { path: output.p, sha256: output.d },
    rnodeKey: endorsedKeys(ledger).get(record.key as Sha256)!.entry,
    log,
    rnode,
    control: [],
    agreeing,
    attested: [],
  };
  return { ledger, request, seq };
}

export const exported = async (sketch: ProvenSketch = {}): Promise<ProofExport> =>
  exportProof((await provenChore(sketch)).request);
