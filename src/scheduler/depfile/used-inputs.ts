import { compareUtf8, type WorkspacePath } from "../../base/index.ts";
import { type ExecutionRequest, type ExecutionResult, isOwnFile } from "../../executor/index.ts";

/** What a recipe named or looked at, told apart by what it means for the chore. */
export interface UsedInputs {
  /** Declared and used, begat's own files left out; sorted by UTF-8 bytes. */
  readonly used: readonly WorkspacePath[];
  /** In the workspace, used, and neither declared nor made by the recipe. */
  readonly undeclared: readonly string[];
}

export interface UseFacts {
  readonly request: Pick<ExecutionRequest, "inputs" | "links" | "outputs" | "directory">;
  readonly result: Pick<ExecutionResult, "buildRoot" | "undeclared">;
  /** Absolute. A recipe that nothing keeps from it may name files there. */
  readonly checkoutRoot: string;
  /** Of the depfile, as they stand there. */
  readonly prerequisites: readonly string[];
  /** What the executor saw: paths from the workspace root. */
  readonly seen: readonly string[];
}

/** Most names an executor tells of what was made and dropped; where there are more, none is called undeclared. */
const TOLD_NAMES = 100;
const MOST_LINKS = 40;

/** Sorts out what was used of what was declared. */
export function usedInputs({ request, result, checkoutRoot, prerequisites, seen }: UseFacts): UsedInputs {
  const inputs = new Map<string, WorkspacePath>(request.inputs.map(({ path }) => [path, path]));
  const links = new Map<string, string>(request.links.map(({ path, target }) => [path, target]));
  const roots = [result.buildRoot, checkoutRoot].filter((root) => root !== undefined && root !== "");
  const used = new Set<WorkspacePath>();
  const undeclared = new Set<string>();
  const note = (path: string): boolean => {
    const real = followed(path, links);
    const input = real === undefined ? undefined : inputs.get(real);
    if (input === undefined) return false;
    if (!isOwnFile(input)) used.add(input);
    return true;
  };
  for (const path of seen) note(path);
  const isTold = result.undeclared.length < TOLD_NAMES;
  for (const name of prerequisites) {
    const path = inWorkspace(name, request.directory, roots as string[]);
    if (path === undefined || note(path) || isMade(path, request, result)) continue;
    if (isTold && !isOwnFile(path)) undeclared.add(path);
  }
  return { used: [...used].sort(compareUtf8), undeclared: [...undeclared].sort(compareUtf8) };
}

/** A name as the recipe wrote it, from the workspace root; `undefined` where it leads out of it. */
function inWorkspace(name: string, directory: string, roots: readonly string[]): string | undefined {
  if (!name.startsWith("/")) return normal(directory === "" ? name : `${directory}/${name}`);
  const absolute = `/${normal(name) ?? ""}`;
  for (const root of roots) {
    if (absolute.startsWith(`${root}/`)) return absolute.slice(root.length + 1);
  }
  return undefined;
}

/** Without `.`, `..` and doubled slashes; `undefined` for what leads above the start. */
function normal(path: string): string | undefined {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join("/");
}

/** Where a path leads through the links of the input root. */
function followed(path: string, links: ReadonlyMap<string, string>): string | undefined {
  if (links.size === 0) return path;
  let at = path;
  for (let hops = 0; hops < MOST_LINKS; hops++) {
    const link = firstLink(at, links);
    if (link === undefined) return at;
    const above = link.includes("/") ? `${link.slice(0, link.lastIndexOf("/"))}/` : "";
    const next = normal(`${above}${links.get(link)}${at.slice(link.length)}`);
    if (next === undefined) return undefined;
    at = next;
  }
  return undefined;
}

function firstLink(path: string, links: ReadonlyMap<string, string>): string | undefined {
  for (let slash = path.indexOf("/"); slash > 0; slash = path.indexOf("/", slash + 1)) {
    if (links.has(path.slice(0, slash))) return path.slice(0, slash);
  }
  return links.has(path) ? path : undefined;
}

/** An output, or something the recipe made for itself. */
function isMade(path: string, { outputs }: UseFacts["request"], { undeclared }: UseFacts["result"]): boolean {
  return (
    outputs.some((output) => path === output.path || (output.kind === "tree" && path.startsWith(`${output.path}/`))) ||
    undeclared.some((name) => path === name || (name.endsWith("/") && path.startsWith(name)))
  );
}
