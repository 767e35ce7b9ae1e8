// What provenance costs: recording, verifying, asking and proving, the last three over a history of a million executions.

import { createHash } from "node:crypto";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundleEntry } from "./bundles.mjs";
import { takeTurns } from "./samples.mjs";

const PATH = "/usr/local/bin:/usr/bin:/bin";
const env = { PATH };

/** One JSON document from an entry of `bench/entries`. */
const asks = (arena, folder, command, ...words) =>
  JSON.parse(arena.processes.run([...command, ...words.map(String)], { directory: folder, env }).output);

/** A row without a peer. */
const row = (name, measure, unit, begat, goal) => ({ name, measure, unit, begat, peerName: "", goal });

/** Where a generated history lives, and how begat is told. */
class Histories {
  constructor(arena) {
    this.arena = arena;
    this.folder = arena.folder();
    this.stateHome = join(this.folder, "state");
    this.cacheHome = join(this.folder, "cache");
  }

  async make(executions) {
    const command = await bundleEntry("make-history");
    return asks(this.arena, this.folder, command, this.stateHome, this.cacheHome, executions);
  }

  begat(...words) {
    const homes = {
      HOME: this.folder,
      BEGAT_STATE_HOME: this.stateHome,
      BEGAT_CACHE_HOME: this.cacheHome,
      BEGAT_DAEMON: "0",
    };
    const where = { directory: this.folder, env: { PATH, ...homes } };
    return this.arena.processes.run([...this.arena.begatCommand, ...words], where);
  }

  /** Some gigabytes. */
  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** A million executions: shown, followed, indexed, proven. */
async function askMillion(arena) {
  const executions = arena.size(1_000_000, 400);
  const history = new Histories(arena);
  try {
    const made = await history.make(executions);
    const builds = Math.floor(executions / 111);
    const of = `of ${made.records} records`;
    let turn = 0;
    const [cold] = takeTurns(arena.rounds(11), [
      () => {
        const { wallMs, output } = history.begat("prov", "show", sha256(`archive 3 of ${(turn++ * 613) % builds}`));
        if (!output.includes("signature  holds")) throw new Error(output);
        return wallMs;
      },
    ]);
    const asked = asks(
      arena,
      history.folder,
      await bundleEntry("ask-history"),
      history.stateHome,
      history.cacheHome,
      arena.size(330, 12),
    );
    // The newest program: what a proof of an old one has to look for in the ledger is not its size.
    const program = `program of ${builds - 1}`;
    const artifact = join(history.folder, "prog");
    const proof = join(history.folder, "proof");
    writeFileSync(artifact, program);
    history.begat("prov", "prove", sha256(program), "-o", proof);
    const file = join(proof, "prog.proof");
    const policy = join(proof, "begat.policy");
    const verifier = await bundleEntry("verify-proof");
    const again = [];
    const [verified, first] = takeTurns(arena.rounds(11), [
      () => history.begat("verify", file, artifact, "--policy", policy).wallMs,
      () => {
        const { firstMs, againMs } = asks(arena, history.folder, verifier, file, artifact, policy, 20);
        again.push(...againMs);
        return firstMs;
      },
    ]);
    return [
      row("show-cold", `prov show, new process, ${of}`, "ms", cold, { most: 150 }),
      row("show-warm", `prov show, warm, ${of}`, "ms", asked.showMs, { most: 5 }),
      row("closure", "reverse closure of a source, an execution, CPU", "ms", [asked.closureMsPerNode], { most: 0.1 }),
      row(
        "closure-all",
        `reverse closure of what all ${asked.sharedNodes} used, an execution, CPU`,
        "ms",
        [asked.sharedMsPerNode],
        { most: 0.1 },
      ),
      row("reindex", `reindex ${of}, records a second of CPU`, "rate", [(made.records / made.reindexCpuMs) * 1000], {
        least: 80_000,
      }),
      row("proof-size", `proof of an artifact, ${of}`, "KiB", [statSync(file).size / 1024], { most: 8 }),
      row("proof-verify", "verify a proof", "ms", again, { most: 50 }),
      row("proof-verify-first", "the same, as the first thing a process does", "ms", first, { most: 50 }),
      row("proof-verify-cold", "the same, `begat verify` in a new process", "ms", verified, { most: 50 }),
    ];
  } finally {
    history.remove();
  }
}

/** Every record of a ledger, with and without signatures. */
async function verifyAll(arena) {
  const history = new Histories(arena);
  const { records } = await history.make(arena.size(60_000, 200));
  const command = await bundleEntry("verify-history");
  const verify = (what) => () =>
    asks(arena, history.folder, command, history.stateHome, history.cacheHome, what).perCpuSecond;
  const [all, chain] = takeTurns(arena.rounds(3), [verify("all"), verify("chain")]);
  return [
    row("verify-all", `ledger verify, ${records} records a second of CPU`, "rate", all, { least: 4_000 }),
    row("verify-chain", `ledger verify --no-signatures, ${records} records a second of CPU`, "rate", chain, {
      least: 40_000,
    }),
  ];
}

export const provenanceMeasures = [
  {
    name: "record",
    rows: ["record"],
    async run(arena) {
      const count = arena.size(2000, 20);
      const folder = arena.folder();
      const command = await bundleEntry("record-many");
      let turn = 0;
      const once = () => asks(arena, folder, command, join(folder, `state${turn++}`), count).cpuMsEach;
      const [mine] = takeTurns(arena.rounds(5), [once]);
      return [row("record", "sign and record one execution, CPU", "ms", mine, { most: 0.35 })];
    },
  },
  {
    name: "durable",
    rows: ["durable", "durable-cpu"],
    async run(arena) {
      const count = arena.size(20_000, 100);
      const folder = arena.folder();
      const command = await bundleEntry("durable-records");
      const [rate, cpu] = [[], []];
      for (let round = 0; round < arena.rounds(3); round++) {
        const home = join(folder, `state${round}`);
        mkdirSync(home, { mode: 0o700 });
        const { perSecond, cpuMsEach } = asks(arena, folder, command, home, count);
        rate.push(perSecond);
        cpu.push(cpuMsEach);
      }
      return [
        row("durable", "verified and durable, records a second", "rate", rate, { least: 3_000 }),
        row("durable-cpu", "verified and durable, a record, CPU", "ms", cpu),
      ];
    },
  },
  { name: "verify", rows: ["verify-all", "verify-chain"], run: verifyAll },
  {
    name: "million",
    rows: [
      "show-cold",
      "show-warm",
      "closure",
      "closure-all",
      "reindex",
      "proof-size",
      "proof-verify",
      "proof-verify-first",
      "proof-verify-cold",
    ],
    run: askMillion,
  },
];
