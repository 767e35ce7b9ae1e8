import { mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { begatProgram } from "./begat.ts";

/** A checkout of begat as the client sees it: a bundle, a stamp, sources older than that, and a launcher that tells on it. */
export class ClientInstallation {
  readonly root: string;
  readonly bin: string;
  readonly client: string;

  /** @param node A script that is older than the bundle, as a user's Node is. */
  constructor(parent: string, node: string) {
    const dist = dirname(begatProgram());
    this.client = join(dist, "begat-client");
    this.root = join(parent, "begat's own checkout");
    this.bin = join(parent, "bin");
    for (const path of ["dist", "src/cli", "tools", "native", "node_modules", ".begat/setup"])
      mkdirSync(join(this.root, path), { recursive: true });
    mkdirSync(this.bin);
    for (const name of readdirSync(dist)) symlinkSync(join(dist, name), join(this.root, "dist", name));
    for (const name of ["src/cli/main.ts", "package.json", "package-lock.json", "node_modules/.begat-setup"])
      writeFileSync(join(this.root, name), "");
    writeFileSync(join(this.root, ".begat/setup/sandbox-tried"), "");
    writeFileSync(join(this.root, "begat"), 'echo "launcher $BEGAT_ASKED: $*"\n');
    writeFileSync(join(this.bin, "node"), node, { mode: 0o755 });
    this.settle();
  }

  /** Everything is older than the stamp. */
  settle(): void {
    const old = (path: string): void => {
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        if (entry.isSymbolicLink()) continue;
        if (entry.isDirectory()) old(join(path, entry.name));
        utimesSync(join(path, entry.name), 1_700_000_000, 1_700_000_000);
      }
    };
    old(this.root);
    old(this.bin);
    writeFileSync(join(this.root, "dist/stamp"), `${join(this.bin, "node")}\n`);
    utimesSync(join(this.root, "dist/stamp"), 1_700_000_100, 1_700_000_100);
  }
}
