import type { WorkspacePath } from "../base/index.ts";
import { type Diagnostic, declaredSources, ParsedFiles } from "../dictum-parser/index.ts";
import type { ReadySource, SourceRequest } from "../hermetic/index.ts";
import { carryState } from "./carry-state.ts";
import { CHECKOUT } from "./checkout.ts";
import { CheckoutHost, evaluatePlan } from "./evaluate-plan.ts";
import type { EventListener } from "./events.ts";
import { checkReads, type ReadSignature, signRead } from "./freshness.ts";
import type { Plan } from "./plan.ts";
import { encodePlan, type LoadedPlan, type PlanFacts, planKey } from "./plan-file.ts";
import type { BuildOptions, BuildRooms, ImageSpec } from "./rooms.ts";
import { CheckoutState } from "./state.ts";

/** A plan that fits the begatfiles as they are, and what is remembered about it. */
export interface Prepared {
  readonly loaded: LoadedPlan;
  readonly state: CheckoutState;
  /** Value of the platform property `container-image`, by the key of a tool set. */
  readonly hosts: ReadonlyMap<string, string>;
  /** Sources that came in just now, for the ledger. */
  readonly ingested: readonly ReadySource[];
}

export type PrepareResult =
  | ({ readonly ok: true } & Prepared)
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

export const toolsKey = (tools: readonly string[]): string => [...tools].sort().join(" ");

/** Uses the last plan while everything it was made from is unchanged; else fetches, parses and evaluates. */
export async function prepare(
  rooms: BuildRooms,
  options: BuildOptions,
  listener: EventListener,
  signal: AbortSignal,
): Promise<PrepareResult> {
  const { checkout } = rooms;
  const key = planKey(options.version, options.entries, options.overrides);
  const kept = rooms.warm?.recall(checkout);
  const last = kept?.loaded ?? checkout.loadPlan();
  const remembered = kept?.state ?? checkout.loadState();
  const state = last && remembered?.planId === last.id ? remembered : undefined;
  if (last !== undefined && state !== undefined && last.facts.key === key && sameEnv(last, options)) {
    const reads = checkReads(checkout, state.reads);
    if (reads.fresh) {
      if (reads.refreshed) state.reads = reads.refreshed;
      return { ok: true, loaded: last, state, hosts: new Map(Object.entries(state.hosts)), ingested: [] };
    }
  }
  return evaluateAnew(rooms, options, key, last, state, listener, signal);
}

function sameEnv(loaded: LoadedPlan, options: BuildOptions): boolean {
  return loaded.facts.env.every(([name, value]) => (options.env(name) ?? null) === value);
}

async function evaluateAnew(
  rooms: BuildRooms,
  options: BuildOptions,
  key: string,
  last: LoadedPlan | undefined,
  before: CheckoutState | undefined,
  listener: EventListener,
  signal: AbortSignal,
): Promise<PrepareResult> {
  const { checkout } = rooms;
  const request = {
    entries: options.entries,
    overrides: options.overrides,
    sourceDirectory: (name: string) => rooms.sourceDirectory(name),
  };
  const host = new CheckoutHost(checkout, options.env);
  const parsed = new ParsedFiles();
  const declared = declaredSources(request, host, parsed);
  if (declared.diagnostics.some(({ severity }) => severity === "error")) {
    // Nothing is fetched then, but whatever else is wrong is told in the same breath.
    const all = evaluatePlan(checkout, host, { ...request, key, parsed, alsoReads: [] });
    return {
      ok: false,
      diagnostics: all.ok ? declared.diagnostics : certainMistakes(all.diagnostics, declared.sources),
    };
  }
  const ready = await provideSources(rooms, declared.sources, listener, signal);
  const alsoReads = ready.map(({ lock }) => rooms.sourceMarker(lock.name));
  const laid = await layOut(rooms, host, { ...request, key, parsed, alsoReads }, signal);
  if (!laid.ok) return laid;
  const { plan, parts, id, facts } = laid;
  const { images, imageSpecs } = facts;
  const { hosts, reads } = hostIdentities(rooms, plan);
  const state =
    last && before ? carryState(before, last.plan, plan, id) : new CheckoutState(id, plan.pathCount, plan.choreCount);
  unsettleWhereHostChanged(plan, state, hosts);
  unsettleWherePinsChanged(plan, state, last?.facts.imageSpecs ?? [], imageSpecs);
  // Resolving may just have written it, so it is looked at now.
  const lock = ready.length + images.length === 0 ? [] : [signRead(checkout, "begat.lock", "file")];
  state.reads = [...laid.reads, ...reads, ...lock];
  state.hosts = Object.fromEntries(hosts);
  if (!options.dryRun) {
    checkout.save(CHECKOUT.plan, parts);
    // A state that names another plan is ignored; this one must follow the plan at once.
    checkout.saveState(state);
  }
  const loaded: LoadedPlan = { plan, facts, id };
  return { ok: true, loaded, state, hosts, ingested: ready.filter((source) => source.ingested) };
}

