// The workloads, each written twice into one folder: as a begatfile and as a build.ninja that does the same work.

import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

const KIB = 1024;
/** Files a folder holds at most: no tool should be judged by a folder of 100,000 names. */
const FOLDER_SIZE = 1000;

const write = (folder, name, text) => writeFileSync(join(folder, name), text);

/** `00/f0` ... : the names of `count` files, `FOLDER_SIZE` a folder; makes the folders below `src`. */
function spread(folder, count) {
  const names = [];
  for (let i = 0; i < count; i++) {
    if (i % FOLDER_SIZE === 0) mkdirSync(join(folder, `src/${i / FOLDER_SIZE}`), { recursive: true });
    names.push(`${Math.floor(i / FOLDER_SIZE)}/f${i}`);
  }
  return names;
}

/** 1 KiB that differs from file to file: equal bytes would be one blob. */
export const kibibyte = (seed) => `${seed}\n`.repeat(Math.ceil(KIB / (`${seed}`.length + 1))).slice(0, KIB);

function copies(folder, count, recipe, ninjaCommand) {
  const names = spread(folder, count);
  for (const name of names) write(folder, `src/${name}`, kibibyte(name));
  const list = [];
  for (let i = 0; i < names.length; i += 10) list.push(`    ${names.slice(i, i + 10).join(" ")}\n`);
  write(
    folder,
    "begatfile",
    `dictum copy(name) {\n    in [ src/$name ]\n    out [ out/$name ]\n    exec [[\n        ${recipe}\n    ]]\n}\napply(copy [\n${list.join("")}])\n`,
  );
  const edges = names.map((name) => `build out/${name}: copy src/${name}\n`);
  write(folder, "build.ninja", `rule copy\n  command = ${ninjaCommand}\n${edges.join("")}`);
  /** Gives every source other bytes: nothing that was made from them anywhere before can be used. */
  const renew = (seed) => {
    for (const name of names) write(folder, `src/${name}`, kibibyte(`${name} ${seed}`));
  };
  return { chores: count, outputs: ["out"], leaf: `src/${names[names.length >> 1]}`, renew };
}

/** `count` independent chores, each a `cp` of 1 KiB. */
export const independent = (folder, count) => copies(folder, count, 'cp "$in" "$out"', "cp $in $out");

/**
 * The same graph, made without a process beside the shell: for measures of what comes after the first build, where
 * 100,000 starts of `cp` would only take time.
 */
export const independentQuick = (folder, count) =>
  copies(folder, count, 'read -r line < "$in"; echo "$line" > "$out"', "read -r line < $in; echo $$line > $out");

/** `layers` of `width` chores; each joins 3 outputs of the layer before and sums them. */
export function layered(folder, layers, width) {
  mkdirSync(join(folder, "src"), { recursive: true });
  for (let i = 0; i < width; i++) write(folder, `src/f${i}`, kibibyte(i));
  let begatfile =
    'dictum join(name parts) {\n    in [ $parts ]\n    out [ out/$name ]\n    exec [[\n        cat $in | sha256sum > "$out"\n    ]]\n}\n';
  let ninja = "rule join\n  command = cat $in | sha256sum > $out\n";
  for (let layer = 0; layer < layers; layer++) {
    for (let i = 0; i < width; i++) {
      const parts = [i, i + 1, i + 7].map((at) =>
        layer === 0 ? `src/f${at % width}` : `out/l${layer - 1}-${at % width}`,
      );
      begatfile += `run join(l${layer}-${i} [ ${parts.join(" ")} ])\n`;
      ninja += `build out/l${layer}-${i}: join ${parts.join(" ")}\n`;
    }
  }
  write(folder, "begatfile", begatfile);
  write(folder, "build.ninja", ninja);
  return { chores: layers * width, outputs: ["out"], leaf: "src/f0" };
}

/** `length` chores, each the `sha256sum` of what the one before made: nothing can run beside anything. */
export function chain(folder, length) {
  mkdirSync(join(folder, "src"), { recursive: true });
  write(folder, "src/first", kibibyte("first"));
  let begatfile =
    'dictum step(name before) {\n    in [ $before ]\n    out [ out/$name ]\n    exec [[\n        sha256sum "$in" > "$out"\n    ]]\n}\n';
  let ninja = "rule step\n  command = sha256sum $in > $out\n";
  for (let i = 0; i < length; i++) {
    const before = i === 0 ? "src/first" : `out/s${i - 1}`;
    begatfile += `run step(s${i} ${before})\n`;
    ninja += `build out/s${i}: step ${before}\n`;
  }
  write(folder, "begatfile", begatfile);
  write(folder, "build.ninja", ninja);
  return { chores: length, outputs: ["out"], leaf: "src/first" };
}

/** `count` files of `sizeBytes`, each copied, and each copy summed; both are wanted. */
export function large(folder, count, sizeBytes) {
  mkdirSync(join(folder, "src"), { recursive: true });
  const bytes = Buffer.alloc(sizeBytes);
  // xorshift32: nothing that a file system or a digest could take a short cut on, and the same on every machine.
  let x = 0x9e3779b9;
  for (let i = 0; i + 4 <= sizeBytes; i += 4) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes.writeInt32LE(x, i);
  }
  const names = Array.from({ length: count }, (_, i) => `f${i}`);
  for (const [i, name] of names.entries()) {
    const file = openSync(join(folder, "src", name), "w");
    bytes.writeUInt32LE(i, 0);
    writeSync(file, bytes);
    closeSync(file);
  }
  write(
    folder,
    "begatfile",
    `var NAMES = [ ${names.join(" ")} ]
dictum copy(name) {
    in [ src/$name ]
    out [ out/$name ]
    exec [[
        cp "$in" "$out"
    ]]
}
dictum sum(name) {
    in [ out/$name ]
    out [ out/\${name}.sum ]
    exec [[
        sha256sum "$in" > "$out"
    ]]
}
apply(copy $NAMES)
apply(sum $NAMES)
group all = [ out/$NAMES out/\${NAMES}.sum ]
`,
  );
  const edges = names.map((name) => `build out/${name}: copy src/${name}\nbuild out/${name}.sum: sum out/${name}\n`);
  const rules = "rule copy\n  command = cp $in $out\nrule sum\n  command = sha256sum $in > $out\n";
  write(folder, "build.ninja", `${rules}${edges.join("")}`);
  return { chores: 2 * count, outputs: ["out"], leaf: "src/f0" };
}
