import { existsSync, readFileSync } from "node:fs";
import type { Host } from "../host.ts";
import { FIRST_WORDS } from "../verb-table.ts";
import { bundleFile } from "./bundle-file.ts";
import { declinesEngine, wantsEngine } from "./wanted.ts";

/** An engine that has not answered by then is busy, and working without it is quicker than waiting. */
const PATIENCE_MS = 250;

export type Asked =
  | { readonly answered: true; readonly exitCode: number; readonly stdout: string }
  /** `absent`: one may be started for the next time. */
  | { readonly answered: false; readonly engine: "absent" | "there" | "client" | "unwanted" };

/**
 * Asks the warm engine for this command's whole answer, unless begat-client has asked before. Never rejects: without an
 * answer the command does its own work.
 */
export async function askEngine(argv: readonly string[], host: Host, before: string | undefined): Promise<Asked> {
  if (!wantsEngine(host.env) || declinesEngine(argv)) return { answered: false, engine: "unwanted" };
  if (before === "absent") return { answered: false, engine: "absent" };
  if (before === "yes") return { answered: false, engine: "client" };
  const first = argv.find((word) => !word.startsWith("-"));
  if (first !== undefined && first !== "build" && FIRST_WORDS.includes(first))
    return { answered: false, engine: "there" };
  const { engineDirectory, socketIn, orderEngine, ownWorld } = await import("../../engine/index.ts");
  const directory = engineDirectory(host.env);
  if (directory === undefined) return { answered: false, engine: "unwanted" };
  if (!existsSync(socketIn(directory))) return { answered: false, engine: "absent" };
  try {
    const env = Object.fromEntries(
      Object.entries(host.env).filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
    const exchange = await orderEngine(
      directory,
      {
        kind: "ask",
        ask: {
          bundle: readFileSync(bundleFile()),
          args: argv,
          directory: host.cwd,
          env,
          stdoutIsTerminal: host.stdout.isTerminal,
          stderrIsTerminal: host.stderr.isTerminal,
          columns: host.stdout.isTerminal ? host.stdout.columns() : 0,
          rows: host.stdout.isTerminal ? host.stdout.rows() : 0,
          world: ownWorld(),
          uid: process.geteuid?.() ?? 0,
          gid: process.getegid?.() ?? 0,
        },
      },
      PATIENCE_MS,
    );
    if (exchange.kind === "done") return { answered: true, exitCode: exchange.exitCode, stdout: exchange.stdout };
    return { answered: false, engine: exchange.kind === "absent" ? "absent" : "there" };
  } catch {
    // No bundle (begat is run from its sources), or no /proc.
    return { answered: false, engine: "unwanted" };
  }
}
