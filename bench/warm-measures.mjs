// Builds that find almost everything done: what a user waits for all day.

import { existsSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setUpLauncher } from "./contestants.mjs";
import { takeTurns } from "./samples.mjs";
import { LAUNCHED, settleBegat, settleNinja } from "./settled.mjs";
import { independent, independentQuick, kibibyte } from "./workloads.mjs";

/** A build that must find nothing to do. */
function nullBegat(begat, how) {
  return () => {
    const measured = begat.build(how);
    if (!measured.counts().nothing) throw new Error(`a null build did something: ${measured.counts().last}`);
    return measured;
  };
}

function nullNinja(ninja) {
  return () => {
    const measured = ninja.build();
    if (!measured.nothing) throw new Error(`ninja's null build did something: ${measured.output.slice(-200)}`);
    return measured;
  };
}

/** As after the first builds, for measures of what comes after those. */
async function settle(arena, begat, ninja, chores, command) {
  const made = await settleBegat(arena, begat, command);
  if (made.chores !== chores) throw new Error(`there are ${made.chores} chores instead of ${chores}`);
  if (ninja === undefined) return;
  settleNinja(ninja);
  const { nothing, output } = ninja.build();
  if (!nothing) throw new Error(`ninja does not find everything done: ${output.slice(-200)}`);
}

/** The first builds, whose time is nobody's concern here. `how` is how null builds will be asked for. */
function prepare(begat, ninja, executor, how, chores) {
  const { executed, last } = begat.build(executor).counts();
  if (executed !== chores) throw new Error(`begat ran ${executed} of ${chores} chores: ${last}`);
  ninja?.build();
  // The first build that finds nothing to do may still put down what it has learnt.
  const { executed: again, last: then } = begat.build(how).counts();
  if (again > 0) throw new Error(`begat built again, so the host's packages or tools changed meanwhile: ${then}`);
  ninja?.build();
}

function nullMeasure(name, full, small, rounds, ratio, mostMB) {
  return {
    name,
    rows: mostMB === undefined ? [name] : [name, `${name}-rss`],
    async run(arena) {
      const count = arena.size(full, small);
      return arena.contest(
        (folder) => independentQuick(folder, count),
        async (begat, ninja, { chores }) => {
          await settle(arena, begat, ninja, chores);
          nullBegat(begat, "any")();
          const rss = [];
          const theirRss = [];
          const idle = nullBegat(begat, "any");
          const [mine, theirs] = takeTurns(arena.rounds(rounds), [
            () => {
              const { wallMs, rssBytes } = idle();
              if (rssBytes !== undefined) rss.push(rssBytes / 1e6);
              return wallMs;
            },
            ninja &&
              (() => {
                const { wallMs, rssBytes } = nullNinja(ninja)();
                if (rssBytes !== undefined) theirRss.push(rssBytes / 1e6);
                return wallMs;
              }),
          ]);
          const title = `null, ${count} chores, new process`;
          const rows = [
            { name, measure: title, unit: "ms", begat: mine, peer: theirs, peerName: "ninja", goal: { ratio } },
          ];
          if (mostMB !== undefined) {
            const row = {
              name: `${name}-rss`,
              measure: `${title}, peak RSS`,
              unit: "MB",
              peerName: "ninja",
              goal: { most: mostMB },
            };
            if (rss.length === 0) rows.push({ ...row, skipped: "there is no C compiler to build run-once.c with" });
            else rows.push({ ...row, begat: rss, peer: ninja && theirRss });
          }
          return rows;
        },
      );
    },
  };
}

