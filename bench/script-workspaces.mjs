// The same copies as packages of a workspace, for the tools of JavaScript workspaces.
//
// They are no dependencies of begat: `sh bench/install-peers.sh` puts them where the benchmark finds them.

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { JOBS } from "./contestants.mjs";
import { kibibyte } from "./workloads.mjs";

const json = (value) => `${JSON.stringify(value, null, 1)}\n`;

/** `packages/f0` ...: each copies its `in` to `out/<name>`; `describe` adds what the tool wants of a package. */
function packages(folder, count, program, describe) {
  // Most of these tools look for themselves in the workspace.
  symlinkSync(dirname(dirname(program)), join(folder, "node_modules"));
  for (let i = 0; i < count; i++) {
    const name = `f${i}`;
    const place = join(folder, "packages", name);
    mkdirSync(join(place, "out"), { recursive: true });
    writeFileSync(join(place, "in"), kibibyte(name));
    for (const [file, text] of Object.entries(describe(name))) writeFileSync(join(place, file), text);
  }
}

const script = (name) => ({
  "package.json": json({ name, version: "1.0.0", private: true, scripts: { build: `cp in out/${name}` } }),
});

const root = {
  name: "bench",
  version: "1.0.0",
  private: true,
  workspaces: ["packages/*"],
  packageManager: "npm@11.0.0",
};

/** Empties every package's `out`, and removes what the tool keeps. */
function forgetPackages(kept) {
  return (folder, count) => {
    for (const name of kept) rmSync(join(folder, name), { recursive: true, force: true });
    for (let i = 0; i < count; i++) {
      rmSync(join(folder, `packages/f${i}/out`), { recursive: true, force: true });
      mkdirSync(join(folder, `packages/f${i}/out`), { recursive: true });
      for (const name of kept) rmSync(join(folder, `packages/f${i}`, name), { recursive: true, force: true });
    }
  };
}

const quiet = { DO_NOT_TRACK: "1", CI: "" };

/** moon caches nothing outside of a repository that has a commit. */
function repository(folder) {
  const words = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-C", folder];
  execFileSync("git", ["init", "--quiet", folder]);
  execFileSync("git", [...words, "commit", "--quiet", "--allow-empty", "--no-verify", "--message=bench"]);
}

const workspacePeers = [
  {
    name: "wireit",
    env: () => ({ ...quiet, WIREIT_PARALLEL: `${JOBS}`, WIREIT_LOGGER: "quiet" }),
    prepare(folder, count, program) {
      packages(folder, count, program, (name) => ({
        "package.json": json({
          name,
          version: "1.0.0",
          private: true,
          scripts: { build: "wireit" },
          wireit: { build: { command: `cp in out/${name}`, files: ["in"], output: [`out/${name}`] } },
        }),
      }));
      const all = Array.from({ length: count }, (_, i) => `./packages/f${i}:build`);
      const wireit = { all: { dependencies: all } };
      writeFileSync(join(folder, "package.json"), json({ ...root, scripts: { all: "wireit" }, wireit }));
    },
    command: () => ["/usr/bin/env", "npm", "run", "--silent", "all"],
    forgetFiles: forgetPackages([".wireit"]),
  },
  {
    name: "turbo",
    env: () => ({ ...quiet, TURBO_TELEMETRY_DISABLED: "1", TURBO_NO_UPDATE_NOTIFIER: "1" }),
    prepare(folder, count, program) {
      packages(folder, count, program, script);
      writeFileSync(join(folder, "package.json"), json(root));
      const tasks = { build: { inputs: ["in"], outputs: ["out/**"] } };
      writeFileSync(join(folder, "turbo.json"), json({ tasks }));
      writeFileSync(join(folder, "package-lock.json"), json({ name: "bench", lockfileVersion: 3, packages: {} }));
    },
    command: (program) => [program, "run", "build", `--concurrency=${JOBS}`, "--output-logs=errors-only"],
    forgetFiles: forgetPackages([".turbo"]),
    end: (program) => [program, "daemon", "stop"],
  },
  {
    name: "nx",
    env: () => ({ ...quiet, NX_NO_CLOUD: "true", NX_TUI: "false" }),
    prepare(folder, count, program) {
      packages(folder, count, program, (name) => ({
        "project.json": json({
          name,
          targets: {
            build: {
              executor: "nx:run-commands",
              cache: true,
              inputs: ["{projectRoot}/in"],
              outputs: ["{projectRoot}/out"],
              options: { command: `cp in out/${name}`, cwd: `packages/${name}` },
            },
          },
        }),
      }));
      writeFileSync(join(folder, "package.json"), json({ name: "bench", version: "1.0.0", private: true }));
      writeFileSync(join(folder, "nx.json"), json({ analytics: false }));
    },
    command: (program) => [program, "run-many", "-t", "build", `--parallel=${JOBS}`, "--outputStyle=static"],
    forget: (program) => [program, "reset"],
    forgetFiles: forgetPackages([".nx"]),
    end: (program) => [program, "reset"],
  },
  {
    name: "moon",
    needs: ["git"],
    // It looks for no workspace in the home directory or above it.
    env: (folder) => ({ ...quiet, HOME: `${folder}.home` }),
    prepare(folder, count, program) {
      packages(folder, count, program, (name) => ({
        "moon.yml": json({
          tasks: {
            build: {
              command: `cp in out/${name}`,
              inputs: ["in"],
              outputs: [`out/${name}`],
              options: { shell: false },
            },
          },
        }),
      }));
      mkdirSync(join(folder, ".moon"));
      writeFileSync(join(folder, ".moon/workspace.yml"), json({ projects: ["packages/*"], telemetry: false }));
      writeFileSync(join(folder, ".gitignore"), "out/\nnode_modules\n.moon/cache\n");
      repository(folder);
    },
    command: (program) => [program, "run", ":build", `--concurrency=${JOBS}`, "--quiet"],
    forgetFiles: forgetPackages([".moon/cache"]),
  },
];

export const scriptPeers = workspacePeers.map((peer) => ({
  ...peer,
  leaf: "packages/f0/in",
  output: (folder) => join(folder, "packages/f0/out/f0"),
}));
