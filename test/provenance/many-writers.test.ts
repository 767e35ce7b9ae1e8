import { once } from "node:events";
import { rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { childScript, startChild } from "../support/child-script.ts";
import { newStateHome, open, verify } from "./state-home.ts";

let script: string;
beforeAll(async () => {
  script = await childScript("test/provenance/child-append.ts");
});
afterAll(() => rmSync(script, { force: true }));

interface Acknowledged {
  readonly seq: number;
  readonly leaf: string;
  readonly chore: string;
}

/** Starts a writer; `killAfter` acknowledgements it is killed, as soon as they are seen. */
async function write(home: string, name: string, count: number, killAfter = Number.POSITIVE_INFINITY) {
  const child = startChild(script, [home, name, String(count)]);
  const seen: Acknowledged[] = [];
  let rest = "";
  child.stdout?.on("data", (bytes: Buffer) => {
    const lines = (rest + bytes.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [seq = "", leaf = "", chore = ""] = line.split(" ");
      seen.push({ seq: Number(seq), leaf, chore });
    }
    if (seen.length >= killAfter) child.kill("SIGKILL");
  });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return { seen, code, signal };
}

test("several processes append to one ledger: every record is there once, and the chain holds", async () => {
  const home = newStateHome();
  const writers = await Promise.all(["p", "q", "r"].map((name) => write(home, name, 100)));
  for (const { code, seen } of writers) expect([code, seen.length]).toEqual([0, 100]);
  const all = writers.flatMap(({ seen }) => seen);
  expect(new Set(all.map(({ seq }) => seq)).size).toBe(300);
  // Nobody began a build around them, which is the one thing to complain about.
  const verdict = await verify(home, false);
  expect(verdict).toMatchObject({ exitCode: 1, size: 301, executions: 300 });
  const ledger = await open(home);
  for (const { seq, chore, leaf } of all) {
    expect(ledger.record(seq)).toMatchObject({ chore });
    expect([...ledger.read(seq, seq + 1)][0]?.leaf).toBe(leaf);
  }
}, 60_000);

test("killed at any moment, 30 times over: the chain holds and nothing acknowledged is lost", async () => {
  const home = newStateHome();
  const acknowledged: Acknowledged[] = [];
  for (let round = 0; round < 30; round++) {
    // The first rounds also fall into the making of the ledger, its keys and its first records.
    const { seen, signal } = await write(home, `k${round}`, 0, 1 + ((round * 7) % 40));
    expect(signal).toBe("SIGKILL");
    acknowledged.push(...seen);
  }
  const verdict = await verify(home, false);
  expect(verdict.findings.filter((finding) => finding.verdict !== "not proven")).toEqual([]);
  expect(verdict.size).toBeGreaterThan(acknowledged.length);
  const ledger = await open(home);
  for (const { seq, chore } of acknowledged) expect(ledger.record(seq)).toMatchObject({ chore });
}, 60_000);

test("killed while the ledger is being made: the next opening has a whole one", async () => {
  const homes = Array.from({ length: 12 }, newStateHome);
  for (const [i, home] of homes.entries()) {
    const child = startChild(script, [home, "early", "1"]);
    // Not a wait for a state: any moment will do, and each is another.
    setTimeout(() => child.kill("SIGKILL"), 60 + i * 12);
    await once(child, "close");
    const ledger = await open(home);
    expect(ledger.signer().key).toBe(ledger.signer("rnode").key);
    ledger.close();
    const verdict = await verify(home, false);
    expect(verdict.findings.filter((finding) => finding.verdict !== "not proven")).toEqual([]);
  }
}, 60_000);
