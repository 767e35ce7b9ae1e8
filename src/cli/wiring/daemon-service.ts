import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path/posix";
import { explain } from "../../base/index.ts";
import {
  type BuilderStatus,
  builderSockets,
  Engine,
  EngineError,
  type EngineStatus,
  engineDirectory,
  localFileSystems,
  orderEngine,
  type StandbyEnd,
  socketIn,
  WarmAnswers,
} from "../../engine/index.ts";
import { NativeChangeFeed } from "../../platform/index.ts";
import { Checkout, followGlance, quickCheck, WatchedDirectories } from "../../scheduler/index.ts";
import type { DaemonStarted, DaemonView } from "../daemon-services.ts";
import { bundleFile, changeFeedProgram } from "../engine/bundle-file.ts";
import { closeInheritedFiles } from "../engine/inherited-files.ts";
import { FAILURE_FILE, spawnBuilder, spawnEngine } from "../engine/start.ts";
import { wantsEngine } from "../engine/wanted.ts";
import { counted } from "../quantity.ts";
import type { Finding } from "../services.ts";
import type { Machine } from "./machine.ts";

const PATIENCE_MS = 2000;
/** A start is awaited so long, in steps; Node needs 30 to 300 ms for it. */
const STARTING_MS = 10_000;
const STEP_MS = 20;

/** Where the sockets are. @throws {EngineError} `DAEMON_NO_PLACE` */
export function enginePlace(machine: Machine): string {
  const directory = engineDirectory(machine.host.env);
  if (directory !== undefined) return directory;
  throw new EngineError("DAEMON_NO_PLACE", "there is no directory for the engine's socket", {
    hint: "set XDG_RUNTIME_DIR, or BEGAT_RUNTIME_HOME, to an absolute path of less than 90 bytes",
  });
}

type Builders = { readonly builders: readonly BuilderStatus[] };

export async function daemonStatus(machine: Machine): Promise<DaemonView & Builders> {
  const directory = enginePlace(machine);
  const builders = await tellBuilders(directory, "status");
  const exchange = await orderEngine(directory, { kind: "status" }, PATIENCE_MS);
  const socket = socketIn(directory);
  if (exchange.kind === "status")
    return { state: "running", socket, status: exchange.status as EngineStatus, builders };
  if (exchange.kind !== "absent") return { state: "silent", socket, builders };
  return { state: "absent", socket, failure: lastFailure(directory), builders };
}

/** Those that answer, in the order of their checkouts. */
async function tellBuilders(directory: string, kind: "status" | "stop"): Promise<readonly BuilderStatus[]> {
  const told = builderSockets(directory).map((name) => orderEngine(directory, { kind }, PATIENCE_MS, name));
  const found = (await Promise.all(told)).flatMap((exchange) =>
    exchange.kind === "status" ? [exchange.status as BuilderStatus] : [],
  );
  return found.sort((a, b) => (a.root < b.root ? -1 : 1));
}

export async function daemonStart(
  machine: Machine,
  { idle, builds }: { readonly idle: string | undefined; readonly builds: string | undefined },
): Promise<DaemonStarted> {
  const directory = enginePlace(machine);
  const root = builds === undefined ? undefined : machine.workspace(builds, []).root;
  const find = async () => {
    const { builders, ...view } = await daemonStatus(machine);
    return { ...view, builder: builders.find((builder) => builder.root === root) };
  };
  const before = await find();
  const fresh = before.state === "absent";
  if (!fresh && (root === undefined || before.builder !== undefined)) return { ...before, fresh, problem: undefined };
  rmSync(join(directory, FAILURE_FILE), { force: true });
  if (fresh) spawnEngine(machine.host.env, idle);
  if (root !== undefined && before.builder === undefined) spawnBuilder(machine.host.env, root, idle);
  const until = machine.clock.monotonicMs() + STARTING_MS;
  for (;;) {
    const now = await find();
    const stands = now.state !== "absent" && (root === undefined || now.builder !== undefined);
    if (stands) return { ...now, fresh, problem: undefined };
    const isLate = machine.clock.monotonicMs() > until;
    const problem = lastFailure(directory) ?? (isLate ? `nobody listened after ${STARTING_MS / 1000} s` : undefined);
    if (problem !== undefined) return { ...now, fresh, problem };
    await machine.clock.sleep(STEP_MS);
  }
}

