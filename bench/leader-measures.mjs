// What a farm's leader decides, answers and holds.

import { bundleEntry } from "./bundles.mjs";
import { takeTurns } from "./samples.mjs";

const env = { PATH: "/usr/local/bin:/usr/bin:/bin" };

export const leaderMeasures = [
  {
    name: "schedule",
    rows: ["schedule-known", "schedule-unknown", "schedule-moved", "schedule-interactive", "schedule-interactive-16"],
    async run(arena) {
      const command = [...(await bundleEntry("schedule-study")), `${arena.size(10, 1)}`, `${arena.size(10_000, 500)}`];
      const { farms, unknown, interactive } = JSON.parse(
        arena.processes.run(command, { directory: arena.folder(), env }).output,
      );
      const largest = (figure, of = farms) => Math.max(...of.map((farm) => farm[figure]));
      const each = (figure) => farms.map((farm) => `${farm.slots}: ${farm[figure].toFixed(2)}`).join(", ");
      const row = (name, measure, value, most) => ({
        name,
        measure,
        unit: "share",
        begat: [value],
        peerName: "",
        goal: { most },
      });
      return [
        row(
          "schedule-known",
          `makespan by lower bound, durations known to 30 % (slots ${each("known")})`,
          largest("known"),
          1.1,
        ),
        row(
          "schedule-unknown",
          `makespan by lower bound, nothing known, over all farms (slots ${each("unknown")})`,
          unknown,
          1.25,
        ),
        row(
          "schedule-moved",
          `bytes moved by those of first-in-first-out, from 16 rnodes up (slots ${each("moved")})`,
          largest(
            "moved",
            farms.filter(({ rnodes }) => rnodes >= 16),
          ),
          0.65,
        ),
        row(
          "schedule-interactive",
          "50 interactive chores beside 10,000 others, by the same alone, 128 slots",
          interactive[1],
          1.3,
        ),
        row("schedule-interactive-16", "the same on 16 slots", interactive[0], 1.3),
      ];
    },
  },
  {
    name: "leader-load",
    rows: ["leader-hits", "leader-hits-cpu", "leader-queued"],
    async run(arena) {
      const [hits, queued] = [arena.size(1_000, 50), arena.size(10_000, 50)];
      const command = await bundleEntry("leader-load");
      const runs = [];
      takeTurns(arena.rounds(3), [
        () => {
          const words = [...command, arena.folder(), `${hits}`, `${queued}`];
          runs.push(JSON.parse(arena.processes.run(words, { directory: arena.folder(), env }).output));
          return 0;
        },
      ]);
      const of = (figure) => runs.map(figure);
      const row = (name, measure, unit, begat, goal) => ({ name, measure, unit, begat, peerName: "", goal });
      return [
        row(
          "leader-hits",
          `${hits} hits through a leader`,
          "rate",
          of(({ hitsMs }) => (hits / hitsMs) * 1000),
          { least: 1500 },
        ),
        row(
          "leader-hits-cpu",
          "the leader's own processor time for a hit",
          "ms",
          of(({ hitsCpuMs }) => hitsCpuMs / hits),
          undefined,
        ),
        row(
          "leader-queued",
          `a leader with ${queued} queued executions, each with its stream`,
          "MB",
          of(({ queuedKib }) => queuedKib / 1024),
          {
            most: 400,
          },
        ),
      ];
    },
  },
];
