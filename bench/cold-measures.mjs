// Builds from nothing: no outputs, no state, no cache, no ledger; only the page cache is warm.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { changeHeader, cProject } from "./c-project.mjs";
import { setUpLauncher } from "./contestants.mjs";
import { onPath } from "./measured-process.mjs";
import { takeTurns } from "./samples.mjs";
import { chain, independent, large, layered } from "./workloads.mjs";

const MIB = 1024 * 1024;

/** What one tool wrote is on the disk before the other starts: neither waits for the other's pages. */
const settleDisk = () => execFileSync("sync");

/** A build from nothing, checked to have run every chore. */
export function coldBegat(begat, executor, chores, keeping) {
  return () => {
    begat.forget(keeping);
    settleDisk();
    const { wallMs, counts } = begat.build(executor);
    const { executed, last } = counts();
    if (executed !== chores) throw new Error(`begat ran ${executed} of ${chores} chores: ${last}`);
    return wallMs;
  };
}

export function coldNinja(ninja, probe) {
  if (ninja === undefined) return undefined;
  return () => {
    ninja.forget();
    settleDisk();
    const { wallMs } = ninja.build();
    if (!existsSync(join(ninja.workspace, probe))) throw new Error(`ninja did not make ${probe}`);
    return wallMs;
  };
}

/** A C project built from nothing, and again after a header was changed; ninja has the host's gcc in both. */
function projectMeasure(name, whose, inImage, coldRatio, headerRatio) {
  return {
    name,
    rows: [name, `${name}-header`, `${name}-header-builder`],
    async run(arena) {
      const files = arena.size(300, 4);
      const row = (id, measure, ratio) => ({
        name: id,
        measure: `${measure}, ${whose}, spawn server`,
        unit: "ms",
        peerName: "ninja",
        ...(ratio === undefined ? {} : { goal: { ratio } }),
      });
      const rows = [
        row(name, `cold, C project of ${files} files`, coldRatio),
        row(`${name}-header`, "one header of it changed, new process", undefined),
        row(`${name}-header-builder`, "one header of it changed, by a builder", headerRatio),
      ];
      const skip = (skipped) => rows.map((one) => ({ ...one, skipped }));
      if (arena.compiler === undefined) return skip("there is no gcc on this machine");
      if (inImage && arena.quick) return skip("it takes 60 MB of packages");
      if (inImage && onPath("apt-get") === undefined) return skip("there is no apt-get");
      return arena.contest(
        (folder) => cProject(folder, files, 30, inImage),
        (begat, ninja, { chores }) => {
          if (inImage) begat.build("server", "image(cc)");
          const keeping = { keepsImages: inImage };
          const turns = [coldBegat(begat, "server", chores, keeping), coldNinja(ninja, "prog")];
          const cold = takeTurns(arena.rounds(2), turns);
          let n = 0;
          const change = ({ workspace }) => changeHeader(workspace, ++n);
          setUpLauncher();
          try {
            const built = begat.builtByBuilder("server", () => change(begat));
            const theirs =
              ninja &&
              (() => {
                change(ninja);
                return ninja.build().wallMs;
              });
            const byBuilder = takeTurns(arena.rounds(3), [() => built().wallMs, theirs]);
            // Not in turns with these: a builder opens anew what another process has built with.
            const alone = takeTurns(arena.rounds(3), [
              () => {
                change(begat);
                return begat.build("server").wallMs;
              },
              theirs,
            ]);
            return [cold, alone, byBuilder].map(([mine, peer], i) => ({ ...rows[i], begat: mine, peer }));
          } finally {
            begat.launch("daemon", "stop");
          }
        },
      );
    },
  };
}

const perChore = (samples, chores) => samples?.map((ms) => ms / chores);
const NO_SANDBOX = "there is no bwrap on this machine";

