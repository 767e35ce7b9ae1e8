import { answer, type Context } from "../context.ts";
import type { DaemonView } from "../daemon-services.ts";
import { EXIT } from "../exit-code.ts";
import { counted, formatDuration, formatSize } from "../quantity.ts";
import { oneLine } from "../render/sanitise.ts";
import { tableText } from "../render/table.ts";

const IDLE_MS = 30 * 60_000;

export async function daemonStart(context: Context): Promise<number> {
  const { flags } = context.args;
  const services = await context.services();
  const idleMs = flags.number("idle");
  if (flags.has("foreground")) {
    const ending = new AbortController();
    const unwatch = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) =>
      context.host.onSignal(signal, () => ending.abort()),
    );
    const ended = await services.daemonServe(idleMs ?? IDLE_MS, ending.signal);
    for (const undo of unwatch) undo();
    answer(context, { ended }, () => `the warm engine ended: ${ended}\n`);
    return EXIT.ok;
  }
  const { fresh, ...view } = await services.daemonStart(idleMs === undefined ? undefined : `${idleMs}ms`);
  answer(context, { ...view, fresh }, () => {
    if (view.state !== "running") return describe(context, view);
    return `${fresh ? "the warm engine was started" : "the warm engine is running already"}: process ${view.status.pid}\n`;
  });
  return view.state === "running" ? EXIT.ok : EXIT.failed;
}

export async function daemonStop(context: Context): Promise<number> {
  const services = await context.services();
  const result = await services.daemonStop();
  answer(context, { stopped: result.stopped, pid: result.pid ?? null }, () =>
    result.stopped ? `the warm engine was stopped: process ${result.pid}\n` : "there is no warm engine\n",
  );
  return EXIT.ok;
}

export async function daemonStatus(context: Context): Promise<number> {
  const services = await context.services();
  const view = await services.daemonStatus();
  answer(context, view, () => describe(context, view));
  return view.state === "running" ? EXIT.ok : EXIT.failed;
}

function describe(context: Context, view: DaemonView): string {
  if (view.state === "silent") return `somebody listens on ${oneLine(view.socket)} and says nothing\n`;
  if (view.state === "absent") {
    const why = view.failure === undefined ? "" : `; the last one did not start: ${oneLine(view.failure)}`;
    return `there is no warm engine${why}\n`;
  }
  const { pid, version, startedAtMs, idleMs, rssBytes, asked, answered, declined } = view.status;
  const { answers, files, directories, checkouts } = view.status;
  const last = declined === undefined ? "" : `, the last it did not because of: ${oneLine(declined)}`;
  const { paint } = context;
  const since = new Date(startedAtMs).toISOString().replace(/\.\d+Z$/, "Z");
  return tableText(
    [
      ["process", `${pid}, begat ${version}, since ${since}, ends when idle for ${formatDuration(idleMs)}`],
      ["socket", oneLine(view.socket)],
      ["memory", formatSize(rssBytes)],
      ["asked", `${counted(asked, "command")}, ${answered} answered${last}`],
      ["remembers", `${counted(answers, "answer")} about ${counted(files, "file")} in ${directories} directories`],
      ...checkouts.map((path, i) => [i === 0 ? "checkouts" : "", oneLine(path)] as const),
    ],
    { paint: (cell, column) => (column === 0 ? paint.dim(cell) : cell) },
  );
}
