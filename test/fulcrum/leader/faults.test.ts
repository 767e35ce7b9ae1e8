import { expect, test } from "vitest";
import { PRIORITY_CLASSES, type Submission } from "../../../src/fulcrum/leader/index.ts";
import { SimClient } from "./sim-client.ts";
import { SimFarm } from "./sim-farm.ts";
import { SimRnode } from "./sim-rnode.ts";

/** `BEGAT_FARM_SEEDS=50000` for a long run, `BEGAT_FARM_SEED=17` to see one again. */
const SEEDS = Number(process.env.BEGAT_FARM_SEEDS ?? 600);
const FIRST_SEED = Number(process.env.BEGAT_FARM_SEED ?? 0);

/** After this everything is up and connected again, so that whatever is still open must come to its end. */
const FAULTS_END_MS = 120_000;
const MOST_MS = 1_500_000;

function simulate(seed: number): SimFarm {
  const dice = new SimFarm(seed, { loss: 0, duplication: 0, delayMs: 1 }).random;
  const isLossy = dice.chance(0.6);
  const farm = new SimFarm(seed + 1_000_003, {
    loss: isLossy ? dice.below(20) / 100 : 0,
    duplication: isLossy ? dice.below(20) / 100 : 0,
    delayMs: 1 + dice.below(dice.chance(0.3) ? 1_000 : 50),
  });
  const rnodeCount = 1 + dice.below(4);
  for (let i = 0; i < rnodeCount; i++) {
    const rnode = new SimRnode(farm, `r${i}`, 1 + dice.below(3), { pool: i === 0 ? "a" : dice.pick(["a", "b"]) });
    if (dice.chance(0.15)) rnode.failureShare = dice.pick([0.1, 0.5, 1]);
    if (dice.chance(0.2)) rnode.slowness = 5;
    farm.rnodes.push(rnode);
  }
  const clientCount = 1 + dice.below(3);
  for (let c = 0; c < clientCount; c++) farm.clients.push(new SimClient(farm, `c${c}`, planOf(farm, dice, c)));
  farm.startLeader();
  for (const rnode of farm.rnodes) rnode.start();
  for (const client of farm.clients) client.start();
  planFaults(farm, dice);
  farm.runUntilDone(MOST_MS);
  return farm;
}

function planOf(farm: SimFarm, dice: SimFarm["random"], client: number): SimClient["plan"] {
  const count = 3 + dice.below(15);
  return Array.from({ length: count }, (_, i) => {
    // Half of the actions are those of other clients too.
    const action = dice.chance(0.5) ? `shared ${dice.below(10)}` : `own ${client} ${i}`;
    farm.durations.set(action, 50 + dice.below(dice.chance(0.2) ? 30_000 : 4_000));
    const submission: Submission = {
      execution: `c${client} ${i}`,
      client: `c${client}`,
      invocation: `build ${client}`,
      weight: 1 + dice.below(3),
      class: dice.pick(PRIORITY_CLASSES),
      action,
      scope: "",
      platform: dice.chance(0.3) ? [["pool", "a"]] : [],
      inputs: [{ digest: `input ${dice.below(5)}`, sizeBytes: 100 }],
      historyKey: action,
      expectedMs: dice.chance(0.5) ? 1_000 : undefined,
      rankMs: dice.chance(0.5) ? dice.below(10_000) : undefined,
      skipCache: dice.chance(0.1),
      doNotCache: dice.chance(0.15),
    };
    return { submission, after: i > 0 && dice.chance(0.5) ? [dice.below(i)] : [] };
  });
}

/** Crashes, cuts and cancels at any moment; all of it over by `FAULTS_END_MS`. */
function planFaults(farm: SimFarm, dice: SimFarm["random"]): void {
  const { time } = farm;
  const faults = dice.below(7);
  for (let i = 0; i < faults; i++) {
    const at = dice.below(60_000);
    const lastsMs = 100 + dice.below(dice.chance(0.5) ? 3_000 : 50_000);
    const rnode = dice.pick(farm.rnodes);
    const client = dice.pick(farm.clients);
    const kind = dice.below(6);
    time.after(at, () => {
      if (kind === 0 && rnode.isUp) {
        rnode.crash();
        time.after(lastsMs, () => rnode.start());
      } else if (kind === 1 && !rnode.isCutOff) {
        rnode.isCutOff = true;
        time.after(lastsMs, () => {
          rnode.isCutOff = false;
        });
      } else if (kind === 2 && farm.leader !== undefined) {
        farm.crashLeader();
        time.after(lastsMs, () => farm.startLeader());
      } else if (kind === 3 && client.isUp) {
        client.isUp = false;
        farm.clientLost(client);
      } else if (kind === 4) {
        farm.fromClient(client, { type: "cancel", execution: dice.pick(client.plan).submission.execution });
      } else if (kind === 5 && rnode.isUp && !rnode.isCutOff) {
        // The leader hears of a broken connection before the rnode does.
        farm.toLeader(rnode, { type: "rnode-lost", rnode: rnode.name, connection: rnode.connection });
      }
    });
  }
}

/** What must be true of the leader once nobody wants anything any more. */
function expectNothingLeft(farm: SimFarm): void {
  farm.runUntil(farm.time.now + FAULTS_END_MS + 120_000);
  const { leader } = farm;
  if (leader === undefined) throw new Error("the leader is not up at the end");
  expect({
    executions: leader.executions.size,
    clients: leader.ofClient.size,
    queued: leader.queue.size,
    pools: [...leader.queue.pools()].length,
    chores: leader.chores.size,
    leases: leader.leases.size,
    invocations: leader.invocations.size,
    journal: farm.journal.size,
    running: farm.rnodes.flatMap((rnode) => rnode.running()).length,
  }).toEqual({
    executions: 0,
    clients: 0,
    queued: 0,
    pools: 0,
    chores: 0,
    leases: 0,
    invocations: 0,
    journal: 0,
    running: 0,
  });
}

const BLOCK = 50;
for (let first = FIRST_SEED; first < FIRST_SEED + SEEDS; first += BLOCK) {
  const last = Math.min(first + BLOCK, FIRST_SEED + SEEDS) - 1;
  test(`every execution ends once whatever fails, seeds ${first} to ${last}`, () => {
    for (let seed = first; seed <= last; seed++) {
      try {
        const farm = simulate(seed);
        expectNothingLeft(farm);
        for (const client of farm.clients) if (client.isUp) expect(client.ended.size).toBe(client.plan.length);
        expect(farm.unequal).toBe(0);
      } catch (cause) {
        throw new Error(`seed ${seed}: BEGAT_FARM_SEED=${seed} BEGAT_FARM_SEEDS=1 shows it again: ${cause}`, { cause });
      }
    }
  });
}

test("the same seed gives the same run", () => {
  const figures = (farm: SimFarm) => [farm.time.now, farm.runs, [...farm.counts]];
  for (let seed = 0; seed < 5; seed++) expect(figures(simulate(seed))).toEqual(figures(simulate(seed)));
});
