import { codeOf } from "../../base/index.ts";
import type { BuildSummary } from "../../scheduler/index.ts";
import type { Context } from "../context.ts";
import { EXIT, exitCodeOfFailure, exitCodeOfSignal, UsageError } from "../exit-code.ts";
import type { StopSignal } from "../host.ts";
import { LateDiagnostics } from "../render/late-diagnostics.ts";
import type { Renderer } from "../render/renderer.ts";
import { failureReport } from "../run.ts";
import type { BuildOptions } from "../services.ts";
import { chooseRenderer, isCancellation } from "./build.ts";

/** What cannot be watched: asking again what would be done, or doing the same again and again. */
const NOT_WATCHED = ["dry-run", "force", "check"] as const;

/**
 * Builds until it is told to stop. Ended while it waits, its exit code is that of the last build; ended while it builds,
 * that of the signal.
 */
export async function watchBuild(context: Context, options: BuildOptions): Promise<number> {
  const { host, args } = context;
  const contradiction = NOT_WATCHED.find((name) => args.flags.has(name));
  if (contradiction !== undefined)
    throw new UsageError(`--watch and --${contradiction} contradict each other`, { verb: "build" });
  const diagnostics = new LateDiagnostics(async () => (await import("../../dictum-parser/index.ts")).renderDiagnostic);
  const ending = new AbortController();
  let renderer: Renderer | undefined;
  let stoppedBy: StopSignal | undefined;
  let isBuilding = false;
  let wasBuilding = false;
  let exitCode: number = EXIT.ok;

  const stop = (signal: StopSignal) => () => {
    if (stoppedBy !== undefined) {
      renderer?.finish();
      host.abandon(exitCodeOfSignal(signal));
      return;
    }
    stoppedBy = signal;
    wasBuilding = isBuilding;
    if (isBuilding) renderer?.cancelling("cancelling: ending what runs (Ctrl-C again stops at once)\n");
    ending.abort();
  };
  const unwatch = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) => host.onSignal(signal, stop(signal)));
  host.onOutputClosed(() => ending.abort());
  const finish = () => {
    renderer?.finish();
    renderer = undefined;
  };
  try {
    const services = await context.services();
    await services.watch(
      options,
      {
        begin(because) {
          finish();
          isBuilding = true;
          const own = chooseRenderer(context, diagnostics);
          renderer = own;
          const listener = diagnostics.listener((event) => own.onEvent(event));
          if (because.length > 0) listener({ type: "changed", paths: because });
          return listener;
        },
        end(result) {
          isBuilding = false;
          if (isSummary(result)) {
            exitCode = result.outcome === "ok" ? EXIT.ok : EXIT.failed;
            return true;
          }
          finish();
          if (stoppedBy !== undefined && isCancellation(result)) return false;
          // A target that nobody makes yet, say, or a directory that somebody removes just when an output is put there: the
          // next save may bring it. What begat cannot do at all will not.
          exitCode = exitCodeOfFailure(codeOf(result), false);
          if (codeOf(result) === undefined || !MENDABLE.has(codeOf(result) ?? "")) throw result;
          host.stderr.write(failureReport(result, context.paint));
          return true;
        },
        watching(directories) {
          finish();
          const waiting = chooseRenderer(context, diagnostics);
          waiting.onEvent({ type: "watching", directories });
          waiting.finish();
        },
      },
      ending.signal,
    );
  } finally {
    await diagnostics.settled();
    finish();
    for (const undo of unwatch) undo();
  }
  if (host.outputClosed()) return EXIT.outputClosed;
  return stoppedBy !== undefined && wasBuilding ? exitCodeOfSignal(stoppedBy) : exitCode;
}

const MENDABLE: ReadonlySet<string> = new Set(["TARGET_UNKNOWN", "TARGET_IS_SOURCE", "FILE_NOT_FOUND"]);

function isSummary(result: unknown): result is BuildSummary {
  return typeof result === "object" && result !== null && "outcome" in result;
}
