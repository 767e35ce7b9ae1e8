import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { makeMountPoints } from "../image-root.ts";
import type { FilterProfile } from "../seccomp/filter-rules.ts";
import type { SeccompFilter } from "../seccomp/seccomp-filter.ts";
import { makeMaskedProc } from "./masked-proc.ts";
import { makeSandboxEtc } from "./sandbox-etc.ts";
import { MOUNT_POINTS } from "./sandbox-places.ts";

/** Files that all sandboxes of a staging root share: made when first needed, removed with it. */
export class SandboxFiles {
  readonly #filters: Readonly<Record<FilterProfile, SeccompFilter | undefined>>;
  readonly #made = new Set<string>();
  readonly #selfTestRoots = new Set<string>();

  constructor(filters: Readonly<Record<FilterProfile, SeccompFilter | undefined>>) {
    this.#filters = filters;
  }

  prepare(shared: string, profile: FilterProfile): void {
    const bytes = this.#filters[profile]?.bytes;
    const file = this.filter(shared, profile);
    if (bytes !== undefined && file !== undefined) {
      this.#once(file, () => {
        writeFileSync(file, bytes);
        chmodSync(file, 0o444);
      });
    }
    if (profile === "host") this.#once(this.etc(shared), makeSandboxEtc);
  }

  /** The copy of the host's /etc. */
  etc(shared: string): string {
    return `${shared}/etc`;
  }

  /** The program of a filter; `undefined` where there is none for this machine. */
  filter(shared: string, profile: FilterProfile): string | undefined {
    return this.#filters[profile] === undefined ? undefined : `${shared}/filter-${profile}`;
  }

  maskedProc(shared: string, processors: number): string {
    const directory = `${shared}/proc-${processors}`;
    this.#once(directory, () => makeMaskedProc(directory, processors));
    return directory;
  }

  /** What an image looks like, but for its /usr, which is the host's and bound. */
  selfTestRoot(shared: string): string {
    const root = `${shared}/self-test`;
    this.#once(root, () => {
      mkdirSync(root);
      chmodSync(root, 0o755);
      makeMountPoints(root, ["/usr", "/etc", ...MOUNT_POINTS]);
      for (const name of ["bin", "sbin", "lib", "lib32", "lib64"]) symlinkSync(`usr/${name}`, `${root}/${name}`);
      this.#selfTestRoots.add(root);
    });
    return root;
  }

  isSelfTestRoot(root: string | undefined): boolean {
    return root !== undefined && this.#selfTestRoots.has(root);
  }

  #once(path: string, make: (path: string) => void): void {
    if (this.#made.has(path)) return;
    make(path);
    this.#made.add(path);
  }
}
