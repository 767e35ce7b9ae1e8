import { resolve } from "node:path/posix";
import { parseSha256 } from "../../base/index.ts";
import { answer, type Context, directoryOf, workspaceOptions } from "../context.ts";
import { EXIT, exitCodeOfSignal, UsageError } from "../exit-code.ts";
import type { StopSignal } from "../host.ts";
import type { FetchListener, ImageView } from "../image-services.ts";
import { counted, formatSize } from "../quantity.ts";
import { imageLines, imageLockText, imageTable } from "../render/images.ts";
import { jsonLine } from "../render/json.ts";
import { oneLine } from "../render/sanitise.ts";
import { build } from "./build.ts";

export async function imageLock(context: Context): Promise<number> {
  const { flags, words } = context.args;
  if (flags.has("update") && flags.has("offline")) {
    throw new UsageError("--update and --offline contradict each other", { verb: "image lock" });
  }
  const request = {
    ...workspaceOptions(context),
    names: words,
    update: flags.has("update"),
    offline: flags.has("offline"),
  };
  const services = await context.services();
  return untilStopped(context, async (signal) => {
    const report = await services.imageLock(request, fetching(context), signal);
    answer(context, report, () => imageLockText(report, context.paint));
  });
}

/** A build of the images' chores; then what they are. Its JSON is a line for each event, and one for each image. */
export async function imageBuild(context: Context): Promise<number> {
  const { args, host, paint } = context;
  const services = await context.services();
  // Named before anything is built, so that a name nobody declared is told as such.
  const declared = await services.imagesDeclared(workspaceOptions(context), args.words);
  if (declared.length === 0) {
    if (!args.flags.has("json")) host.stdout.write("no image is declared\n");
    return EXIT.ok;
  }
  const targets = declared.map(({ name }) => `image(${name})`);
  const exitCode = await build({ ...context, args: { ...args, words: targets } });
  if (exitCode !== EXIT.ok) return exitCode;
  const built = await services.imagesDeclared(workspaceOptions(context), args.words);
  for (const { name, at, image } of built) {
    if (args.flags.has("json")) {
      const line = { type: "image", name, at, digest: image?.digest, image };
      host.stdout.write(jsonLine(line));
    } else if (image !== undefined && !args.flags.has("quiet")) host.stdout.write(imageLines(image, paint));
  }
  return EXIT.ok;
}

export async function imageList(context: Context): Promise<number> {
  const { words } = context.args;
  const services = await context.services();
  const asked = words[0];
  const all = await services.imageList();
  const images = asked === undefined ? all : all.filter((image) => isMeant(image, asked));
  answer(context, { images }, () => (images.length === 0 ? "no images\n" : imageTable(images, context.paint)));
  return images.length === 0 && asked !== undefined ? EXIT.failed : EXIT.ok;
}

export async function imageStand(context: Context): Promise<number> {
  const [config = "", manifest = ""] = context.args.words;
  const hash = parseSha256(config.replace(/^sha256:/, ""));
  const [, manifestHash, size] = /^([0-9a-f]{64})\/(\d{1,15})$/.exec(manifest) ?? [];
  const digest = parseSha256(manifestHash);
  if (hash === undefined || digest === undefined) {
    throw new UsageError("begat image stand needs the digests of a config and a manifest", { verb: "image stand" });
  }
  const services = await context.services();
  const report = await services.imageStand({ config: hash, manifest: { hash: digest, sizeBytes: Number(size) } });
  answer(context, report, () => `${oneLine(report.root)}\n`);
  return EXIT.ok;
}

export async function imageExport(context: Context): Promise<number> {
  const { flags, words } = context.args;
  const to = flags.text("output");
  const request = {
    ...workspaceOptions(context),
    name: words[0] ?? "",
    format: flags.text("format") === "docker-archive" ? ("docker-archive" as const) : ("oci" as const),
    to: to === undefined ? undefined : resolve(directoryOf(context), to),
    offline: flags.has("offline"),
  };
  const services = await context.services();
  return untilStopped(context, async (signal) => {
    const report = await services.imageExport(request, fetching(context), signal);
    const { image, path } = report;
    answer(context, report, () => {
      const what = `${image.name} ${image.digest.slice(0, 12)}, ${formatSize(image.sizeBytes)}`;
      return `exported ${oneLine(what)} to ${oneLine(path)}\n`;
    });
  });
}

export async function imagePush(context: Context): Promise<number> {
  const { flags, words } = context.args;
  const [name = "", reference = ""] = words;
  const request = { ...workspaceOptions(context), name, reference, insecure: flags.has("insecure") };
  const services = await context.services();
  return untilStopped(context, async (signal) => {
    const report = await services.imagePush(request, fetching(context), signal);
    const { image, manifestDigest, uploadedBytes, reusedLayers } = report;
    answer(context, report, () => {
      const sent = `${formatSize(uploadedBytes)} sent`;
      const reused = reusedLayers === 0 ? "" : `, ${counted(reusedLayers, "layer")} there already`;
      const where = `${oneLine(reference)}@sha256:${manifestDigest}`;
      return `pushed ${oneLine(image.name)} ${image.digest.slice(0, 12)} to ${where} (${sent}${reused})\n`;
    });
  });
}

function isMeant({ name, digest }: ImageView, asked: string): boolean {
  return (
    name === asked || (/^(sha256:)?[0-9a-f]{6,64}$/.test(asked) && digest.startsWith(asked.replace(/^sha256:/, "")))
  );
}

/** On standard error: the answer is what the verb prints. */
function fetching({ args, host }: Context): FetchListener {
  if (args.flags.has("json")) return () => {};
  return ({ name, what }) => host.stderr.write(`fetching ${oneLine(name)} (${oneLine(what)})\n`);
}

/** Until Ctrl-C: once stops the work, which leaves nothing half done; twice, the process. */
async function untilStopped({ host }: Context, work: (signal: AbortSignal) => Promise<void>): Promise<number> {
  const cancellation = new AbortController();
  let stoppedBy: StopSignal | undefined;
  const unwatch = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) =>
    host.onSignal(signal, () => {
      if (stoppedBy !== undefined) host.abandon(exitCodeOfSignal(signal));
      stoppedBy = signal;
      cancellation.abort();
    }),
  );
  try {
    await work(cancellation.signal);
    return EXIT.ok;
  } catch (error) {
    if (stoppedBy === undefined) throw error;
    return exitCodeOfSignal(stoppedBy);
  } finally {
    for (const undo of unwatch) undo();
  }
}
