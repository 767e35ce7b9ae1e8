import { constants } from "node:os";
import type { BuilderSession, SessionEnd } from "../../engine/index.ts";
import { parseArguments } from "../arguments.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import { runCommand } from "../run.ts";
import type { Services } from "../services.ts";

/** Thrown by a service that leaves the command to whoever asked; nothing has been done. */
export class Declined extends Error {}

/** Builds with these need what a builder does not keep, or need it anew. */
const OWN_AFFAIR = ["help", "watch", "no-daemon", "dry-run", "check", "farm", "cache"];

/**
 * Runs a build's command line for somebody else, whose terminal is at the other end of the session, as a process of
 * their own would.
 *
 * @param open Opens what the build needs; the host is the asker's.
 */
export async function runFor(
  session: BuilderSession,
  own: Host,
  open: (host: Host) => Pick<Services, "build" | "close">,
): Promise<SessionEnd> {
  const { ask } = session;
  if (!isPlainBuild(ask.args) || ask.env.BEGAT_FARM) return { declined: "not a plain build" };
  let declined: string | undefined;
  let columns = ask.columns || 80;
  let rows = ask.rows || 24;
  const resizes = new Set<() => void>();
  session.onResize((width, height) => {
    columns = width || 80;
    rows = height || 24;
    for (const resize of resizes) resize();
  });
  const output = (stream: 1 | 2, isTerminal: boolean): Output => ({
    isTerminal,
    columns: () => columns,
    rows: () => rows,
    write: (text) => {
      if (declined === undefined) session.print(stream, text);
    },
    onResize: (listener) => {
      resizes.add(listener);
      return () => resizes.delete(listener);
    },
  });
  const host: Host = {
    ...own,
    env: ask.env,
    cwd: ask.directory,
    engine: "there",
    stdout: output(1, ask.stdoutIsTerminal),
    stderr: output(2, ask.stderrIsTerminal),
    onSignal: (signal, listener) => session.onSignal(constants.signals[signal], listener),
    onOutputClosed: (listener) => session.onClosed(listener),
    outputClosed: () => session.isClosed,
    abandon: (exitCode) => session.abandon(exitCode),
    openServices: async () => {
      const { build, close } = open(host);
      const services: Pick<Services, "build" | "close"> = {
        close,
        build: async (options, listener, signal) => {
          try {
            return await build(options, listener, signal);
          } catch (error) {
            if (error instanceof Declined) declined = error.message;
            throw error;
          }
        },
      };
      return services as Services;
    },
  };
  const exitCode = await runCommand(ask.args, host);
  return declined === undefined ? { exitCode } : { declined };
}

function isPlainBuild(argv: readonly string[]): boolean {
  try {
    const { verb, flags } = parseArguments(argv);
    return verb === "build" && !OWN_AFFAIR.some((name) => flags.has(name));
  } catch {
    return false;
  }
}