export async function daemonStop(
  machine: Machine,
): Promise<{ readonly stopped: boolean; readonly pid: number | undefined; readonly builders: readonly number[] }> {
  const directory = enginePlace(machine);
  // First the engine, which would name them to whoever asks.
  const exchange = await orderEngine(directory, { kind: "stop" }, PATIENCE_MS);
  const builders = (await tellBuilders(directory, "stop")).map(({ pid }) => pid);
  const pid = exchange.kind === "status" ? (exchange.status as EngineStatus).pid : undefined;
  // Whoever stops them may want to start others at once.
  const until = machine.clock.monotonicMs() + PATIENCE_MS;
  const all = [...builders, ...(pid === undefined ? [] : [pid])];
  while (all.some(isAlive) && machine.clock.monotonicMs() < until) await machine.clock.sleep(STEP_MS);
  return { stopped: pid !== undefined, pid, builders };
}

/** Serves in this process until it is told to stop, or has been idle for so long. */
export async function daemonServe(machine: Machine, idleMs: number, signal: AbortSignal): Promise<StandbyEnd> {
  closeInheritedFiles();
  const directory = enginePlace(machine);
  try {
    const feed = await NativeChangeFeed.start(changeFeedProgram());
    const warm = new WarmAnswers(
      machine.fs,
      machine.clock,
      feed,
      new WatchedDirectories(feed, machine.fs, localFileSystems()),
      (files, { root, ledger, request }) => quickCheck(new Checkout(files, root, { ledger }), request),
      // Plan and state of a large graph would take as long as a build to read, and all the memory there is.
      (files, { root, ledger, request, glances }, pause) =>
        followGlance(
          files,
          { root, bundle: bundleFile(), ledger, questions: glances ?? [], env: (name) => request.env(name) },
          pause,
        ),
    );
    const { answerCommand } = await import("../engine/answer-command.ts");
    const engine = new Engine({
      directory,
      bundleFile: bundleFile(),
      version: machine.host.version.version,
      idleMs,
      feed,
      warm,
      answer: (ask) => answerCommand(ask, warm, directory, machine.host),
    });
    await engine.start();
    rmSync(join(directory, FAILURE_FILE), { force: true });
    signal.addEventListener("abort", () => engine.stop());
    return await engine.untilEnd();
  } catch (error) {
    if (!(error instanceof EngineError && error.code === "DAEMON_RUNNING")) noteFailure(directory, error);
    throw error;
  }
}

/** A line for `begat doctor`. Doing without is no weakness of the results, so only one that cannot start is one. */
export async function engineFinding(machine: Machine): Promise<Finding> {
  const subject = "warm engine";
  const fine = (text: string): Finding => ({ subject, state: "ok", text, hint: undefined });
  if (!existsSync(changeFeedProgram())) return fine("none: begat-change-feed was not built, which needs a C compiler");
  if (!wantsEngine(machine.host.env)) return fine("not wanted: BEGAT_DAEMON is 0, or CI is set");
  if (engineDirectory(machine.host.env) === undefined) return fine("none: there is no directory for its socket");
  const view = await daemonStatus(machine);
  if (view.state === "running") {
    const { pid, answered, asked } = view.status;
    return fine(`process ${pid}, answered ${answered} of ${counted(asked, "build")}`);
  }
  if (view.state === "absent" && view.failure === undefined) return fine("none runs; the next build starts one");
  const text = view.state === "silent" ? `somebody listens on ${view.socket} and says nothing` : view.failure;
  return { subject, state: "weak", text: text ?? "", hint: "`begat daemon start` tries again" };
}

/** Why an engine or a builder could not start. */
export function noteFailure(directory: string, error: unknown): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(join(directory, FAILURE_FILE), `${explain(error)}\n`);
  } catch {
    // Then the next command tries again.
  }
}

function lastFailure(directory: string): string | undefined {
  try {
    return readFileSync(join(directory, FAILURE_FILE), "utf8").trim();
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
