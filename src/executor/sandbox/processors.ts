import { accessSync, constants, readFileSync } from "node:fs";
import { processorList } from "../variation.ts";

/** Numbers of the processors that begat itself may use; at least one. */
export function allowedProcessors(): readonly number[] {
  let list: number[] = [];
  try {
    const status = readFileSync("/proc/self/status", "latin1");
    list = processorList(/^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? "");
  } catch {
    // No /proc: the first one is there.
  }
  return list.length > 0 ? list : [0];
}

/** How many processors a recipe in an image sees: one, so that no result depends on the machine, unless it asks for more. */
export function visibleProcessors(resources: Readonly<Record<string, number>>): number {
  const wanted = Math.floor(resources.cpu ?? 1);
  return Math.max(1, Math.min(wanted, 1024));
}

const DIRECTORIES = ["/usr/bin", "/bin"];

/** Words before a program that give it, and all it starts, the same addresses each time; empty where that is not to be had. */
export function withoutAddressChance(): readonly string[] {
  const setarch = programAt("setarch");
  const machine = { x64: "x86_64", arm64: "aarch64" }[process.arch as string];
  return setarch === undefined || machine === undefined ? [] : [setarch, machine, "-R"];
}

/** Words before a program that keep it, and all it starts, on these processors; empty where that is not to be had. */
export function onProcessors(numbers: readonly number[]): readonly string[] {
  const taskset = programAt("taskset");
  return taskset === undefined ? [] : [taskset, "-c", numbers.join(",")];
}

const found = new Map<string, string | undefined>();

function programAt(name: string): string | undefined {
  if (!found.has(name)) {
    found.set(
      name,
      DIRECTORIES.map((directory) => `${directory}/${name}`).find((path) => {
        try {
          accessSync(path, constants.X_OK);
          return true;
        } catch {
          return false;
        }
      }),
    );
  }
  return found.get(name);
}
