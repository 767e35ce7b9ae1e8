import { codeOf, parseIsolationLevel } from "../../base/index.ts";
import type { BuildSummary } from "../../scheduler/index.ts";
import { meantVerb } from "../arguments.ts";
import { type Context, workspaceOptions } from "../context.ts";
import { EXIT, exitCodeOfFailure, exitCodeOfSignal, UsageError } from "../exit-code.ts";
import type { StopSignal } from "../host.ts";
import { parseSample } from "../quantity.ts";
import { createJsonRenderer } from "../render/json.ts";
import { LateDiagnostics } from "../render/late-diagnostics.ts";
import { createNarrator, noticeText } from "../render/narrator.ts";
import { createPlainRenderer } from "../render/plain.ts";
import type { Renderer } from "../render/renderer.ts";
import { createTerminalRenderer } from "../render/terminal.ts";
import { toldAnswer } from "../render/told-answer.ts";
import type { BuildOptions, FarmChoice } from "../services.ts";

const PRIORITIES = ["interactive", "ci", "background"] as const;
const EXECUTORS = ["server", "bubblewrap", "docker", "process"] as const;
/** Executed chores with a line of their own on a terminal; a log has them all. */
const TERMINAL_LINES = 40;

export async function build(context: Context): Promise<number> {
  const options = buildOptions(context);
  if (context.args.flags.has("watch")) return (await import("./watch.ts")).watchBuild(context, options);
  return run(context, options);
}

/** A build whose every result is checked, those of before too. */
export async function challenge(context: Context): Promise<number> {
  const { flags } = context.args;
  const times = flags.number("k") ?? 1;
  if (times < 1) throw new UsageError("--k takes a number from 1 on", { verb: "challenge" });
  const sample = parseSample(flags.text("sample") ?? "") ?? {};
  return run(context, { ...buildOptions(context), explain: false, check: { ...sample, times, earlier: true } });
}

async function run(context: Context, options: BuildOptions): Promise<number> {
  const { args, host } = context;
  const cancellation = new AbortController();
  const diagnostics = new LateDiagnostics(async () => (await import("../../dictum-parser/index.ts")).renderDiagnostic);
  const renderer = chooseRenderer(context, diagnostics);
  const listener = diagnostics.listener((event) => renderer.onEvent(event));
  let stoppedBy: StopSignal | undefined;

  const stop = (signal: StopSignal) => () => {
    if (stoppedBy !== undefined) {
      renderer.finish();
      host.abandon(exitCodeOfSignal(signal));
      return;
    }
    stoppedBy = signal;
    const again = signal === "SIGINT" ? "Ctrl-C again" : `${signal} again`;
    renderer.cancelling(`cancelling: ending what runs (${again} stops at once)\n`);
    cancellation.abort();
  };
  const unwatch = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) => host.onSignal(signal, stop(signal)));
  host.onOutputClosed(() => cancellation.abort());

  let summary: BuildSummary;
  try {
    const services = await context.services();
    summary = await services.build(options, listener, cancellation.signal);
    await diagnostics.settled();
    renderer.finish();
  } catch (error) {
    await diagnostics.settled();
    renderer.finish();
    if (stoppedBy !== undefined && isCancellation(error)) return exitCodeOfSignal(stoppedBy);
    if (host.outputClosed()) return EXIT.outputClosed;
    hintAtVerb(context, exitCodeOfFailure(codeOf(error), false));
    throw error;
  } finally {
    for (const undo of unwatch) undo();
  }
  if (summary.outcome === "ok") return EXIT.ok;
  if (stoppedBy !== undefined) return exitCodeOfSignal(stoppedBy);
  if (host.outputClosed()) return EXIT.outputClosed;
  if (summary.outcome === "refused" && !args.flags.has("json")) hintAtVerb(context, EXIT.failed);
  return EXIT.failed;
}

function buildOptions(context: Context): BuildOptions {
  const { flags, words } = context.args;
  if (flags.has("quiet") && flags.has("verbose")) {
    throw new UsageError("--quiet and --verbose contradict each other", { verb: context.args.verb });
  }
  const executor = flags.text("executor");
  return {
    ...workspaceOptions(context),
    targets: words,
    jobs: flags.number("jobs"),
    keepGoing: flags.has("keep-going"),
    dryRun: flags.has("dry-run"),
    force: flags.has("force"),
    minIsolation: parseIsolationLevel(flags.text("min-isolation") ?? ""),
    executor: EXECUTORS.find((name) => name === executor),
    outputs: flags.text("outputs") === "all" ? "all" : "targets",
    offline: flags.has("offline"),
    daemon: !flags.has("no-daemon"),
    timeoutMs: flags.number("timeout"),
    verbose: flags.has("verbose"),
    explain: !flags.has("no-explain"),
    agreeing: agreeing(flags.text("trust")),
    farm: farmChoice(context),
    cache: cacheChoice(context),
    told: (summary) => toldAnswer(context, summary),
    check: flags.has("check") ? (parseSample(flags.text("check") ?? "") ?? {}) : undefined,
  };
}

