import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path/posix";

const PROGRAMS =
  "cat chmod chown cp cut date dd df env false grep head hostname id kill ln ls mkdir mkfifo mknod mount mv nproc perl " +
  "printf pwd readlink rm rmdir sed seq setsid sh sha256sum sleep sort stat tail test touch tr true truncate uname uniq " +
  "unshare wc xargs";

/**
 * Makes the root of an image in the new directory `root` from this machine's own programs, their libraries, and as much of
 * Perl as every Debian has. For tests of what an image keeps from recipes, which do not need a real one.
 */
export function makeHostImage(root: string): void {
  for (const directory of ["usr/bin", "usr/lib", "etc", "var/empty"])
    mkdirSync(`${root}/${directory}`, { recursive: true });
  for (const name of ["bin", "lib"]) symlinkSync(`usr/${name}`, `${root}/${name}`);
  const files = new Set<string>();
  for (const name of PROGRAMS.split(" ")) {
    const file = [`/usr/bin/${name}`, `/bin/${name}`, `/usr/sbin/${name}`].find(existsSync);
    if (file === undefined) continue;
    copyFileSync(realpathSync(file), `${root}/usr/bin/${name}`);
    files.add(file);
  }
  const said = execFileSync("ldd", [...files], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  for (const [, library] of said.matchAll(/(\/[^\s:]+\.so[^\s:]*) \(0x/g)) {
    if (library === undefined || existsSync(`${root}${library}`)) continue;
    mkdirSync(dirname(`${root}${library}`), { recursive: true });
    copyFileSync(realpathSync(library), `${root}${library}`);
  }
  const base = execFileSync("perl", ["-e", "print grep { m{/perl-base$} } @INC"], { encoding: "utf8" });
  if (base !== "") cpSync(base, `${root}${base}`, { recursive: true });
  writeFileSync(`${root}/etc/passwd`, "root:x:0:0:root:/root:/bin/sh\nbuild:x:1000:1000:build:/home/build:/bin/sh\n");
  writeFileSync(`${root}/etc/group`, "root:x:0:\nbuild:x:1000:\n");
}
