import { resolve } from "node:path/posix";
import { answer, type Context, directoryOf } from "../context.ts";
import { EXIT } from "../exit-code.ts";
import type { SbomFormat, SbomView } from "../proof-services.ts";
import { counted, formatSize } from "../quantity.ts";
import { noticeText } from "../render/narrator.ts";
import { oneLine } from "../render/sanitise.ts";

const NAMES = { cyclonedx: "CycloneDX 1.6", spdx: "SPDX 3.0.1" } as const;
/** Gaps said one by one; a project on the machine's own tools has as many as it has chores. */
const GAPS = 5;

export async function sbom(context: Context): Promise<number> {
  const { args, host, paint } = context;
  const directory = directoryOf(context);
  const output = args.flags.text("output");
  const services = await context.services();
  const view = await services.sbom({
    directory,
    subject: args.words[0] ?? "",
    format: (args.flags.text("format") ?? "cyclonedx") as SbomFormat,
    output: output === undefined ? undefined : resolve(directory, output),
  });
  const { text, ...told } = view;
  if (output === undefined) host.stdout.write(text);
  else answer(context, { ...told, bytes: Buffer.byteLength(text) }, () => sbomText(context, view));
  if (output === undefined || !args.flags.has("json")) {
    for (const gap of view.gaps.slice(0, GAPS)) host.stderr.write(noticeText("note", oneLine(gap), undefined, paint));
    const more = view.gaps.length - GAPS;
    if (more > 0) host.stderr.write(noticeText("note", `and ${more} more; the document has all`, undefined, paint));
  }
  return EXIT.ok;
}

function sbomText({ paint }: Context, view: SbomView): string {
  const { subject, hash, format, packages, files, images, executions, gaps, path, text } = view;
  const what = [
    counted(packages, "package"),
    counted(files, "file"),
    counted(images, "image"),
    counted(executions, "execution"),
  ];
  const whole = gaps.length === 0 ? "complete: every sandbox enforced it" : "may not be all";
  let said = `${paint.bold(oneLine(subject))}  ${hash}\n`;
  said += `${paint.dim("bill")}     ${oneLine(path ?? "")}, ${NAMES[format]}, ${formatSize(Buffer.byteLength(text))}\n`;
  said += `${paint.dim("holds")}    ${what.join(", ")}; ${whole}\n`;
  return said;
}
