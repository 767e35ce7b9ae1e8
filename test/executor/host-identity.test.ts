import { describe, expect, test } from "vitest";
import { hostIdentity } from "../../src/executor/index.ts";
import { NodeFileTree } from "../../src/platform/index.ts";
import { MemoryFileTree } from "../support/memory-file-tree.ts";

/** A host with dpkg, whose `cc` goes through alternatives. */
function host(): MemoryFileTree {
  const files = new MemoryFileTree();
  for (const directory of ["/var/lib/dpkg", "/usr/bin", "/usr/local/bin", "/etc/alternatives", "/opt"]) {
    files.makeDirectory(directory);
  }
  files.writeFile("/var/lib/dpkg/status", "Package: gcc-12\n");
  files.writeFile("/usr/bin/gcc-12", "gcc 12", { mode: 0o755 });
  files.writeFile("/usr/bin/gcc-13", "gcc 13", { mode: 0o755 });
  files.writeFile("/usr/bin/notes", "no program", { mode: 0o644 });
  files.symlink("gcc-12", "/usr/bin/gcc");
  files.symlink("/usr/bin/gcc", "/etc/alternatives/cc");
  files.symlink("/etc/alternatives/cc", "/usr/bin/cc");
  return files;
}

const identify = (files: MemoryFileTree, tools: string[] = ["cc"]) => hostIdentity(tools, files, "x64");

describe("host identity", () => {
  test("names what it rests on, and what to watch", () => {
    const { parts, watchedFiles } = identify(host());
    expect(parts.map(({ name }) => name)).toEqual(["machine x64", "packages dpkg", "tool cc /usr/bin/gcc-12"]);
    expect(watchedFiles).toEqual([
      "/etc/alternatives/cc",
      "/usr/bin/cc",
      "/usr/bin/gcc",
      "/usr/bin/gcc-12",
      "/usr/local/bin/cc",
      "/var/lib/dpkg/status",
    ]);
  });

  test("is fixed for a fixed host: this digest is in caches and ledgers", () => {
    expect(identify(host()).digest).toMatchInlineSnapshot(
      `"e55c632dd2d4700ec20897d503cef158e2d4e1d48aec1a59a77407d7a16e1bf0"`,
    );
  });

  test.each<[what: string, change: (files: MemoryFileTree) => void]>([
    ["a package is installed", (files) => files.writeFile("/var/lib/dpkg/status", "Package: gcc-12\n\nPackage: tcc\n")],
    ["the tool's bytes change", (files) => files.writeFile("/usr/bin/gcc-12", "gcc 12.1", { mode: 0o755 })],
    [
      "an alternative is turned",
      (files) => {
        files.remove("/usr/bin/gcc");
        files.symlink("gcc-13", "/usr/bin/gcc");
      },
    ],
    ["an earlier directory gets the tool", (files) => files.writeFile("/usr/local/bin/cc", "cc", { mode: 0o755 })],
    ["the tool goes", (files) => files.remove("/usr/bin/cc")],
  ])("changes when %s, in a file that was watched", (_, change) => {
    const files = host();
    const before = identify(files);
    const stat = (path: string) => JSON.stringify(files.lstat(path));
    const stats = before.watchedFiles.map(stat);
    change(files);
    expect(identify(files).digest).not.toBe(before.digest);
    expect(before.watchedFiles.map(stat)).not.toEqual(stats);
  });

  test("does not depend on the order or repetition of tools", () => {
    expect(identify(host(), ["gcc", "cc", "cc"])).toEqual(identify(host(), ["cc", "gcc"]));
  });

  test("counts a tool that is not there, and one that is no program, as absent", () => {
    const names = identify(host(), ["notes", "/opt/tool"]).parts.map(({ name }) => name);
    expect(names).toContain("tool notes absent");
    expect(names).toContain("tool /opt/tool absent");
  });

  test("goes by the release where there is no package database", () => {
    const files = host();
    files.remove("/var/lib/dpkg");
    files.writeFile("/etc/os-release", "ID=other\n");
    expect(identify(files).parts.map(({ name }) => name)).toContain("release /etc/os-release");
  });

  test("knows this host", () => {
    const { parts } = hostIdentity(["sh"], new NodeFileTree());
    expect(parts.some(({ name }) => /^(packages|release) /.test(name))).toBe(true);
    expect(parts.some(({ name }) => name.startsWith("tool sh /"))).toBe(true);
  });
});
