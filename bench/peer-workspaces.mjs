// The same `count` independent copies as `independent` of workloads.mjs, for tools that are asked for a table of peers.

import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
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

const NIX = (count) => `let
  recipe = name: more: text: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-euc" text ];
    PATH = "/usr/bin:/bin";
  } // more);
  names = builtins.genList (i: "f\${toString i}") ${count};
  copy = name: recipe name { src = ./src/0 + "/\${name}"; } "cp $src $out";
in recipe "all" { copies = map copy names; } "mkdir $out; ln -s $copies $out"
`;

/** The host's tools and no others, as begat's recipes have them; nobody's store but one beside the workspace, and no daemon. */
const NIX_CONF = `sandbox = true
sandbox-fallback = false
sandbox-paths = /bin /usr /lib /lib64=/lib64?
build-users-group =
substitute = false
`;

function nixWorkspace(folder, count) {
  mkdirSync(join(`${folder}.nix`, "conf"), { recursive: true });
  writeFileSync(join(`${folder}.nix`, "conf/nix.conf"), NIX_CONF);
  writeFileSync(join(folder, "default.nix"), NIX(count));
}

/**
 * Other tools: how they are asked, what they keep beside the outputs, and where copy `f0` is to be found afterwards.
 * `start` is what has to be done once before anything can be built, `forget` undoes all builds.
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
    needs: ["fusermount3", "/dev/fuse"],
    prepare: tupWorkspace,
    start: (program) => [program, "init"],
    command: (program) => [program, `-j${JOBS}`, "--quiet"],
    kept: [".tup"],
    // It compares times by the second: of two edits within one it sees the first.
    editsApartMs: 1100,
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
    output: (folder) => join(folder, "bazel-bin/out/0/f0"),
    kept: [],
  },
  {
    name: "nix",
    program: "nix-build",
    refuses: (folder) =>
      folder.startsWith("/dev/") ? "nix's sandbox has a /dev of its own: set a TMPDIR that is not below it" : undefined,
    prepare: nixWorkspace,
    env: (folder) => ({
      NIX_CONF_DIR: `${folder}.nix/conf`,
      NIX_STORE_DIR: `${folder}.nix/store`,
      NIX_STATE_DIR: `${folder}.nix/state`,
      NIX_LOG_DIR: `${folder}.nix/log`,
    }),
    command: (program) => [program, "--quiet", `-j${JOBS}`],
    forget: (program) => ["/bin/sh", "-c", `rm -f result && exec ${join(dirname(program), "nix-store")} --gc --quiet`],
    output: (folder) =>
      join(
        folder,
        "result",
        readdirSync(join(folder, "result")).find((name) => name.endsWith("-f0")),
      ),
    kept: [],
  },
];
