import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { type Sha256, sha256 } from "../../src/base/index.ts";
import type { DockerImage } from "../../src/executor/index.ts";

const PROGRAMS = ["/usr/sbin/dockerd", "/usr/bin/dockerd"];

/** Why no engine can be started here; `undefined` where one can. */
export function dockerdProblem(): string | undefined {
  if (process.getuid?.() !== 0) return "dockerd needs root";
  return PROGRAMS.some(isExecutable) ? undefined : "dockerd is not installed (Debian: docker.io)";
}

export interface RunningDockerd {
  /** Absolute. */
  readonly socket: string;
  stop(): Promise<void>;
}

/** Starts an engine of the tests' own below `directory`, on a socket there, with no network of its own. */
export async function startDockerd(directory: string): Promise<RunningDockerd> {
  const socket = `${directory}/docker.sock`;
  const program = PROGRAMS.find(isExecutable) as string;
  let said = "";
  const child = spawn(program, [
    ...["--host", `unix://${socket}`, "--data-root", `${directory}/data`, "--exec-root", `${directory}/exec`],
    ...["--pidfile", `${directory}/pid`, "--bridge=none", "--iptables=false", "--ip6tables=false"],
    ...["--storage-driver", "overlay2", "--log-level", "error"],
  ]);
  child.stderr.on("data", (bytes: Buffer) => {
    said += bytes.toString();
  });
  const hasEnded = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  for (let tries = 0; tries < 300 && child.exitCode === null; tries++) {
    if (await answers(socket)) return { socket, stop: () => stop(child, hasEnded) };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await stop(child, hasEnded);
  throw new Error(`dockerd does not start: ${said.slice(-500)}`);
}

async function stop(child: ChildProcess, hasEnded: Promise<void>): Promise<void> {
  child.kill("SIGTERM");
  await hasEnded;
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection(socket, () => connection.end("GET /_ping HTTP/1.0\r\n\r\n"));
    connection.on("data", (bytes) => resolve(bytes.toString().includes("200 OK")));
    connection.on("error", () => resolve(false));
    connection.on("close", () => resolve(false));
  });
}

/** Packs a root file system into a tar that `docker load` takes. */
export function dockerArchive(root: string, directory: string): DockerImage {
  const at = `${directory}/archive`;
  mkdirSync(at);
  const tar = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@1"];
  execFileSync("tar", [...tar, "-C", root, "-cf", `${at}/layer.tar`, "."]);
  const diffId = createHash("sha256")
    .update(readFileSync(`${at}/layer.tar`))
    .digest("hex");
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  const config = JSON.stringify({
    architecture,
    os: "linux",
    config: { Env: ["FROM_IMAGE=1"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${diffId}`] },
  });
  const digest: Sha256 = sha256(config);
  writeFileSync(`${at}/${digest}.json`, config);
  writeFileSync(
    `${at}/manifest.json`,
    JSON.stringify([{ Config: `${digest}.json`, RepoTags: null, Layers: ["layer.tar"] }]),
  );
  const archive = `${directory}/image.tar`;
  execFileSync("tar", ["-C", at, "-cf", archive, "manifest.json", `${digest}.json`, "layer.tar"]);
  rmSync(at, { recursive: true });
  return { digest, archive: async () => ({ path: archive, dispose: () => undefined }) };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
