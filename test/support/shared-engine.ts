import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EngineStatus, engineDirectory, orderEngine } from "../../src/engine/index.ts";

let shared: Record<string, string> | undefined;

/**
 * What tells begat whether to ask a warm engine: no, unless BEGAT_E2E_DAEMON is set; then there is one engine for all
 * checkouts of this test process, started at the first question.
 */
export function engineEnvironment(program: () => string): Record<string, string> {
  if (!process.env.BEGAT_E2E_DAEMON) return { BEGAT_DAEMON: "0" };
  shared ??= startEngine(program());
  return shared;
}

function startEngine(program: string): Record<string, string> {
  const place = mkdtempSync(join(tmpdir(), "begat-engine-"));
  const env = { BEGAT_DAEMON: "1", BEGAT_RUNTIME_HOME: place };
  const started = spawnSync(process.execPath, [program, "daemon", "start", "--idle", "10m", "--json"], {
    env: { PATH: process.env.PATH ?? "", HOME: place, ...env },
    encoding: "utf8",
  });
  if (started.status !== 0) throw new Error(`no engine for the tests: ${started.stdout}${started.stderr}`);
  const { pid } = (JSON.parse(started.stdout) as { status: EngineStatus }).status;
  // Whatever runs as another user has to come by, to find that it may not enter.
  chmodSync(place, 0o755);
  process.on("exit", () => {
    process.kill(pid, "SIGKILL");
    rmSync(place, { recursive: true, force: true });
  });
  return env;
}

/** What the engine says of itself. */
export async function engineStatus(env: Readonly<Record<string, string>>): Promise<EngineStatus | undefined> {
  const exchange = await orderEngine(engineDirectory(env) ?? "/nowhere", { kind: "status" }, 10_000);
  return exchange.kind === "status" ? (exchange.status as EngineStatus) : undefined;
}

/** The engine all tests of this process share. */
export const sharedEngineStatus = (): Promise<EngineStatus | undefined> => engineStatus(shared ?? {});
