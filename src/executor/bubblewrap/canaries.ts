import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { digestOf, type WorkspacePath } from "../../base/index.ts";
import type { Capabilities, ExecutionRequest, ExecutionResult } from "../executor.ts";

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
sleep 60 &
`;

const NAMES = ["network", "workspace", "tmp", "home", "usr", "etc", "inputs", "pid", "hostname"] as const;

export function plantCanaries(hidden: readonly string[]): { readonly request: ExecutionRequest; remove(): void } {
  const canary = `${tmpdir()}/begat-canary-${randomBytes(8).toString("hex")}`;
  writeFileSync(canary, "", { mode: 0o644 });
  const script = Buffer.from(SCRIPT);
  const given = Buffer.from("given\n");
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
      ["PATH", "/usr/bin:/bin"],
    ],
    pathVariables: [],
    directory: "" as WorkspacePath,
    inputs: [
      { path: "canaries" as WorkspacePath, digest: digestOf(script), executable: false, from: { bytes: script } },
      { path: "given" as WorkspacePath, digest: digestOf(given), executable: false, from: { bytes: given } },
    ],
    links: [],
    emptyDirectories: [],
    outputs: [],
    imageRoot: undefined,
    network: "none",
    timeoutMs: 20_000,
    resources: {},
    interactive: false,
  };
  return { request, remove: () => rmSync(canary, { force: true }) };
}

/** What held. The background process must have been found and killed, which is what the verdict says. */
export function judgeCanaries(result: ExecutionResult, dropsUser: boolean): Capabilities["canaries"] {
  const held = new Set(result.stdout.toString().split("\n"));
  const isRoot = process.getuid?.() === 0;
  return [
    ...NAMES.map((name) => ({ name, held: held.has(`held ${name}`) })),
    // What begat staged belongs to begat's user: the recipe must be somebody else. Without root there is no other.
    { name: "uid", held: !isRoot || (dropsUser && held.has("held uid")) },
    { name: "leftover", held: result.verdict === "leftover-processes" },
  ];
}
