import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";

/**
 * What compilers, linkers, interpreters and their libraries look up under /etc. The rest of it is the host's own
 * business, and some of it secret.
 */
const TOOL_SETTINGS = [
  "alternatives",
  "ca-certificates.conf",
  "debian_version",
  "fonts",
  "java",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "magic",
  "magic.mime",
  "mime.types",
  "os-release",
  "perl",
  "protocols",
  "python3",
  "services",
  "ssl/certs/ca-certificates.crt",
  "ssl/certs/ca-bundle.crt",
  "ssl/openssl.cnf",
  "texmf",
];
/** Links to manual pages are half of /etc/alternatives. */
const UNUSED = /\.[0-9][a-z]*\.gz$/;
const TOOL_SETTINGS_PATTERN = /^(?:java-.*|python3\..*|maven|gcrypt|pki)$/;

/** The same on every machine, so that a recipe that asks gets the same answers. */
const OWN_FILES: Readonly<Record<string, string>> = {
  passwd:
    "root:x:0:0:root:/root:/bin/sh\nbuild:x:1000:1000:build:/home/build:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
  group: "root:x:0:\nbuild:x:1000:\nnogroup:x:65534:\n",
  hosts: "127.0.0.1 localhost build\n::1 localhost\n",
  hostname: "build\n",
  "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
  "resolv.conf": "",
};

/**
 * Copies the part of the host's /etc that tools need into the new directory `to`. One directory to bind, where binding
 * each of these would cost a tenth of a millisecond for every execution.
 */
export function makeSandboxEtc(to: string, from = "/etc"): void {
  mkdirSync(to, { mode: 0o755 });
  chmodSync(to, 0o755);
  const more = readdirSync(from).filter((name) => TOOL_SETTINGS_PATTERN.test(name));
  for (const name of [...TOOL_SETTINGS, ...more].sort()) {
    for (let at = name.indexOf("/"); at > 0; at = name.indexOf("/", at + 1)) {
      // Whatever umask begat was started with: the recipe may be another user.
      mkdirSync(`${to}/${name.slice(0, at)}`, { recursive: true });
      chmodSync(`${to}/${name.slice(0, at)}`, 0o755);
    }
    copy(`${from}/${name}`, `${to}/${name}`);
  }
  symlinkSync("/usr/share/zoneinfo/Etc/UTC", `${to}/localtime`);
  for (const [name, text] of Object.entries(OWN_FILES)) {
    writeFileSync(`${to}/${name}`, text);
    chmodSync(`${to}/${name}`, 0o444);
  }
}

function copy(from: string, to: string): void {
  const stat = lstatSync(from, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (stat.isSymbolicLink()) {
    symlinkSync(readlinkSync(from), to);
  } else if (stat.isDirectory()) {
    mkdirSync(to, { recursive: true });
    chmodSync(to, 0o755);
    for (const name of readdirSync(from)) if (!UNUSED.test(name)) copy(`${from}/${name}`, `${to}/${name}`);
  } else if (stat.isFile() && (stat.mode & 0o004) !== 0) {
    // What others may not read is not for recipes either.
    copyFileSync(from, to);
    chmodSync(to, 0o444);
  }
}
