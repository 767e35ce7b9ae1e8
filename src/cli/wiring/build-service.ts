import { join } from "node:path/posix";
import type { WorkspacePath } from "../../base/index.ts";
import { BuildLeases, type FileBlobStore } from "../../cache/index.ts";
import { hostIdentity } from "../../executor/index.ts";
import { createSourceProvider } from "../../hermetic/index.ts";
import { encodeTree } from "../../protocol/index.ts";
import {
  type BuildRooms,
  type BuildSummary,
  build,
  Checkout,
  type ChosenExecutor,
  type EventListener,
  type Records,
  type WarmBuild,
} from "../../scheduler/index.ts";
import type { BuildOptions } from "../services.ts";
import { schedulerOptions } from "./build-options.ts";
import { chooseExecutor } from "./choose-executor.ts";
import { imageProvider, imagesOf } from "./images.ts";
import type { Machine, Workspace } from "./machine.ts";
import type { othersOf } from "./others.ts";
import { packagesOf } from "./package-finder.ts";
import { openRecords } from "./records.ts";

const SOURCES = ".begat/source";

export async function runBuild(
  machine: Machine,
  workspace: Workspace,
  options: BuildOptions,
  listener: EventListener,
  signal: AbortSignal,
  warm: WarmBuild,
): Promise<BuildSummary> {
  const hasOthers = (options.farm !== undefined || options.cache !== undefined) && !options.dryRun;
  // What speaks to others is loaded where there are any.
  const others = hasOthers ? (await import("./others.ts")).othersOf : undefined;
  const rooms = buildRooms(machine, workspace, options, listener, { withOthers: others });
  return build(schedulerOptions(machine, workspace, options), { ...rooms, warm }, listener, signal);
}

/** What a build may leave to the next of its process; each is made when the first one needs it. */
export interface KeptRooms {
  readonly blobs: FileBlobStore;
  executor(images: boolean, choose: () => Promise<ChosenExecutor>): Promise<ChosenExecutor>;
  records(open: () => Promise<Records>): Promise<Records>;
}

/** The rooms of one build, wired. */
export function buildRooms(
  machine: Machine,
  workspace: Workspace,
  options: BuildOptions,
  listener: EventListener,
  { kept, withOthers }: { readonly kept?: KeptRooms; readonly withOthers?: typeof othersOf | undefined } = {},
): BuildRooms {
  const { fs } = machine;
  const notice = (code: string, severity: "note" | "warning") => (text: string) =>
    listener({ type: "notice", severity, code, message: text, hint: undefined });
  const checkout = new Checkout(fs, workspace.root, {
    mayWrite: !options.dryRun,
    ledger: machine.ledgerFile,
  });
  const { blobs, executor, records } = kept ?? ownRooms(machine, workspace);
  const provider = imageProvider(machine, workspace, blobs, {
    offline: options.offline,
    onFetching: ({ name, what }) => listener({ type: "fetching", name, what }),
  });
  const recordsOnce = () =>
    records(() => openRecordsWithLease(machine, blobs, options, notice("INDEX_NOTICE", "warning")));
  const onWarning = (code: string, text: string) => notice(code, "warning")(text);
  const others = withOthers?.({ machine, options, own: blobs, provider, records: recordsOnce, onWarning });
  return {
    checkout,
    clock: machine.clock,
    random: machine.random,
    log: machine.log,
    processes: machine.processes,
    blobs: others?.blobs ?? blobs,
    bulk: machine.bulk,
    executor: (images = false) =>
      executor(images, () =>
        chooseExecutor({
          machine,
          workspace,
          options,
          images,
          provider,
          blobs,
          onNotice: notice("EXECUTOR_NOTICE", "note"),
          onWeaker: notice("EXECUTOR_WEAKER", "warning"),
        }).then((chosen) => others?.besides(chosen) ?? chosen),
      ),
    ...others?.rooms,
    records: recordsOnce,
    sources: createSourceProvider({
      fs,
      fetcher: machine.fetcher,
      blobs,
      runner: machine.runner,
      workspace: workspace.root,
      encodeTree,
      environment: machine.environment,
      offline: options.offline,
      onFetching: ({ name, what }) => listener({ type: "fetching", name, what }),
    }),
    images: imagesOf(machine, provider, (names) =>
      listener({
        type: "notice",
        severity: "note",
        code: "LOCK_CHANGED",
        message: `image ${names.join(", ")} pinned in begat.lock; commit it`,
        hint: undefined,
      }),
    ),
    hostIdentity: (tools) => {
      const identity = hostIdentity(tools, fs);
      return { image: `begat-host:sha256:${identity.digest}`, watched: identity.watchedFiles };
    },
    packagesOf: (paths, signal) => packagesOf(machine.runner, paths, signal),
    sourceDirectory: (name) => `${SOURCES}/${name}` as WorkspacePath,
    sourceMarker: (name) => `${SOURCES}/${name}.json` as WorkspacePath,
  };
}

/** Of a build that leaves nothing, or that is the only one to use them. */
export function ownRooms(machine: Machine, workspace: Workspace): KeptRooms {
  let executor: { readonly images: boolean; readonly chosen: Promise<ChosenExecutor> } | undefined;
  let records: Promise<Records> | undefined;
  return {
    blobs: machine.blobs(join(workspace.root, ".begat/tmp")),
    executor(images, choose) {
      // One that was chosen for recipes in images has looked at more.
      if (executor === undefined || (images && !executor.images)) executor = { images, chosen: choose() };
      return executor.chosen;
    },
    records(open) {
      records ??= open();
      return records;
    },
  };
}

async function openRecordsWithLease(
  machine: Machine,
  blobs: ReturnType<Machine["blobs"]>,
  { dryRun, agreeing }: Pick<BuildOptions, "agreeing" | "dryRun">,
  onNotice: (text: string) => void,
): Promise<Records> {
  const records = await openRecords(machine, onNotice, !dryRun, agreeing);
  if (dryRun) return records;
  const index = await machine.index(onNotice);
  blobs.attachIndex(index.blobs);
  const leases = new BuildLeases(index.leases, machine.clock, blobs);
  let lease = leases.begin();
  const release = () => {
    blobs.flush();
    lease.release();
  };
  const resume = () => {
    lease = leases.begin();
  };
  machine.onRest({ rest: release, isAsLeft: () => true, resume });
  machine.onClose(release);
  return records;
}
