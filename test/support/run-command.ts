import { spawn } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Digest } from "../../src/base/index.ts";
import type { BlobStore } from "../../src/cache/index.ts";
import { encodeDirectories, encodeTree, type farm, reapi, type TreeNode } from "../../src/protocol/index.ts";
import { fastPlace, scratchDirectory } from "./scratch-directory.ts";
import type { Outcome } from "./scripted-rnode.ts";

/** Runs an assigned action in a scratch directory, with the blobs at hand: all that a contract's cases ask for. */
export async function runCommand(blobs: BlobStore, { actionDigest }: farm.Assign): Promise<Outcome> {
  const read = <T>(digest: reapi.Digest | undefined, codec: { decode(bytes: Uint8Array): T }): T =>
    codec.decode(blobs.read(digest as Digest));
  const action = read(actionDigest, reapi.Action);
  const command = read(action.commandDigest, reapi.Command);
  const scratch = scratchDirectory(fastPlace());
  try {
    lay(scratch.path, action.inputRootDigest as reapi.Digest);
    for (const path of command.outputPaths) mkdirSync(dirname(join(scratch.path, path)), { recursive: true });
    const env = Object.fromEntries(command.environmentVariables.map(({ name, value }) => [name, value]));
    const [program = "", ...words] = command.arguments;
    const timeoutMs = (action.timeout?.seconds ?? 0) * 1000;
    const child = spawn(program, words, { cwd: scratch.path, env, timeout: timeoutMs, killSignal: "SIGKILL" });
    // What it started holds the pipes open and is none of a contract's business.
    child.on("exit", (_code, by) => by !== null && child.stdout.destroy() && child.stderr.destroy());
    let stdout = "";
    child.stdout.on("data", (bytes) => {
      stdout += bytes;
    });
    const { exitCode, signal } = await new Promise<{ exitCode: number | null; signal: string | null }>((resolve) =>
      child.on("close", (code, by) => resolve({ exitCode: code, signal: by })),
    );
    const actionResult = reapi.ActionResult.fromPartial({ exitCode: exitCode ?? 137, stdoutRaw: Buffer.from(stdout) });
    for (const path of command.outputPaths) collect(path, actionResult);
    if (signal !== null)
      return { verdict: "timeout", actionResult, status: { code: 4, message: "too long", details: [] } };
    return { verdict: exitCode === 0 ? "ok" : "exit", actionResult };
  } finally {
    scratch.dispose();
  }

  function lay(path: string, digest: reapi.Digest): void {
    mkdirSync(path, { recursive: true });
    const { files, directories, symlinks } = read(digest, reapi.Directory);
    for (const file of files) {
      writeFileSync(join(path, file.name), blobs.read(file.digest as Digest));
      if (file.isExecutable) chmodSync(join(path, file.name), 0o755);
    }
    for (const { name, target } of symlinks) symlinkSync(target, join(path, name));
    for (const child of directories) lay(join(path, child.name), child.digest as reapi.Digest);
  }

  function collect(path: string, result: reapi.ActionResult): void {
    const at = join(scratch.path, path);
    const stat = lstatSync(at, { throwIfNoEntry: false });
    if (stat?.isFile()) {
      const digest = blobs.write(readFileSync(at));
      result.outputFiles.push(reapi.OutputFile.fromPartial({ path, digest, isExecutable: (stat.mode & 0o100) !== 0 }));
    } else if (stat?.isDirectory()) {
      const node = tree(at);
      for (const { bytes } of encodeDirectories(node).blobs) blobs.write(bytes);
      const treeDigest = blobs.write(encodeTree(node).bytes);
      result.outputDirectories.push(reapi.OutputDirectory.fromPartial({ path, treeDigest }));
    }
  }

  function tree(path: string): TreeNode {
    const node = { files: [], directories: [], symlinks: [] } as {
      -readonly [K in keyof TreeNode]: TreeNode[K][number][];
    };
    for (const name of readdirSync(path)) {
      const stat = lstatSync(join(path, name));
      if (stat.isSymbolicLink()) node.symlinks.push({ name, target: readlinkSync(join(path, name)) });
      else if (stat.isDirectory()) node.directories.push({ name, node: tree(join(path, name)) });
      else {
        const digest = blobs.write(readFileSync(join(path, name)));
        node.files.push({ name, digest, isExecutable: (stat.mode & 0o100) !== 0 });
      }
    }
    return node;
  }
}