/** As a user has it: the launcher, with the warm engine and, of the same checkout, without. */
function engineMeasure(name, full, small, rounds, ratio, ratioAlone, mostMB) {
  const rss = `${name}-rss`;
  const alone = `${name}-without`;
  return {
    name,
    rows: [name, alone, rss],
    async run(arena) {
      const count = arena.size(full, small);
      setUpLauncher();
      return arena.contest(
        (folder) => independentQuick(folder, count),
        async (begat, ninja, { chores }) => {
          await settle(arena, begat, ninja, chores, LAUNCHED);
          try {
            begat.warm("any");
            const asked = begat.engine().answered;
            const n = arena.rounds(rounds);
            const launched = (...words) => {
              const { wallMs, counts } = begat.launch("build", "--min-isolation", "none", ...words);
              if (!counts().nothing) throw new Error(`a null build did something: ${counts().last}`);
              return wallMs;
            };
            // The first one is Node's, which leaves what the others compare with.
            launched("--no-daemon");
            const [mine, byItself, theirs] = takeTurns(n, [
              () => launched(),
              () => launched("--no-daemon"),
              ninja && (() => nullNinja(ninja)().wallMs),
            ]);
            const { answered, rssBytes } = begat.engine();
            if (answered - asked < n) throw new Error(`the engine answered ${answered - asked} of ${n} builds`);
            const title = `null, ${count} chores, warm engine`;
            const beside = { unit: "ms", peer: theirs, peerName: "ninja" };
            return [
              { ...beside, name, measure: title, begat: mine, goal: { ratio } },
              {
                ...beside,
                name: alone,
                measure: `null, ${count} chores, without the engine`,
                begat: byItself,
                goal: { ratio: ratioAlone },
              },
              {
                name: rss,
                measure: `${title}, its RSS`,
                unit: "MB",
                begat: [rssBytes / 1e6],
                peerName: "",
                goal: { most: mostMB },
              },
            ];
          } finally {
            begat.launch("daemon", "stop");
          }
        },
      );
    },
  };
}

/** From saving a source until a build has begun, and until its first recipe has. */
const watching = {
  name: "watch",
  rows: ["watch-begin", "watch-recipe"],
  async run(arena) {
    const count = arena.size(100_000, 100);
    return arena.contest(
      (folder) => independentQuick(folder, count),
      async (begat, _ninja, { chores, leaf }) => {
        await settle(arena, begat, undefined, chores);
        const watch = begat.watch("any");
        try {
          await watch.next("watching");
          const begun = [];
          const started = [];
          for (let round = 0; round < arena.rounds(9); round++) {
            const begin = performance.now();
            writeFileSync(join(begat.workspace, leaf), kibibyte(`saved ${round}`));
            begun.push((await watch.next("build-started")) - begin);
            started.push((await watch.next("chore-started")) - begin);
            await watch.next("watching");
          }
          const title = `watch, ${count} chores: save to`;
          const row = { unit: "ms", peerName: "" };
          return [
            { ...row, name: "watch-begin", measure: `${title} build begun`, begat: begun, goal: { most: 30 } },
            { ...row, name: "watch-recipe", measure: `${title} recipe started`, begat: started },
          ];
        } finally {
          await watch.end();
        }
      },
    );
  },
};

const NO_BUILDER = "there is no C compiler to build begat-client with";

/** One changed leaf, and restoring, as whoever has a builder has it. */
function byBuilder(arena, begat, ninja, edit, one, isRestored) {
  if (arena.compiler === undefined) return [];
  setUpLauncher();
  try {
    const leaf = begat.builtByBuilder("usual", () => edit(begat.workspace), one);
    const [mine, theirs] = takeTurns(arena.rounds(9), [
      () => leaf().wallMs,
      ninja &&
        (() => {
          edit(ninja.workspace);
          return ninja.build().wallMs;
        }),
    ]);
    const restore = begat.builtByBuilder("usual", () => begat.removeOutputs(), isRestored);
    const [restored] = takeTurns(arena.rounds(5), [() => restore().wallMs]);
    return [mine, theirs, restored];
  } finally {
    begat.launch("daemon", "stop");
  }
}