/** The plan as it is written. A function of its own, so that nothing of what led to it stays in memory. */
async function layOut(
  rooms: BuildRooms,
  host: CheckoutHost,
  request: Parameters<typeof evaluatePlan>[2],
  signal: AbortSignal,
) {
  const evaluated = evaluatePlan(rooms.checkout, host, request);
  request.parsed.clear();
  if (!evaluated.ok) return evaluated;
  const { images } = evaluated.facts;
  const imageSpecs = images.length === 0 ? [] : await rooms.images.resolve(images, signal);
  const facts: PlanFacts = { ...evaluated.facts, imageSpecs };
  const { plan, reads } = evaluated;
  return { ok: true as const, plan, ...encodePlan(plan, facts), facts, reads };
}

/** Without what a source that is not here yet may bring. */
function certainMistakes(diagnostics: readonly Diagnostic[], sources: readonly SourceRequest[]): readonly Diagnostic[] {
  const uncertain = ["EVAL_FILE_MISSING", "EVAL_FILE_UNREADABLE", "EVAL_GLOB_EMPTY"];
  return sources.length === 0 ? diagnostics : diagnostics.filter(({ code }) => !uncertain.includes(code));
}

async function provideSources(
  rooms: BuildRooms,
  requests: readonly SourceRequest[],
  listener: EventListener,
  signal: AbortSignal,
): Promise<readonly ReadySource[]> {
  if (requests.length === 0) return [];
  const ready = await rooms.sources.provide(requests, signal);
  for (const { lock, ingested, lockChanged } of ready) {
    if (!ingested && !lockChanged) continue;
    const sizeBytes = lock.files.reduce((sum, file) => sum + file.sizeBytes, 0);
    listener({ type: "fetched", name: lock.name, version: lock.version, sizeBytes, lockChanged });
  }
  return ready;
}

/** Works out the host's identity for each set of tools in the plan, and what it rests on. */
function hostIdentities(rooms: BuildRooms, plan: Plan): { hosts: Map<string, string>; reads: ReadSignature[] } {
  const hosts = new Map<string, string>();
  const watched = new Set<string>();
  const seen = new Set<number>();
  for (let chore = 0; chore < plan.choreCount; chore++) {
    const extras = plan.columns.extras[chore] as number;
    const image = plan.columns.image[chore] as number;
    if (seen.has(extras) && seen.has(-1 - image)) continue;
    seen.add(extras).add(-1 - image);
    const name = plan.strings.at(image);
    if (name !== "host") continue;
    const { tools } = plan.extras(chore);
    const key = toolsKey(tools);
    if (hosts.has(key)) continue;
    const identity = rooms.hostIdentity(tools);
    hosts.set(key, identity.image);
    for (const path of identity.watched) watched.add(path);
  }
  const reads = [...watched].map((path) => {
    const isDirectory = rooms.checkout.fs.stat(path)?.kind === "directory";
    return signRead(rooms.checkout, path, isDirectory ? "directory" : "file");
  });
  return { hosts, reads };
}

function unsettleWhereHostChanged(plan: Plan, state: CheckoutState, hosts: ReadonlyMap<string, string>): void {
  const changed = [...hosts].filter(([key, image]) => state.hosts[key] !== image).map(([key]) => key);
  if (changed.length === 0) return;
  for (let chore = 0; chore < plan.choreCount; chore++) {
    if (state.settled[chore] && changed.includes(toolsKey(plan.extras(chore).tools))) state.unsettle(chore);
  }
}

/** The pins of an image stand in begat.lock, not in the plan: a chore that looks the same may have others. */
function unsettleWherePinsChanged(
  plan: Plan,
  state: CheckoutState,
  before: readonly ImageSpec[],
  now: readonly ImageSpec[],
): void {
  const known = new Map(before.map(({ name, text }) => [name, text]));
  const changed = new Set(now.filter(({ name, text }) => known.get(name) !== text).map(({ name }) => name));
  if (changed.size === 0) return;
  for (let chore = 0; chore < plan.choreCount; chore++) {
    if (plan.has(chore, "image") && changed.has(plan.imageName(chore))) state.unsettle(chore);
  }
}

/** Sources whose trees stand among these paths. */
export function sourcesAmong(rooms: BuildRooms, loaded: LoadedPlan, paths: readonly string[]): string[] {
  return loaded.facts.sources
    .filter(({ name }) => {
      const directory: WorkspacePath = rooms.sourceDirectory(name);
      return paths.some((path) => path === directory || path.startsWith(`${directory}/`));
    })
    .map(({ name }) => name);
}
