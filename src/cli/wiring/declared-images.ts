import { parseSha256, type Sha256 } from "../../base/index.ts";
import type { ImageDeclaration } from "../../dictum-parser/index.ts";
import { type BuildRooms, type Images, type Prepared, prepare } from "../../scheduler/index.ts";
import type { BuildOptions, WorkspaceOptions } from "../services.ts";
import { schedulerOptions } from "./build-options.ts";
import { buildRooms } from "./build-service.ts";
import type { Machine, Workspace } from "./machine.ts";

/** What the begatfiles of a workspace declare, without anything of it being resolved or built. */
export interface Declared {
  readonly workspace: Workspace;
  readonly rooms: BuildRooms;
  readonly prepared: Awaited<ReturnType<typeof prepare>>;
}

/** For looking at a plan: images stay as they are declared, so no package is looked for and no pin is written. */
const UNRESOLVED = { resolve: async () => [] } satisfies Pick<Images, "resolve">;

/** A build's plan, made for looking at: nothing is written to the checkout but fetched sources. */
export async function declared(machine: Machine, options: WorkspaceOptions, offline = false): Promise<Declared> {
  const workspace = machine.workspace(options.directory, options.begatfiles);
  const asked: BuildOptions = {
    ...options,
    targets: [],
    jobs: undefined,
    keepGoing: false,
    dryRun: true,
    force: false,
    minIsolation: undefined,
    executor: undefined,
    outputs: "targets",
    offline,
    timeoutMs: undefined,
    verbose: false,
    explain: false,
    check: undefined,
  };
  const wired = buildRooms(machine, workspace, asked, () => {});
  const rooms = { ...wired, images: { ...wired.images, ...UNRESOLVED } };
  const never = new AbortController().signal;
  const prepared = await prepare(rooms, schedulerOptions(machine, workspace, asked), () => {}, never);
  return { workspace, rooms, prepared };
}

/** The config digest that the last build of each image gave. */
export function builtImages({ loaded, state }: Prepared): ReadonlyMap<string, Sha256> {
  const { plan } = loaded;
  const built = new Map<string, Sha256>();
  for (let chore = 0; chore < plan.choreCount; chore++) {
    if (!plan.has(chore, "image")) continue;
    for (const entry of plan.outputsOf(chore)) {
      const value = state.texts.get(entry >>> 1);
      const digest = value?.startsWith("sha256:") ? parseSha256(value.slice("sha256:".length)) : undefined;
      if (digest !== undefined) built.set(plan.imageName(chore), digest);
    }
  }
  return built;
}

export function placeOf({ at }: ImageDeclaration): string {
  return `${at.file}:${at.line}:${at.column}`;
}
