import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { digestOf, type WorkspacePath } from "../../base/index.ts";
import type { Capabilities, ExecutionRequest, ExecutionResult, InputFile } from "../executor.ts";
import type { FilterProfile } from "../seccomp/filter-rules.ts";
import { MASKED_PROC, maskedProcFiles } from "./masked-proc.ts";

/**
 * Tries to get out in every way the level promises is closed; prints the name of each that stayed closed. Only shell
 * built-ins but for one: the whole probe costs one execution.
 */
const SCRIPT = `
held() { echo "held $1"; }
n=0
while IFS= read -r line; do
  case "$line" in *:*) case "$line" in *lo:*) ;; *) n=1 ;; esac ;; esac
done </proc/net/dev
[ $n = 0 ] && held network
n=0
for path in $HIDDEN; do [ -e "$path" ] && n=1; done
[ $n = 0 ] && held workspace
[ -e "$HOST_TMP" ] || held tmp
[ -e "$HOST_HOME/." ] || held home
( : >/usr/.begat-canary ) 2>/dev/null || held usr
( : >/etc/.begat-canary ) 2>/dev/null || held etc
( : >given ) 2>/dev/null || held inputs
set -- /proc/[0-9]*
[ $# -le 2 ] && held pid
[ -O given ] || held uid
read -r name </proc/sys/kernel/hostname
[ "$name" = build ] && held hostname
# Of the hardening: what the kernel says of this process, and one call that a filter must refuse.
n=0
while read -r key value _; do
  case "$key$value" in
    Seccomp:2) n=$((n+1)) ;;
    NoNewPrivs:1) n=$((n+1)) ;;
    CapEff:*[!0]*) ;;
    CapEff:*) held capabilities ;;
    Cpus_allowed_list:*[,-]*) ;;
    Cpus_allowed_list:*) held cpus ;;
  esac
done </proc/self/status
if [ $n = 2 ] && ! unshare -U true; then held filter; fi 2>/dev/null
if [ -n "$IMAGE" ]; then
  : >own
  chmod 755 own && [ -x own ] && ! chmod 4755 own && held setuid
fi 2>/dev/null
read -r p </proc/self/personality
[ "$p" = 00040000 ] && held aslr
umask >own; read -r p <own
[ "$p" = 0022 ] && held umask
( : >/.begat-canary ) 2>/dev/null || held root
n=0
for path in $MASKED; do
  read -r a <"mask$path"
  read -r b <"$path"
  [ "$a" = "$b" ] || n=1
done
[ $n = 0 ] && held proc
sleep 60 &
`;

const NAMES = ["network", "workspace", "tmp", "home", "usr", "etc", "inputs", "pid", "hostname"] as const;

/** What only an image promises. */
const IMAGE_NAMES = ["aslr", "capabilities", "cpus", "filter", "proc", "root", "setuid", "umask"] as const;

export function isOfImages(name: string): boolean {
  return (IMAGE_NAMES as readonly string[]).includes(name);
}

/** @param imageRoot For canaries in an image; its programs are those of the host. */
export function plantCanaries(
  hidden: readonly string[],
  imageRoot?: string,
): { readonly request: ExecutionRequest; remove(): void } {
  const canary = `${tmpdir()}/begat-canary-${randomBytes(8).toString("hex")}`;
  writeFileSync(canary, "", { mode: 0o644 });
  const script = Buffer.from(SCRIPT);
  // The script splits at blanks: what holds one is looked for by its first part, which is at least as strict.
  const names = hidden.filter((path) => path !== "/" && !path.startsWith("/usr")).map((path) => path.split(/\s/)[0]);
  const home = homedir();
  const request: ExecutionRequest = {
    actionDigest: digestOf(script),
    label: "canaries",
    argv: ["/bin/sh", "canaries"],
    env: [
      ["HIDDEN", names.join(" ")],
      ["HOST_HOME", home === "" || home === "/" ? "/nonexistent" : home],
      ["HOST_TMP", canary],
      ["IMAGE", imageRoot === undefined ? "" : "1"],
      ["MASKED", imageRoot === undefined ? "" : MASKED_PROC.map(({ path }) => path).join(" ")],
      ["PATH", "/usr/bin:/bin"],
    ],
    pathVariables: [],
    directory: "" as WorkspacePath,
    inputs: [
      input("canaries", script),
      input("given", Buffer.from("given\n")),
      ...(imageRoot === undefined ? [] : masks()),
    ],
    links: [],
    emptyDirectories: [],
    outputs: [],
    imageRoot,
    network: "none",
    timeoutMs: 20_000,
    resources: {},
    interactive: false,
  };
  return { request, remove: () => rmSync(canary, { force: true }) };
}

/** What held. The background process must have been found and killed, which is what the verdict says. */
export function judgeCanaries(
  result: ExecutionResult,
  dropsUser: boolean,
  profile: FilterProfile,
): { readonly canaries: Capabilities["canaries"]; readonly hardening: ReadonlySet<string> } {
  const held = new Set(result.stdout.toString().split("\n"));
  const isRoot = process.getuid?.() === 0;
  const names = profile === "image" ? [...NAMES, ...IMAGE_NAMES] : NAMES;
  const canaries = [
    ...names.map((name) => ({ name, held: held.has(`held ${name}`) })),
    // What begat staged belongs to begat's user: the recipe must be somebody else. Without root there is no other.
    { name: "uid", held: !isRoot || (dropsUser && held.has("held uid")) },
    { name: "leftover", held: result.verdict === "leftover-processes" },
  ];
  const hardening = new Set(IMAGE_NAMES.filter((name) => held.has(`held ${name}`)));
  return { canaries, hardening };
}

function input(path: string, bytes: Buffer): InputFile {
  return { path: path as WorkspacePath, digest: digestOf(bytes), executable: false, from: { bytes } };
}

/** What a recipe in an image must read in place of the kernel's own files. */
function masks(): InputFile[] {
  const files = maskedProcFiles(1);
  return MASKED_PROC.map(({ path, name }) => input(`mask${path}`, Buffer.from(files.get(name) ?? ""))).sort((a, b) =>
    a.path < b.path ? -1 : 1,
  );
}