/** Restoring, one changed leaf, and touching, all in one workspace of 1,000 chores. */
const thousand = {
  name: "thousand",
  rows: ["null-1000", "leaf-process", "leaf-usual", "leaf-builder", "restored-1000", "restored-builder", "touched"],
  async run(arena) {
    const count = arena.size(1000, 20);
    return arena.contest(
      (folder) => independent(folder, count),
      (begat, ninja, { chores, leaf }) => {
        let edits = 0;
        const edit = (workspace) => writeFileSync(join(workspace, leaf), kibibyte(`edit ${edits++}`));
        const one = ({ executed, last }) => {
          if (executed !== 1) throw new Error(`one leaf changed, and begat did: ${last}`);
        };
        const changeLeaf = (how) => () => {
          edit(begat.workspace);
          const { wallMs, counts } = begat.build(how);
          one(counts());
          return wallMs;
        };
        const isRestored = ({ executed, last }) => {
          if (executed > 0) throw new Error(`begat ran chores instead of restoring: ${last}`);
          if (!existsSync(join(begat.workspace, "out/0/f0"))) throw new Error("begat did not restore out/0/f0");
        };
        prepare(begat, ninja, "process", "any", chores);
        const idleAny = nullBegat(begat, "any");
        const [plainNulls, plainLeaves] = takeTurns(arena.rounds(7), [() => idleAny().wallMs, changeLeaf("process")]);

        // As a user has it: in the sandbox, if there is one. What was made without counts for nothing there.
        begat.forget();
        prepare(begat, undefined, "usual", "usual", chores);
        const idle = nullBegat(begat, "usual");
        const [nulls, theirNulls, leaves] = takeTurns(arena.rounds(7), [
          () => idle().wallMs,
          ninja && (() => nullNinja(ninja)().wallMs),
          changeLeaf("usual"),
        ]);
        const [restored] = takeTurns(arena.rounds(5), [
          () => {
            begat.removeOutputs();
            const { wallMs, counts } = begat.build("usual");
            isRestored(counts());
            return wallMs;
          },
        ]);
        const [builderLeaves, theirLeaves, builderRestored] = byBuilder(arena, begat, ninja, edit, one, isRestored);
        const touch = new Date();
        utimesSync(join(begat.workspace, leaf), touch, touch);
        const ran = startedChores(begat.build("usual", "--json").output);
        const leafRow = { unit: "ms", peerName: "null build", goal: { ratio: 1.5 } };
        return [
          {
            name: "null-1000",
            measure: `null, ${count} chores, new process`,
            unit: "ms",
            begat: nulls,
            peer: theirNulls,
            peerName: "ninja",
          },
          {
            ...leafRow,
            name: "leaf-process",
            measure: `one leaf of ${count} changed, process`,
            begat: plainLeaves,
            peer: plainNulls,
          },
          {
            ...leafRow,
            name: "leaf-usual",
            measure: `one leaf of ${count} changed, usual executor`,
            begat: leaves,
            peer: nulls,
          },
          {
            name: "leaf-builder",
            measure: `one leaf of ${count} changed, by a builder`,
            unit: "ms",
            begat: builderLeaves,
            peer: theirLeaves,
            peerName: "ninja",
            skipped: builderLeaves ? undefined : NO_BUILDER,
          },
          {
            name: "restored-1000",
            measure: `outputs of ${count} chores restored, new process`,
            unit: "ms",
            begat: restored,
            peerName: "",
            goal: { most: 200 },
          },
          {
            name: "restored-builder",
            measure: "the same, by a builder",
            unit: "ms",
            begat: builderRestored,
            peerName: "",
            goal: { most: 200 },
            skipped: builderRestored ? undefined : NO_BUILDER,
          },
          {
            name: "touched",
            measure: "one source touched, not changed",
            unit: "chores",
            begat: [ran],
            peerName: "",
            goal: { most: 0 },
          },
        ];
      },
    );
  },
};

/** Chores that a build with --json started. */
function startedChores(output) {
  const events = output.split("\n").filter((line) => line.startsWith("{"));
  if (!events.some((line) => JSON.parse(line).type === "build-finished"))
    throw new Error("no end of the build in --json");
  return events.filter((line) => JSON.parse(line).type === "chore-started").length;
}

export const warmMeasures = [
  nullMeasure("null-10k", 10_000, 50, 9, 2.0, undefined),
  thousand,
  nullMeasure("null-100k", 100_000, 100, 5, 1.0, 350),
  engineMeasure("engine-10k", 10_000, 50, 15, 0.15, 1.4, 150),
  engineMeasure("engine-100k", 100_000, 100, 15, 0.05, 0.8, 150),
  watching,
];