export const coldMeasures = [
  {
    name: "cold-1000",
    rows: ["cold-process", "cold-bubblewrap", "cold-server"],
    async run(arena) {
      const count = arena.size(1000, 20);
      return arena.contest(
        (folder) => independent(folder, count),
        (begat, ninja, { chores }) => {
          const [plain, sandboxed, served, theirs] = takeTurns(arena.rounds(3), [
            coldBegat(begat, "process", chores),
            arena.bubblewrap && coldBegat(begat, "bubblewrap", chores),
            arena.compiler && coldBegat(begat, "server", chores),
            coldNinja(ninja, "out/0/f0"),
          ]);
          const common = { unit: "ms", peer: theirs, peerName: "ninja" };
          return [
            {
              ...common,
              name: "cold-process",
              measure: `cold, ${count} x cp, process`,
              begat: plain,
              goal: { ratio: 1.5 },
            },
            {
              ...common,
              name: "cold-bubblewrap",
              measure: `cold, ${count} x cp, bubblewrap`,
              begat: sandboxed,
              goal: { ratio: 4 },
              skipped: sandboxed ? undefined : NO_SANDBOX,
            },
            {
              ...common,
              name: "cold-server",
              measure: `cold, ${count} x cp, spawn server`,
              begat: served,
              goal: { ratio: 1.5 },
              skipped: served ? undefined : "there is no compiler for the spawn server on this machine",
            },
          ];
        },
      );
    },
  },
  {
    name: "chain",
    rows: ["chain-bubblewrap", "chain-process"],
    async run(arena) {
      const length = arena.size(200, 5);
      return arena.contest(
        (folder) => chain(folder, length),
        (begat, ninja, { chores }) => {
          const [plain, sandboxed, theirs] = takeTurns(arena.rounds(3), [
            coldBegat(begat, "process", chores),
            arena.bubblewrap && coldBegat(begat, "bubblewrap", chores),
            coldNinja(ninja, "out/s0"),
          ]);
          const common = { unit: "ms", peer: perChore(theirs, chores), peerName: "ninja" };
          return [
            {
              ...common,
              name: "chain-bubblewrap",
              measure: `chain of ${length}, a step, bubblewrap`,
              begat: perChore(sandboxed, chores),
              goal: { most: 10 },
              skipped: sandboxed ? undefined : NO_SANDBOX,
            },
            {
              ...common,
              name: "chain-process",
              measure: `chain of ${length}, a step, process`,
              begat: perChore(plain, chores),
            },
          ];
        },
      );
    },
  },
  {
    name: "layers",
    rows: ["layers-cold", "layers-null"],
    async run(arena) {
      const width = arena.size(100, 3);
      return arena.contest(
        (folder) => layered(folder, 10, width),
        (begat, ninja, { chores }) => {
          const [cold, theirCold] = takeTurns(arena.rounds(3), [
            coldBegat(begat, "process", chores),
            coldNinja(ninja, "out/l0-0"),
          ]);
          const [idle, theirIdle] = takeTurns(arena.rounds(7), [
            () => begat.build("process").wallMs,
            ninja && (() => ninja.build().wallMs),
          ]);
          const common = { unit: "ms", peerName: "ninja" };
          return [
            {
              ...common,
              name: "layers-cold",
              measure: `cold, 10 layers x ${width}, process`,
              begat: cold,
              peer: theirCold,
            },
            { ...common, name: "layers-null", measure: `null, 10 layers x ${width}`, begat: idle, peer: theirIdle },
          ];
        },
      );
    },
  },
  projectMeasure("c-project", "the host's gcc", false, 1.3, undefined),
  projectMeasure("c-project-image", "gcc of an image", true, 1.1, 1.2),
  {
    name: "large",
    rows: ["large-cold-process", "large-cold-bubblewrap", "large-restored"],
    async run(arena) {
      const count = arena.size(64, 2);
      const sizeBytes = arena.size(16, 1) * MIB;
      const title = `${count} x ${sizeBytes / MIB} MiB`;
      return arena.contest(
        (folder) => large(folder, count, sizeBytes),
        (begat, ninja, { chores }) => {
          const [plain, sandboxed, theirs] = takeTurns(arena.rounds(2), [
            coldBegat(begat, "process", chores),
            arena.bubblewrap && coldBegat(begat, "bubblewrap", chores),
            coldNinja(ninja, "out/f0.sum"),
          ]);
          ninja?.forget();
          // What the last turn left behind: everything built, and in the cache.
          const how = sandboxed ? "usual" : "any";
          const [restored] = takeTurns(arena.rounds(3), [
            () => {
              begat.removeOutputs();
              settleDisk();
              const { wallMs, counts } = begat.build(how);
              if (counts().executed > 0) throw new Error(`begat ran chores instead of restoring: ${counts().last}`);
              if (!existsSync(join(begat.workspace, "out/f0"))) throw new Error("begat did not restore out/f0");
              return wallMs;
            },
          ]);
          const common = { unit: "ms", peer: theirs, peerName: "ninja", goal: { ratio: 1.6 } };
          return [
            { ...common, name: "large-cold-process", measure: `cold, ${title} cp + sha256sum, process`, begat: plain },
            {
              ...common,
              name: "large-cold-bubblewrap",
              measure: `cold, ${title} cp + sha256sum, bubblewrap`,
              begat: sandboxed,
              skipped: sandboxed ? undefined : NO_SANDBOX,
            },
            {
              name: "large-restored",
              measure: `restored, ${title}`,
              unit: "ms",
              begat: restored,
              peerName: "",
              goal: { most: 1000 },
            },
          ];
        },
        { isLarge: true },
      );
    },
  },
];
