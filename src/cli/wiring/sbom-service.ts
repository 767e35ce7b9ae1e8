import { BegatError, parseSha256 } from "../../base/index.ts";
import {
  type Answer,
  type Bill,
  billOfArtifact,
  billOfImage,
  cycloneDx,
  type History,
  spdx,
} from "../../provenance/index.ts";
import type { SbomRequest, SbomView } from "../proof-services.ts";
import { openHistory } from "./history.ts";
import { namedArtifact } from "./history-service.ts";
import type { Machine } from "./machine.ts";

export class SbomError extends BegatError<"SBOM_NOTHING_KNOWN"> {}

export const SBOM_TEXT = { cyclonedx: cycloneDx, spdx } as const;

export async function sbom(machine: Machine, request: SbomRequest): Promise<SbomView> {
  const history = await openHistory(machine);
  const found = billOf(machine, history, request);
  if (!found.found) throw new SbomError("SBOM_NOTHING_KNOWN", found.because, { hint: found.hint });
  const bill = found.answer;
  const text = SBOM_TEXT[request.format](bill, machine.host.version.version);
  if (request.output !== undefined) machine.fs.replaceFile(request.output, text);
  const subject = bill.parts.find(({ id }) => id === bill.subject);
  const count = (kind: string) => bill.parts.filter((part) => part.kind === kind).length;
  return {
    subject: subject?.name ?? "",
    hash: subject?.sha256 ?? subject?.tree ?? "",
    format: request.format,
    packages: count("package"),
    files: count("file"),
    images: count("image"),
    executions: bill.steps.length,
    gaps: bill.gaps,
    path: request.output,
    text,
  };
}

/** An artifact where one is meant, else an image: `image(NAME)` always is one. */
function billOf(machine: Machine, history: History, request: SbomRequest): Answer<Bill> {
  const { subject } = request;
  if (/^image\(.*\)$/s.test(subject)) return billOfImage(history, subject);
  const artifact = billOfArtifact(history, namedArtifact(machine, history, request, subject));
  if (artifact.found) return artifact;
  const image = billOfImage(history, subject);
  // A digest may be either; a path is no name of an image, unless there is one.
  if (image.found || parseSha256(subject.replace(/^sha256:/, "")) === undefined) return image.found ? image : artifact;
  return { ...artifact, because: `${artifact.because}, and no record made an image of that digest` };
}
