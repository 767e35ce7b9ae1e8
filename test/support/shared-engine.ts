import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type EngineStatus, engineDirectory, orderEngine } from "../../src/engine/index.ts";
import { ClientInstallation } from "./client-installation.ts";
import { afterThisFile } from "./leftovers.ts";

let shared: Record<string, string> | undefined;
let installation: ClientInstallation | undefined;
let end = (): void => {};

/**
 * What tells begat whether to ask a warm engine: no, unless BEGAT_E2E_DAEMON is set; then there is one engine for all
 * checkouts of this test process, started at the first question. Where it is "builder", begat is run by begat-client.
 */
export function engineEnvironment(program: () => string): Record<string, string> {
  if (!process.env.BEGAT_E2E_DAEMON) return { BEGAT_DAEMON: "0" };
  shared ??= startEngine(program());
  const client = byClient();
  return client === undefined ? shared : { ...shared, PATH: `${client.bin}:${process.env.PATH}` };
}

/** Words that run begat: Node and the bundle, or begat-client. */
export function begatWords(program: string): readonly [string, ...string[]] {
  const client = byClient();
  return client === undefined ? [process.execPath, program] : [client.client, client.root];
}

/** Builds that Node did for begat-client, since nobody else did. */
export function buildsAlone(): number {
  const told = installation && join(dirname(installation.root), "alone");
  return told !== undefined && existsSync(told) ? statSync(told).size : 0;
}

/** A Node that leaves a byte for each build it is to do itself. */
const aloneToo = (place: string): string =>
  `#!/bin/sh\nif [ "$2" = build ]; then printf x >> "${place}/alone"; fi\nexec "${process.execPath}" "$@"\n`;

/** Where builders are to work: has one stand by for this checkout. */
export function standBuilderBy(directory: string, env: Readonly<Record<string, string>>): void {
  const client = byClient();
  if (client === undefined) return;
  const words = [client.root, "daemon", "start", "--builds", "."];
  const started = spawnSync(client.client, words, { cwd: directory, env, encoding: "utf8" });
  if (started.status !== 0) throw new Error(`no builder of ${directory}: ${started.stdout}${started.stderr}`);
}

function byClient(): ClientInstallation | undefined {
  if (process.env.BEGAT_E2E_DAEMON !== "builder") return undefined;
  if (installation === undefined) {
    const place = mkdtempSync(join(tmpdir(), "begat-client-"));
    // As the engine's: others run it too.
    chmodSync(place, 0o755);
    // Not at the end of the process, which is ended by a signal: the files that ask for it have one of their own.
    afterThisFile(() => rmSync(place, { recursive: true, force: true }));
    installation = new ClientInstallation(place, aloneToo(place));
  }
  return installation;
}

function startEngine(program: string): Record<string, string> {
  const place = mkdtempSync(join(tmpdir(), "begat-engine-"));
  const env = { BEGAT_DAEMON: "1", BEGAT_RUNTIME_HOME: place };
  const started = spawnSync(process.execPath, [program, "daemon", "start", "--idle", "10m", "--json"], {
    env: { PATH: process.env.PATH ?? "", HOME: place, ...env },
    encoding: "utf8",
  });
  if (started.status !== 0) throw new Error(`no engine for the tests: ${started.stdout}${started.stderr}`);
  // Whatever runs as another user has to come by, to find that it may not enter.
  chmodSync(place, 0o755);
  end = () => {
    spawnSync(process.execPath, [program, "daemon", "stop"], {
      env: { PATH: process.env.PATH ?? "", HOME: place, ...env },
    });
    rmSync(place, { recursive: true, force: true });
  };
  return env;
}

/** For the end of a file's tests: a test process is ended by a signal, and so never says that it exits. */
export function endSharedEngine(): void {
  end();
}

/** What the engine says of itself. */
export async function engineStatus(env: Readonly<Record<string, string>>): Promise<EngineStatus | undefined> {
  const exchange = await orderEngine(engineDirectory(env) ?? "/nowhere", { kind: "status" }, 10_000);
  return exchange.kind === "status" ? (exchange.status as EngineStatus) : undefined;
}

/** The engine all tests of this process share. */
export const sharedEngineStatus = (): Promise<EngineStatus | undefined> => engineStatus(shared ?? {});
