// The same `count` independent copies as `independent` of workloads.mjs, for tools that are asked for a table of peers.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { JOBS } from "./contestants.mjs";

const names = (count) => Array.from({ length: count }, (_, i) => `f${i}`);

function makeWorkspace(folder, count) {
  const all = names(count);
  const rules = all.map((name) => `out/0/${name}: src/0/${name}\n\tcp $< $@\n`);
  const text = `all: ${all.map((name) => `out/0/${name}`).join(" ")}\n.PHONY: all\n${rules.join("")}`;
  writeFileSync(join(folder, "Makefile"), text);
  mkdirSync(join(folder, "out/0"), { recursive: true });
}

function tupWorkspace(folder, count) {
  const rules = names(count).map((name) => `: src/0/${name} |> cp %f %o |> out/0/${name}\n`);
  writeFileSync(join(folder, "Tupfile"), rules.join(""));
}

function bazelWorkspace(folder, count) {
  writeFileSync(join(folder, "WORKSPACE"), "");
  const rules = names(count).map(
    (name) => `genrule(name="${name}",srcs=["src/0/${name}"],outs=["out/0/${name}"],cmd="cp $< $@")\n`,
  );
  writeFileSync(join(folder, "BUILD"), rules.join(""));
}

/**
 * Other tools: how they are asked, what they keep beside the outputs, and what each cannot do that begat does.
 * `warm`: a process that stays is part of how it is used, and was started before anything is measured.
 */
export const peers = [
  {
    name: "make",
    prepare: makeWorkspace,
    command: (program) => [program, `-j${JOBS}`, "-s"],
    kept: [],
    beforeCold: (folder) => mkdirSync(join(folder, "out/0"), { recursive: true }),
  },
  {
    name: "tup",
    // Without it tup cannot take its file system away again, and what it leaves mounted cannot be removed.
    needs: "fusermount3",
    prepare: tupWorkspace,
    start: (program) => [program, "init"],
    command: (program) => [program, `-j${JOBS}`, "--quiet"],
    kept: [".tup"],
  },
  {
    name: "bazel",
    prepare: bazelWorkspace,
    command: (program, folder) => [
      program,
      `--output_user_root=${folder}.bazel`,
      "build",
      `--jobs=${JOBS}`,
      "--spawn_strategy=linux-sandbox",
      "--noshow_progress",
      "//:all",
    ],
    forget: (program, folder) => [program, `--output_user_root=${folder}.bazel`, "clean"],
    end: (program, folder) => [program, `--output_user_root=${folder}.bazel`, "shutdown"],
    kept: [],
  },
];
