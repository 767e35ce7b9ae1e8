import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { explain } from "../../src/base/index.ts";
import { SourceError } from "../../src/hermetic/index.ts";
import { NodeProcessRunner } from "../../src/platform/index.ts";
import { never, sourceWorkspace } from "./source-workspace.ts";

function hasApt(): boolean {
  try {
    execFileSync("apt-get", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test("fetches Lua's Debian source package through this machine's apt", { timeout: 120_000 }, async ({ skip }) => {
  if (!hasApt()) skip("needs apt-get");
  const workspace = sourceWorkspace();
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) environment[name] = value;
  const provider = workspace.provider({ runner: new NodeProcessRunner(), environment });
  const request = { name: "lua", kind: "deb-src", words: ["lua5.4"] } as const;
  const [source] = await provider.provide([request], never).catch((error: unknown) => {
    const code = error instanceof SourceError ? error.code : "";
    if (code === "SOURCE_UNREACHABLE" || code === "SOURCE_NOT_FOUND") skip(`needs a Debian archive: ${explain(error)}`);
    throw error;
  });

  expect(source?.lockChanged).toBe(true);
  expect(source?.lock.version).toMatch(/^5\.4\./);
  const at = `${workspace.root}/.begat/source/lua`;
  expect(workspace.fs.stat(`${at}/src/lua.h`)?.kind).toBe("file");
  expect(workspace.fs.stat(`${at}/debian/control`)?.kind).toBe("file");
  // Neither mirror nor machine may show in what users commit.
  const lock = readFileSync(`${workspace.root}/begat.lock`, "utf8");
  expect(lock).not.toMatch(/:\/\//);

  workspace.fs.remove(`${workspace.root}/.begat`);
  const [again] = await workspace.provider({ offline: true }).provide([request], never);
  expect(again).toMatchObject({ ingested: true, lockChanged: false });
  expect(readFileSync(`${workspace.root}/begat.lock`, "utf8")).toBe(lock);
});
