// Workspaces as a first build of everything leaves them, without that build: 100,000 recipes take a quarter of an hour to
// run, and what is measured here comes after them.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { bundleEntry } from "./bundles.mjs";
import { Begat, LAUNCHER } from "./contestants.mjs";
import { independent } from "./workloads.mjs";

/**
 * Plans the workspace and puts down its outputs and what begat would remember of having made them.
 *
 * @param {string[]} command The begat that is to find nothing to do: what another one remembers counts for nothing.
 * @returns {Promise<{ chores: number, edges: number, planMs: number, rssBytes: number }>}
 */
export async function settleBegat(arena, begat, command = arena.begatCommand) {
  // Any build makes a ledger, and what is remembered counts only beside the one it was made with.
  const small = new Begat(arena.processes, arena.folder(), ["out"], arena.begatCommand);
  independent(small.workspace, 1);
  small.build("process");
  cpSync(small.env.BEGAT_STATE_HOME, begat.env.BEGAT_STATE_HOME, { recursive: true });
  const [program, ...words] = command;
  const env = { ...begat.env, PATH: process.env.PATH };
  const about = JSON.parse(execFileSync(program, [...words, "version", "--json"], { env }));
  const ledger = join(begat.env.BEGAT_STATE_HOME, "ledger.db");
  const entry = await bundleEntry("settled-checkout");
  entry.splice(1, 0, "--max-semi-space-size=16");
  const told = arena.processes.run([...entry, begat.workspace, `${about.version}+${about.build}`, ledger], {
    directory: begat.workspace,
    env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
  });
  return JSON.parse(told.output);
}

/** The begat that a checkout's launcher starts, set up. */
export const LAUNCHED = [process.execPath, join(dirname(LAUNCHER), "dist/begat.cjs")];

/** Outputs of a build.ninja of one rule, newer than what they are made from, and the log of having made them. */
export function settleNinja(ninja) {
  const text = readFileSync(join(ninja.workspace, "build.ninja"), "utf8");
  const [, template] = /command = (.*)\n/.exec(text);
  const log = ["# ninja log v5\n"];
  const made = new Set();
  for (const [, output, input] of text.matchAll(/^build (\S+): \S+ (.*)$/gm)) {
    const full = join(ninja.workspace, output);
    if (!made.has(dirname(full))) mkdirSync(dirname(full), { recursive: true });
    made.add(dirname(full));
    writeFileSync(full, `${output}\n`);
    const { mtimeNs } = statSync(full, { bigint: true });
    const command = template.replaceAll("$$", "\0").replaceAll("$in", input).replaceAll("$out", output);
    log.push(`0\t1\t${mtimeNs}\t${output}\t${murmur(Buffer.from(command.replaceAll("\0", "$"))).toString(16)}\n`);
  }
  writeFileSync(join(ninja.workspace, ".ninja_log"), log.join(""));
}

const FACTOR = 0xc6a4a7935bd1e995n;
const times = (a) => BigInt.asUintN(64, a * FACTOR);
const folded = (a) => a ^ (a >> 47n);

/** MurmurHash64A with ninja's seed: what its log says of a command. */
function murmur(bytes) {
  let hash = 0xdecafbaddecafbadn ^ times(BigInt(bytes.length));
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8) hash = times(hash ^ times(folded(times(bytes.readBigUInt64LE(at)))));
  if (at < bytes.length) {
    let rest = 0n;
    for (let i = bytes.length - 1; i >= at; i--) rest = (rest << 8n) | BigInt(bytes[i]);
    hash = times(hash ^ rest);
  }
  return folded(times(folded(hash)));
}
