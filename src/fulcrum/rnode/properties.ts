import type { BlobStore, RecordedOutput } from "../../cache/index.ts";
import { UP_PATH } from "../../executor/index.ts";

export type ReadProperties =
  | { readonly ok: true; readonly properties: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly problem: string };

/**
 * What a dictum wrote into BEGAT_UP. Which names it was to give is known to who asked for it; here it is only seen to that
 * they can be signed.
 */
export function readProperties(outputs: readonly RecordedOutput[], blobs: Pick<BlobStore, "read">): ReadProperties {
  const up = outputs.find(({ path }) => path === UP_PATH);
  if (up === undefined) return { ok: true, properties: {} };
  const text = blobs.read(up.digest).toString();
  if (!text.isWellFormed() || text.includes("\ufffd")) return { ok: false, problem: "BEGAT_UP is not UTF-8" };
  const properties: Record<string, string> = {};
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const equals = line.indexOf("=");
    const name = line.slice(0, Math.max(equals, 0));
    if (equals < 1) {
      return { ok: false, problem: `BEGAT_UP has a line without NAME=value: ${JSON.stringify(line.slice(0, 80))}` };
    }
    if (Object.hasOwn(properties, name)) return { ok: false, problem: `BEGAT_UP sets ${name} twice` };
    properties[name] = line.slice(equals + 1);
  }
  return { ok: true, properties };
}
