import { statfsSync } from "node:fs";

/**
 * Magic numbers (statfs(2)) of file systems that only this kernel writes to, so that its events tell everything: ext2 to
 * ext4, tmpfs, XFS, Btrfs, overlayfs, F2FS, ZFS, bcachefs. On any other, a network's above all, files change unheard.
 */
const LOCAL: ReadonlySet<number> = new Set([
  0xef53, 0x01021994, 0x58465342, 0x9123683e, 0x794c7630, 0xf2f52010, 0x2fc12fc1, 0xca451a4e,
]);

/** Asks once for each file system. */
export function localFileSystems(): (path: string, device: number) => boolean {
  const known = new Map<number, boolean>();
  return (path, device) => {
    let isLocal = known.get(device);
    if (isLocal === undefined) {
      try {
        isLocal = LOCAL.has(statfsSync(path).type);
      } catch {
        isLocal = false;
      }
      known.set(device, isLocal);
    }
    return isLocal;
  };
}
