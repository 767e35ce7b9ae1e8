import { POLICY_HEADER, PROOF_TYPE } from "../../../provenance/index.ts";

export type FileKind = "artifact" | "policy" | "proof";

/** Bytes of the beginning and the end of a file by which it is told. */
export const TELLING_BYTES = 256;

/**
 * What a dropped file is meant as. A proof by its name or by the member that comes last in it, so that a damaged one is
 * still taken for one; a policy by its first line.
 *
 * @param start, end Its first and last bytes, at most `TELLING_BYTES` each, as Latin-1.
 */
export function fileKind(name: string, start: string, end: string): FileKind {
  if (start.startsWith(POLICY_HEADER)) return "policy";
  if (name.endsWith(".proof") || (start.startsWith("{") && end.includes(`"type":"${PROOF_TYPE}"`))) return "proof";
  return "artifact";
}
