import { resolve } from "node:path/posix";
import type { BuilderStatus } from "../../engine/index.ts";
import { answer, type Context } from "../context.ts";
import type { DaemonView } from "../daemon-services.ts";
import { EXIT } from "../exit-code.ts";
import { counted, formatDuration, formatSize } from "../quantity.ts";
import { oneLine } from "../render/sanitise.ts";
import { tableText } from "../render/table.ts";

const IDLE_MS = 30 * 60_000;
/** A builder holds a whole plan. */
const BUILDER_IDLE_MS = 15 * 60_000;

export async function daemonStart(context: Context): Promise<number> {
  const { flags } = context.args;
  const services = await context.services();
  const idleMs = flags.number("idle");
  const named = flags.text("builds");
  const builds = named === undefined ? undefined : resolve(context.host.cwd, named);
  if (flags.has("foreground")) {
    const ending = new AbortController();
    const unwatch = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) =>
      context.host.onSignal(signal, () => ending.abort()),
    );
    const ended =
      builds === undefined
        ? await services.daemonServe(idleMs ?? IDLE_MS, ending.signal)
        : await services.builderServe(builds, idleMs ?? BUILDER_IDLE_MS, ending.signal);
    for (const undo of unwatch) undo();
    const what = builds === undefined ? "warm engine" : "builder";
    answer(context, { ended }, () => `the ${what} ended: ${ended}\n`);
    return EXIT.ok;
  }
  const idle = idleMs === undefined ? undefined : `${idleMs}ms`;
  const { fresh, builder, problem, ...view } = await services.daemonStart({ idle, builds });
  const isThere = view.state === "running" && (builds === undefined || builder !== undefined);
  answer(context, { ...view, fresh, builder, problem }, () => {
    if (view.state !== "running") return describe(context, view);
    const engine = `${fresh ? "the warm engine was started" : "the warm engine is running already"}: process ${view.status.pid}\n`;
    if (builds === undefined) return engine;
    if (builder === undefined)
      return `${engine}no builder of ${oneLine(builds)} was started: ${oneLine(problem ?? "")}\n`;
    return `${engine}the builder of ${oneLine(builder.root)}: process ${builder.pid}\n`;
  });
  return isThere ? EXIT.ok : EXIT.failed;
}

export async function daemonStop(context: Context): Promise<number> {
  const services = await context.services();
  const result = await services.daemonStop();
  const { stopped, pid, builders } = result;
  answer(context, { stopped, pid: pid ?? null, builders }, () => {
    const engine = stopped ? `the warm engine was stopped: process ${pid}\n` : "there is no warm engine\n";
    return engine + builders.map((builder) => `a builder was stopped: process ${builder}\n`).join("");
  });
  return EXIT.ok;
}

export async function daemonStatus(context: Context): Promise<number> {
  const services = await context.services();
  const view = await services.daemonStatus();
  answer(context, view, () => describe(context, view) + describeBuilders(context, view.builders));
  return view.state === "running" ? EXIT.ok : EXIT.failed;
}

function describe(context: Context, view: DaemonView): string {
  if (view.state === "silent") return `somebody listens on ${oneLine(view.socket)} and says nothing\n`;
  if (view.state === "absent") {
    const why = view.failure === undefined ? "" : `; the last one did not start: ${oneLine(view.failure)}`;
    return `there is no warm engine${why}\n`;
  }
  const { pid, version, startedAtMs, idleMs, rssBytes, asked, answered, declined, handed } = view.status;
  const { answers, files, directories, checkouts } = view.status;
  const last = declined === undefined ? "" : `, the last it did not because of: ${oneLine(declined)}`;
  return factsText(context, [
    ["process", processText({ pid, version, startedAtMs, idleMs })],
    ["socket", oneLine(view.socket)],
    ["memory", formatSize(rssBytes)],
    ["asked", `${counted(asked, "command")}, ${answered} answered${last}`],
    ...(handed === 0 ? [] : [["handed on", `${counted(handed, "command")}, to builders`] as const]),
    ["remembers", `${counted(answers, "answer")} about ${counted(files, "file")} in ${directories} directories`],
    ...checkouts.map((path, i) => [i === 0 ? "checkouts" : "", oneLine(path)] as const),
  ]);
}

function describeBuilders(context: Context, builders: readonly BuilderStatus[]): string {
  return builders
    .map(({ root, rssBytes, asked, built, declined, ...status }) => {
      const last = declined === undefined ? "" : `, the last it did not because of: ${oneLine(declined)}`;
      return `\n${factsText(context, [
        ["builder", oneLine(root)],
        ["process", processText(status)],
        ["memory", formatSize(rssBytes)],
        ["asked", `${counted(asked, "build")}, ${built} built${last}`],
      ])}`;
    })
    .join("");
}

function processText(status: Pick<BuilderStatus, "pid" | "version" | "startedAtMs" | "idleMs">): string {
  const { pid, version, startedAtMs, idleMs } = status;
  const since = new Date(startedAtMs).toISOString().replace(/\.\d+Z$/, "Z");
  return `${pid}, begat ${version}, since ${since}, ends when idle for ${formatDuration(idleMs)}`;
}

const factsText = ({ paint }: Context, rows: readonly (readonly [string, string])[]): string =>
  tableText(rows, { paint: (cell, column) => (column === 0 ? paint.dim(cell) : cell) });
