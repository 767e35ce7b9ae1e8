import { rmSync } from "node:fs";
import { join } from "node:path/posix";
import { BegatError, isAtLeast, parseSha256 } from "../../base/index.ts";
import {
  type Capabilities,
  createBubblewrapExecutor,
  createDockerExecutor,
  createProcessExecutor,
  createServerExecutor,
  type DockerImage,
  type Executor,
  type StagedExecutorOptions,
} from "../../executor/index.ts";
import type { ImageProvider } from "../../hermetic/index.ts";
import { type ChosenExecutor, STAGED_AHEAD } from "../../scheduler/index.ts";
import type { BuildOptions } from "../services.ts";
import { optimiseLate } from "./late-optimising.ts";
import type { Machine, Workspace } from "./machine.ts";
import { spawnServerProgram } from "./spawn-server-program.ts";

class BackEndError extends BegatError<"EXECUTOR_UNAVAILABLE"> {}

export interface ChoiceContext {
  readonly machine: Machine;
  readonly workspace: Workspace;
  readonly options: Pick<BuildOptions, "executor" | "jobs" | "minIsolation">;
  /** Whether recipes run in images. */
  readonly images: boolean;
  readonly provider: ImageProvider;
  readonly blobs: ReturnType<Machine["blobs"]>;
  readonly onNotice: (text: string) => void;
  readonly onWeaker: (text: string) => void;
}

/**
 * The spawn server where its canaries hold, else bubblewrap where its do, else docker for recipes in images, else process, and said so; what was asked for by
 * name is never replaced.
 */
export async function chooseExecutor(context: ChoiceContext): Promise<ChosenExecutor> {
  const { machine, workspace, options, images, blobs, onNotice, onWeaker } = context;
  optimiseLate();
  const common: StagedExecutorOptions = {
    blobs,
    clock: machine.clock,
    slots: (options.jobs ?? machine.jobs) + STAGED_AHEAD,
    inputRoots: [workspace.root, machine.layout.cas],
    diskStaging: join(machine.directories.cacheHome, "staging"),
    onNotice,
  };
  const closing = (executor: Executor): Executor => {
    machine.onClose(() => executor.close());
    return executor;
  };
  const asked = options.executor;
  const findings: string[] = [];
  const refuse = () =>
    new BackEndError("EXECUTOR_UNAVAILABLE", `${asked} cannot be used here: ${findings.join("; ")}`, {
      hint: "`begat doctor` shows what held and what did not",
    });
  const sandboxes = {
    server: () => createServerExecutor({ ...common, server: spawnServerProgram() }),
    bubblewrap: () => createBubblewrapExecutor(common),
  } as const;
  for (const name of ["server", "bubblewrap"] as const) {
    if (asked !== undefined && asked !== name) continue;
    const executor = closing(sandboxes[name]());
    const found = await executor.probe({ images });
    if (found.usable && (asked === name || isolates(found, images))) return chosen(executor, found);
    findings.push(...found.findings);
    if (asked === name) throw refuse();
  }
  let docker: { readonly executor: Executor; readonly found: Capabilities } | undefined;
  if (asked === "docker" || (asked === undefined && images)) {
    const imageOf = (root: string) => dockerImage(context, root);
    const executor = closing(createDockerExecutor({ ...common, imageOf }));
    const found = await executor.probe({ images });
    if (found.usable) docker = { executor, found };
    if (asked === "docker") {
      if (docker !== undefined) return chosen(executor, found);
      findings.push(...found.findings);
      throw refuse();
    }
  }
  const plain = closing(createProcessExecutor(common));
  const found = await plain.probe();
  if (asked === undefined && options.minIsolation === undefined) {
    const why = findings.join("; ") || "bubblewrap does not hold here";
    const where = docker === undefined ? "" : ", those in images with docker";
    onWeaker(`no sandbox: ${why}; recipes run at level ${found.isolation.level}${where}`);
  }
  if (docker === undefined) return chosen(plain, found);
  const imageLevel = docker.found.withImage?.isolation.level ?? "none";
  return { executor: byImage(plain, docker.executor), hostLevel: found.isolation.level, imageLevel };
}

/** Whether recipes are as well held as they can be: never less in an image than another sandbox may hold there. */
function isolates({ isolation, withImage }: Capabilities, images: boolean): boolean {
  if (!isAtLeast(isolation.level, "contained")) return false;
  return !images || (withImage !== undefined && isAtLeast(withImage.isolation.level, "contained"));
}

const chosen = (executor: Executor, found: Capabilities): ChosenExecutor => ({
  executor,
  hostLevel: found.isolation.level,
  imageLevel: found.withImage?.isolation.level ?? "none",
});

/** Two executors as one: recipes in images go to the second. */
function byImage(plain: Executor, inImages: Executor): Executor {
  return {
    name: plain.name,
    slots: plain.slots,
    probe: (options) => plain.probe(options),
    execute: (request, options) => (request.imageRoot === undefined ? plain : inImages).execute(request, options),
    tracingProblem: () => plain.tracingProblem?.(),
    close: async () => {
      await Promise.all([plain.close(), inImages.close()]);
    },
  };
}

/** The engine reads images from archives; one is written only when the engine does not have the image yet. */
async function dockerImage({ machine, provider }: ChoiceContext, root: string): Promise<DockerImage | undefined> {
  const digest = parseSha256(root.split("/").at(-2) ?? "");
  if (digest === undefined) return undefined;
  const image = provider.list().find(({ configDigest }) => configDigest === digest);
  if (image === undefined) return undefined;
  const path = join(machine.directories.cacheHome, "images", `${digest}-${process.pid}.tar`);
  return {
    digest,
    archive: async () => {
      await provider.export(image, { format: "docker-archive", to: path }, new AbortController().signal);
      return { path, dispose: () => rmSync(path, { force: true }) };
    },
  };
}
