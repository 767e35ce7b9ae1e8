import { MemoryFileTree } from "./memory-file-tree.ts";

/** The files of one directory, elsewhere. */
export function copyOf(from: MemoryFileTree, directory: string): MemoryFileTree {
  const to = new MemoryFileTree();
  to.makeDirectory(directory);
  for (const { name } of from.readDirectory(directory)) {
    to.writeFile(`${directory}/${name}`, from.readFile(`${directory}/${name}`));
  }
  return to;
}
