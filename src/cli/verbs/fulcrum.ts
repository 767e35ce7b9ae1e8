import type { Context } from "../context.ts";
import { EXIT, UsageError } from "../exit-code.ts";
import type { ReadyFulcrum, ServeRequest } from "../fulcrum-services.ts";
import { counted } from "../quantity.ts";
import { jsonLine } from "../render/json.ts";
import { noticeText } from "../render/narrator.ts";
import { oneLine } from "../render/sanitise.ts";

export async function fulcrumServe(context: Context): Promise<number> {
  const { host, args } = context;
  const request = serveRequest(context);
  const services = await context.services();
  const stop = new AbortController();
  let asked = false;
  let drain = () => {};
  const draining = new Promise<void>((resolve) => {
    drain = resolve;
  });
  const undo = [
    host.onSignal("SIGTERM", () => {
      if (asked) stop.abort(new Error("ended by a second SIGTERM"));
      asked = true;
      drain();
    }),
    host.onSignal("SIGINT", () => stop.abort(new Error("ended by SIGINT"))),
  ];
  try {
    await services.fulcrumServe(request, {
      onReady: (ready) =>
        host.stdout.write(args.flags.has("json") ? jsonLine({ type: "ready", ...ready }) : readyLine(ready)),
      onNotice: (text, hint) => host.stderr.write(noticeText("warning", text, hint, context.paint)),
      drain: draining,
      stop: stop.signal,
    });
  } finally {
    for (const off of undo) off();
  }
  return stop.signal.aborted ? EXIT.failed : EXIT.ok;
}

function serveRequest({ args, host }: Context): ServeRequest {
  const { flags } = args;
  const leads = flags.has("leader");
  const join = flags.text("join");
  const usage = (message: string, hint?: string) => new UsageError(message, { verb: "fulcrum serve", hint });
  if (leads && join !== undefined) throw usage("a fulcrum leads or joins: --leader and --join exclude each other");
  return {
    name: flags.text("name"),
    listen: flags.text("listen"),
    leads,
    join,
    token: flags.text("token") ?? (host.env.BEGAT_FARM_TOKEN || undefined),
    hosts: flags.texts("host"),
    slots: slotsOf(flags.text("slots"), usage),
    executor: flags.text("executor") as ServeRequest["executor"],
    labels: labelsOf(flags.texts("label"), usage),
    insecureListen: flags.text("insecure-listen"),
    acceptsResults: flags.has("accept-results"),
    keepResultsMs: flags.number("keep-results"),
    maxSizeBytes: flags.number("max-size"),
    statusListen: flags.text("status-listen"),
  };
}

type Usage = (message: string, hint?: string) => UsageError;

function slotsOf(text: string | undefined, usage: Usage): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw usage(`--slots is a number from 0 to 9999, not ${oneLine(text)}`);
}

function labelsOf(texts: readonly string[], usage: Usage): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const text of texts) {
    const equals = text.indexOf("=");
    const name = text.slice(0, Math.max(0, equals));
    if (name === "") throw usage(`--label is NAME=VALUE, not ${oneLine(text)}`);
    if (name === "container-image") throw usage("container-image is no label: rnodes fetch the images they need");
    labels[name] = text.slice(equals + 1);
  }
  return labels;
}

function readyLine(ready: ReadyFulcrum): string {
  const { name, role, cluster, listen, insecureListen, status, slots, executor, level } = ready;
  const works = executor === undefined ? "executes nothing" : `${counted(slots, "slot")} (${executor}, ${level})`;
  const plain = insecureListen === undefined ? "" : `, plain text at ${insecureListen}`;
  const page = status === undefined ? "" : `, status at ${status}`;
  return `fulcrum ${name} is ready: ${role} of farm ${cluster} at ${listen}${plain}, ${works}${page}\n`;
}
