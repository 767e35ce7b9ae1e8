import { beforeAll, describe, expect, test } from "vitest";
import { type Sha256, sha256 } from "../../src/base/index.ts";
import {
  affectedBy,
  closureOf,
  endorsedKeys,
  type History,
  type Hit,
  hitsManifest,
  type Ledger,
  leafHash,
  type ProvIndex,
  rekorDsse,
  type Signer,
  signExecution,
} from "../../src/provenance/index.ts";
import { listAction, sketchChore } from "../support/recorded-chore.ts";
import { SeededRandom } from "../support/seeded-random.ts";

/** An execution of the history, as whoever wrote it knows it. */
interface Made {
  readonly seq: number;
  readonly chore: string;
  readonly action: Sha256;
  readonly reads: readonly string[];
  readonly output: string;
}

const CHORES = 60;

/** Chores that each read some of what was there before; contents come again, so that paths and digests do not agree. */
async function writeHistory(ledger: Ledger, signer: Signer): Promise<readonly Made[]> {
  const random = new SeededRandom(7);
  const contents = Array.from({ length: 8 }, (_, i) => `source ${i}`);
  const made: Made[] = [];
  for (let i = 0; i < CHORES; i++) {
    const reads = [...new Set(Array.from({ length: 1 + random.below(3) }, () => random.pick(contents)))];
    const output = `product ${i}`;
    const inputs = Object.fromEntries(reads.map((content, at) => [`in/${"d/".repeat(at)}${at}`, content]));
    const chore = sketchChore({
      chore: `make(${i})`,
      level: "hermetic",
      inputs,
      outputs: { [`out/${i % 20}`]: output },
    });
    const facts = { ...chore.facts, sandbox: { ...chore.facts.sandbox, network: "none" } };
    const body = signExecution(facts, chore.listing, ledger.origin, signer);
    const [added] = await ledger.append([{ body, manifests: chore.manifests }]);
    made.push({ seq: added!.seq, chore: `make(${i})`, action: body.action, reads, output });
    contents.push(output);
  }
  return made;
}

/** Everything that came of `content`, found by going through the whole history again and again. */
function reachedBy(made: readonly Made[], content: string): Set<number> {
  const [seqs, tainted] = [new Set<number>(), new Set([content])];
  for (let before = -1; before !== seqs.size; ) {
    before = seqs.size;
    for (const { seq, reads, output } of made) {
      if (!reads.some((read) => tainted.has(read))) continue;
      seqs.add(seq);
      tainted.add(output);
    }
  }
  return seqs;
}

/** What every ProvIndex promises of the ledger it was made over. `indexed` makes one that is up to its end. */
export function provIndexContract(
  name: string,
  make: () => Promise<{ ledger: Ledger; signer: Signer; indexed: () => Promise<ProvIndex> }>,
): void {
  describe(`${name} is an index of provenance`, () => {
    let ledger: Ledger;
    let index: ProvIndex;
    let history: History;
    let made: readonly Made[];
    let attested: { readonly statement: Sha256; readonly seq: number };
    let kept: readonly number[];
    beforeAll(async () => {
      const places = await make();
      ledger = places.ledger;
      made = await writeHistory(ledger, places.signer);
      const { stmt, sig } = ledger.record(made[5]!.seq) as { stmt: Sha256; sig: string } & object;
      const [leaf] = await ledger.append([{ body: rekorDsse(stmt, sig, places.signer.entry.pub), manifests: [] }]);
      attested = { statement: stmt, seq: leaf!.seq };
      const hit = (at: number, asked?: string): Hit => ({
        action: made[at]!.action,
        seq: made[at]!.seq,
        ...(asked === undefined ? {} : { for: sha256(asked) }),
      });
      kept = [];
      for (const hits of [
        [hit(7, "changed"), hit(8)],
        [hit(7), hit(8)],
        [hit(7, "again"), hit(9, "too")],
      ]) {
        const { n, manifest } = hitsManifest(hits);
        const body = { kind: "hits", build: "b", n, root: manifest.hash } as const;
        const [added] = await ledger.append([{ body, manifests: [manifest] }]);
        kept = [added!.seq, ...kept];
      }
      index = await places.indexed();
      history = { ledger, index, keys: endorsedKeys(ledger), lister: listAction };
    });

    const contents = [...Array.from({ length: 8 }, (_, i) => `source ${i}`), "product 0", "product 30", "nothing"];
    test.each(contents)("closureOf %s is what going through all of it finds", (content) => {
      const nodes = closureOf(index, { digest: sha256(content) });
      expect([...nodes.keys()].sort((a, b) => a - b)).toEqual([...reachedBy(made, content)].sort((a, b) => a - b));
      // Each by a way that begins with it: who is before is in the closure too, and earlier.
      for (const { seq, from } of nodes.values()) {
        if (from !== undefined) expect(nodes.has(from) && from < seq).toBe(true);
      }
    });

    test.each(contents)("affectedBy %s says the same, each with its record, and that the rest is clear", (content) => {
      const answer = affectedBy(history, { by: "digest", digest: sha256(content) });
      const seqs = answer.affected.map(({ evidence }) => evidence.seq).sort((a, b) => a - b);
      expect(seqs).toEqual([...reachedBy(made, content)].sort((a, b) => a - b));
      const { unknown, clear, unproven, disagreements } = answer;
      const none = { unknown: 0, unproven: [], disagreements: 0 };
      expect({ unknown, clear, unproven, disagreements }).toEqual({ ...none, clear: CHORES - seqs.length });
    });

    test("knows makers by digest, path, chore and action, newest first, and none at or after a size", () => {
      const last = made[CHORES - 1]!;
      expect(index.producers(sha256(last.output))).toEqual([last.seq]);
      expect(index.producers(sha256(last.output), last.seq)).toEqual([]);
      expect(index.producersOfPath("out/3", 9)).toEqual([made[43]!.seq, made[23]!.seq, made[3]!.seq]);
      expect(index.producersOfPath("out/3", 9, made[43]!.seq)).toEqual([made[23]!.seq, made[3]!.seq]);
      expect(index.executionsOf(last.chore, 9)).toEqual([last.seq]);
      expect(index.executionsOfAction(last.action)).toEqual([last.seq]);
      expect(index.executionsOfAction(sha256("no action"))).toEqual([]);
    });

    test("knows where a statement is attested, and the leaf there is that attestation's", () => {
      expect(index.attestationsOf(attested.statement)).toEqual([attested.seq]);
      expect(index.attestationsOf(attested.statement, attested.seq)).toEqual([]);
      expect(index.attestationsOf(sha256("no statement"))).toEqual([]);
      const [row] = [...ledger.read(attested.seq, attested.seq + 1)];
      expect(row?.leaf).toBe(leafHash(row!.bytes));
    });

    test("knows which hits took a result for another action, newest first, and none at or after a size", () => {
      const [last, , first] = kept;
      expect(index.keptBy(made[7]!.seq)).toEqual([last, first]);
      expect(index.keptBy(made[7]!.seq, last)).toEqual([first]);
      expect(index.keptBy(made[8]!.seq)).toEqual([]);
      expect(index.keptBy(made[9]!.seq)).toEqual([last]);
    });

    test("covers the ledger to its end", () => {
      expect(index.size).toBe(ledger.size());
      expect(index.counts().executions).toBe(CHORES);
    });
  });
}