function farmChoice({ args: { flags }, host }: Context): BuildOptions["farm"] {
  const address = flags.text("farm") ?? (host.env.BEGAT_FARM || undefined);
  const download = flags.text("download");
  if (address !== undefined) {
    const [what = "all"] = (["toplevel", "none"] as const).filter((word) => word === download);
    return { address, instance: flags.text("instance") ?? "", download: what, priority: priorityOf(flags, host) };
  }
  const alone = flags.has("download")
    ? "download"
    : flags.has("priority")
      ? "priority"
      : flags.has("instance") && !flags.has("cache")
        ? "instance"
        : undefined;
  if (alone !== undefined)
    throw new UsageError(`--${alone} says something about a farm, and none is named`, { verb: "build" });
  if (flags.number("jobs") === 0)
    throw new UsageError("-j 0 leaves nothing to execute with; name a --farm", { verb: "build" });
  return undefined;
}

/** Whoever looks at a terminal waits; what a machine looks at can wait for them. */
function priorityOf(flags: Context["args"]["flags"], host: Context["host"]): FarmChoice["priority"] {
  const named = PRIORITIES.find((name) => name === flags.text("priority"));
  return named ?? (host.stdout.isTerminal && !isCi(host.env) ? "interactive" : "ci");
}

function cacheChoice({ args: { flags } }: Context): BuildOptions["cache"] {
  const address = flags.text("cache");
  if (address === undefined) {
    const alone = (["cache-write", "trust-unsigned"] as const).find((name) => flags.has(name));
    if (alone === undefined) return undefined;
    throw new UsageError(`--${alone} says something about a shared cache, and none is named`, { verb: "build" });
  }
  const [write, takesUnsigned] = [flags.has("cache-write"), flags.has("trust-unsigned")];
  return { address, instance: flags.text("instance") ?? "", write, takesUnsigned };
}

/** N of `k=N`. */
function agreeing(text: string | undefined): number | undefined {
  const k = /^k=([1-9]\d{0,2})$/.exec(text ?? "")?.[1];
  if (text !== undefined && k === undefined) {
    throw new UsageError(`--trust takes k=N, the number of executions that must agree, not "${text}"`, {
      verb: "build",
    });
  }
  return k === undefined ? undefined : Number(k);
}

export function chooseRenderer({ args, host, paint }: Context, diagnostics: LateDiagnostics): Renderer {
  const { flags } = args;
  if (flags.has("json")) return createJsonRenderer(host.stdout, host.every);
  const onTerminal = host.stdout.isTerminal;
  const narrator = createNarrator({
    paint,
    drawDiagnostic: (diagnostic, how) => diagnostics.draw(diagnostic, how),
    quiet: flags.has("quiet"),
    verbose: flags.has("verbose"),
    checks: args.verb === "challenge",
    lineBudget: onTerminal ? TERMINAL_LINES : Number.POSITIVE_INFINITY,
  });
  const live = onTerminal && !flags.has("quiet") && !flags.has("dry-run") && redraws(host.env);
  if (!live) return createPlainRenderer(host.stdout, narrator, host.every);
  return createTerminalRenderer(host.stdout, narrator, {
    every: host.every,
    now: host.now,
    colour: paint.enabled,
    load: () => host.loadLive(),
  });
}

/** A CI system's "terminal" keeps every picture of a live view, one below the other. */
const redraws = (env: Context["host"]["env"]): boolean => !isCi(env) && env.TERM !== "dumb";

const isCi = (env: Context["host"]["env"]): boolean =>
  [env.CI, env.CONTINUOUS_INTEGRATION].some((set) => set !== undefined && set !== "0" && set !== "false");

export function isCancellation(error: unknown): boolean {
  return codeOf(error) === "EXECUTOR_CANCELLED" || (error instanceof Error && error.name === "AbortError");
}

/** `begat bulid` was read as a target; say so where nothing came of it. */
function hintAtVerb({ args, host, paint }: Context, exitCode: number): void {
  const verb = meantVerb(args);
  if (verb === undefined || (exitCode !== EXIT.failed && exitCode !== EXIT.usage)) return;
  const taken = `"${args.words[0]}" is no command, so it was taken as a target; did you mean "begat ${verb}"?`;
  host.stderr.write(noticeText("note", taken, undefined, paint));
}
