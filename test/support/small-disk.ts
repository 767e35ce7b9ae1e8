import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whether this user may mount: root may, outside of a container that forbids it. */
export const MAY_MOUNT = mayMount();

function mayMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  const place = mkdtempSync(join(tmpdir(), "begat-mount-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", place]).status === 0;
  if (mounted) spawnSync("umount", [place]);
  rmSync(place, { recursive: true });
  return mounted;
}

function run(...words: string[]): void {
  const [program = "", ...args] = words;
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
}

/** A disk of its own at `path`, as small as a test wants it. */
export class SmallDisk {
  readonly path: string;

  constructor(path: string, size: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
    run("mount", "-t", "tmpfs", "-o", `size=${size},mode=755`, "tmpfs", path);
  }

  /** Leaves about this many bytes free. */
  fill(freeBytes: number): void {
    const { bavail, bsize } = statfsSync(this.path);
    writeFileSync(join(this.path, "filler"), Buffer.alloc(Math.max(0, bavail * bsize - freeBytes)));
  }

  empty(): void {
    rmSync(join(this.path, "filler"), { force: true });
  }

  resize(size: string): void {
    run("mount", "-o", `remount,size=${size}`, this.path);
  }

  setReadOnly(readOnly: boolean): void {
    run("mount", "-o", `remount,${readOnly ? "ro" : "rw"}`, this.path);
  }

  dispose(): void {
    spawnSync("umount", ["-l", this.path]);
  }
}
