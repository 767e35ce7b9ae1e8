import { pack } from "tar-stream";
import { IMAGE_TIME_S } from "./place.ts";

export interface TarMember {
  readonly kind: "file" | "directory" | "symlink";
  /** Relative to the image's root. */
  readonly place: string;
  readonly target?: string;
  readonly sizeBytes?: number;
  /** Permission bits. */
  readonly mode: number;
}

const BLOCK_BYTES = 512;

/** What ends an archive: two blocks of zeros. */
export const TAR_END_BYTES = 2 * BLOCK_BYTES;

/**
 * The header blocks of one member: ustar, with a pax record where the name or target needs one; owner 0:0, one fixed
 * time, no user or group names. A file's bytes follow, filled up with `tarPadding`.
 */
export async function tarHeader(member: TarMember): Promise<Buffer> {
  const one = pack();
  // The body never comes. Destroying the stream would make an error with a stack for each member, so it is just left.
  one.entry({
    name: member.kind === "directory" ? `${member.place}/` : member.place,
    type: member.kind,
    mode: member.mode,
    uid: 0,
    gid: 0,
    mtime: new Date(IMAGE_TIME_S * 1000),
    size: member.sizeBytes ?? 0,
    ...(member.target === undefined ? {} : { linkname: member.target }),
  });
  await new Promise<void>((resolve) => one.once("readable", resolve));
  const blocks: Uint8Array[] = [];
  for (let block = one.read(); block !== null; block = one.read()) blocks.push(block as Uint8Array);
  return Buffer.concat(blocks);
}

/** How many zeros follow a body of `sizeBytes`. */
export function tarPadding(sizeBytes: number): number {
  return (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES;
}
