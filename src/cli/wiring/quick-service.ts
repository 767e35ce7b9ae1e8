import { fileURLToPath } from "node:url";
import type { WorkspacePath } from "../../base/index.ts";
import {
  type BuildSummary,
  CHECKOUT,
  Checkout,
  type EventListener,
  encodeGlance,
  type QuickAnswer,
  type QuickRequest,
  quickCheck,
} from "../../scheduler/index.ts";
import { counted } from "../quantity.ts";
import type { BuildOptions } from "../services.ts";
import type { Machine, Workspace } from "./machine.ts";

/** What of begat decides how begatfiles are read: another build of it evaluates anew. */
export const planVersion = ({ host }: Machine): string => `${host.version.version}+${host.version.build}`;

/** What is asked about the checkout; `undefined` where a build must look properly whatever the answer. */
export function quickRequest(machine: Machine, workspace: Workspace, options: BuildOptions): QuickRequest | undefined {
  if (options.dryRun || options.force || options.executor !== undefined || options.check?.earlier) return undefined;
  return {
    version: planVersion(machine),
    entries: workspace.entries,
    overrides: options.overrides,
    targets: options.targets,
    directory: workspace.directory as WorkspacePath,
    everyOutput: options.outputs === "all",
    minIsolation: options.minIsolation,
    env: (name) => machine.host.env[name],
  };
}

/** Tells `listener` of a build that had nothing to do. */
export function quickSummary(
  answer: Extract<QuickAnswer, { upToDate: true }>,
  listener: EventListener,
  durationMs: number,
): BuildSummary {
  if (answer.warnings.length > 0) listener({ type: "diagnostics", diagnostics: answer.warnings });
  const summary: BuildSummary = {
    outcome: "ok",
    planned: answer.chores,
    executed: 0,
    cached: 0,
    failed: 0,
    skipped: 0,
    settled: answer.chores,
    checked: 0,
    differing: 0,
    materialised: 0,
    durationMs,
    level: answer.level,
    ledgerSize: undefined,
    dryRun: false,
  };
  listener({ type: "build-finished", summary });
  return summary;
}

/** What `begat build` asks without more words, in a workspace's root. */
function isPlain(request: QuickRequest, options: BuildOptions, { host }: Machine): boolean {
  const isBare = request.targets.length === 0 && Object.keys(request.overrides).length === 0 && !request.everyOutput;
  const isUsual = request.minIsolation === undefined && options.begatfiles.length === 0 && !options.verbose;
  return isBare && isUsual && request.directory === "" && host.cwd === process.cwd();
}

/** Leaves word for begat-client, unless there is one that came after everything it speaks of. */
function saveGlance(
  machine: Machine,
  checkout: Checkout,
  { chores, proof }: Extract<QuickAnswer, { upToDate: true }>,
): void {
  const bundle = fileURLToPath(new URL("begat.cjs", import.meta.url));
  const changedMs = (path: string): number => machine.fs.stat(path)?.mtimeMs ?? 0;
  const written = changedMs(CHECKOUT.glance);
  if (written > changedMs(CHECKOUT.state) && written > changedMs(bundle)) return;
  const { env } = machine.host;
  const names = new Set(WATCHED_VARIABLES);
  for (const name of Object.keys(env)) if (name.startsWith("BEGAT_") && name !== CERTIFICATES) names.add(name);
  for (const name of proof?.variables ?? []) names.add(name);
  const text = `nothing to do: ${counted(chores, "chore")} up to date  (`;
  const variables = [...names].map((name) => [name, env[name]] as const);
  const facts = { bundle, ledger: machine.ledgerFile, env: variables, text };
  const bytes = chores === 0 || proof === undefined ? undefined : encodeGlance(checkout, proof, facts);
  if (bytes !== undefined) checkout.save(CHECKOUT.glance, bytes);
}

/** Set on the way to Node, and of no account where nothing is fetched. */
const CERTIFICATES = "BEGAT_EXTRA_CA_CERTS";
/** Where begat keeps things, what it looks like, and what Node does before begat is asked. */
const WATCHED_VARIABLES = ["HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "FORCE_COLOR", "NO_COLOR", "NODE_OPTIONS"];

/** Nothing to do, and known by stats alone; `undefined` where a build must look properly. */
export function quickly(
  machine: Machine,
  workspace: Workspace,
  options: BuildOptions,
  listener: EventListener,
): BuildSummary | undefined {
  const started = machine.clock.monotonicMs();
  const request = quickRequest(machine, workspace, options);
  if (request === undefined) return undefined;
  // Paths from the working directory are half as long, and every stat is the quicker for it.
  process.chdir(workspace.root);
  const checkout = new Checkout(machine.fs, "", { ledger: machine.ledgerFile });
  const answer = quickCheck(checkout, request);
  if (!answer.upToDate) return undefined;
  if (isPlain(request, options, machine) && answer.warnings.length === 0) saveGlance(machine, checkout, answer);
  return quickSummary(answer, listener, machine.clock.monotonicMs() - started);
}
