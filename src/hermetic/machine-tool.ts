import { ProcessError, type ProcessOutcome, type ProcessRunner } from "../ports/index.ts";
import { SourceError } from "./source.ts";

/** A program of this machine that fetches by the machine's own configuration: mirrors, proxies, keys, credentials. */
export interface MachineTool {
  readonly runner: ProcessRunner;
  /** PATH, HOME, proxies and what else the program reads; begat adds nothing of its own but the C locale. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Long enough for a slow mirror; a hung one ends. */
const TIMEOUT_MS = 15 * 60_000;
const OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024;

/** @throws {SourceError} `SOURCE_TOOL_MISSING` when there is no such program. */
export async function runTool(
  tool: MachineTool,
  argv: readonly [string, ...string[]],
  cwd: string,
  hint: string,
  signal: AbortSignal,
): Promise<ProcessOutcome> {
  try {
    // begat's launcher keeps NODE_EXTRA_CA_CERTS under another name, for a quicker start of its own; npm needs it.
    const authorities = tool.environment.BEGAT_EXTRA_CA_CERTS;
    const trust = authorities === undefined ? {} : { NODE_EXTRA_CA_CERTS: authorities };
    const env = { ...trust, ...tool.environment, LC_ALL: "C.UTF-8" };
    const spec = { argv, cwd, env, outputLimitBytes: OUTPUT_LIMIT_BYTES, timeoutMs: TIMEOUT_MS };
    return await tool.runner.run(spec, signal);
  } catch (cause) {
    if (!(cause instanceof ProcessError)) throw cause;
    throw new SourceError("SOURCE_TOOL_MISSING", `${argv[0]} could not be run`, { cause, hint });
  }
}
