import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseArguments } from "../../src/cli/arguments.ts";
import { parseBegatfile } from "../../src/dictum-parser/index.ts";

const packaging = new URL("../../packaging/", import.meta.url);
const read = (name: string) => readFileSync(new URL(name, packaging), "utf8");
const can = (command: string, ...args: string[]) => spawnSync(command, args, { stdio: "ignore" }).status === 0;
const lock = readFileSync(new URL("../../package.json", import.meta.url), "utf8");

/** Words after `fulcrum serve`, quotes taken away. */
const served = (text: string) => {
  const [, words = ""] = /fulcrum serve ((?:\\\n|.)*)$/m.exec(text) ?? [];
  return words.replace(/["\\]/g, "").trim().split(/\s+/);
};

describe("what keeps fulcrums running", () => {
  test("starts them with options that there are", () => {
    const options = read("systemd/fulcrum.env").match(/(?<=FULCRUM_OPTIONS=).*/g) ?? [];
    expect(options).toHaveLength(2);
    const lines = [
      ...options.map((text) => text.split(" ")),
      served(read("swarm/fulcrum.yml")),
      [...read("kubernetes/fulcrum.yaml").matchAll(/^ {12}- ([^\n:]+)$/gm)].map(([, word]) => word as string).slice(6),
    ];
    for (const words of lines) {
      expect(words.length).toBeGreaterThan(1);
      expect(parseArguments(["fulcrum", "serve", ...words])).toMatchObject({ verb: "fulcrum serve" });
    }
  });

  test("starts them all in one way, which keeps their memory small", () => {
    const start = "start-fulcrum node /usr/lib/begat/begat.cjs fulcrum serve";
    expect(read("swarm/fulcrum.yml")).toContain(start);
    expect(read("kubernetes/fulcrum.yaml").replaceAll(/\n +- /g, " ")).toContain(start);
    // The unit starts the launcher.
    expect(read("systemd/begat-fulcrum.service")).toContain("begat fulcrum serve");
    expect(read("../begat")).toContain('sh "$root/packaging/start-fulcrum" "$node" "$root/dist/begat.cjs" "$@"');
    const script = new URL("start-fulcrum", packaging).pathname;
    const tell = "[process.env.MALLOC_MMAP_THRESHOLD_, process.env.MALLOC_TRIM_THRESHOLD_, ...process.execArgv].join()";
    const { stdout } = spawnSync("sh", [script, process.execPath, "-p", tell], { encoding: "utf8" });
    expect(stdout).toMatch(/^1048576,16777216,--max-semi-space-size=2,--optimize-for-size,/);
  });

  test.skipIf(!can("systemd-analyze", "--version"))("the unit is one (skipped without systemd-analyze)", () => {
    const unit = new URL("systemd/begat-fulcrum.service", packaging).pathname;
    const { stderr } = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
    // That begat is not installed here is no fault of the unit's.
    const complaints = stderr
      .split("\n")
      .filter((line) => line.includes("begat-fulcrum") && !line.includes("not executable"));
    expect(complaints).toEqual([]);
  });

  test.skipIf(!can("docker", "stack", "config", "--help"))(
    "the stack is one (skipped without docker stack config)",
    () => {
      const { status, stdout, stderr } = spawnSync("docker", ["stack", "config", "-c", "fulcrum.yml"], {
        cwd: new URL("swarm/", packaging).pathname,
        env: { ...process.env, LEADER: "leader:1", IMAGE: "image" },
        encoding: "utf8",
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(stdout).toContain("mode: global");
    },
  );

  test.skipIf(!can("/usr/bin/python3", "-c", "import yaml"))(
    "the daemon set is one (skipped without python3-yaml)",
    () => {
      const script = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))";
      const { stdout } = spawnSync("/usr/bin/python3", ["-c", script], {
        input: read("kubernetes/fulcrum.yaml"),
        encoding: "utf8",
      });
      const [set, ...more] = JSON.parse(stdout);
      expect(more).toEqual([]);
      expect(set).toMatchObject({ apiVersion: "apps/v1", kind: "DaemonSet" });
      const { spec, metadata } = set.spec.template;
      expect(metadata.labels).toMatchObject(set.spec.selector.matchLabels);
      const [container] = spec.containers;
      const volumes = spec.volumes.map(({ name }: { name: string }) => name);
      expect(container.volumeMounts.map(({ name }: { name: string }) => name)).toEqual(volumes);
      // What it refers to is what the comment says to make.
      for (const name of ["farm-token", "configmap farm"]) expect(read("kubernetes/fulcrum.yaml")).toContain(name);
      for (const word of container.command) {
        const variable = /^\$\((.*)\)$/.exec(word)?.[1];
        if (variable !== undefined) expect(container.env.map(({ name }: { name: string }) => name)).toContain(variable);
      }
    },
  );

  test("the image takes the versions that begat is tested with", () => {
    const text = read("fulcrum.begat");
    expect(parseBegatfile(text).diagnostics).toEqual([]);
    const { dependencies } = JSON.parse(lock) as { dependencies: Record<string, string> };
    const named = [...text.matchAll(/"(@?[a-z0-9/-]+)@([0-9.]+)"/g)];
    expect(named.length).toBeGreaterThan(2);
    for (const [, name, version] of named) expect([name, version]).toEqual([name, dependencies[name as string]]);
  });
});
