import { compareUtf8, digestOf, type WorkspacePath } from "../../src/base/index.ts";
import type { DeclaredOutput, ExecutionRequest, InputFile } from "../../src/executor/index.ts";

export interface RequestParts extends Partial<Omit<ExecutionRequest, "inputs" | "outputs" | "links" | "directory">> {
  /** Contents by path. */
  readonly files?: Readonly<Record<string, string | Buffer>>;
  readonly programs?: Readonly<Record<string, string>>;
  /** Inputs that are not given by their bytes. */
  readonly inputs?: readonly InputFile[];
  readonly links?: Readonly<Record<string, string>>;
  /** A trailing slash declares a directory. */
  readonly outputs?: readonly string[];
  readonly directory?: string;
}

export const RECIPE = ".begat-recipe" as WorkspacePath;

/** A request that runs `recipe` with `sh -eu`. */
export function executionRequest(recipe: string, parts: RequestParts = {}): ExecutionRequest {
  const { files, programs, inputs, links, outputs, directory = "", ...rest } = parts;
  const given = (path: string, content: string | Buffer, executable: boolean): InputFile => {
    const bytes = Buffer.from(content as string);
    return { path: path as WorkspacePath, digest: digestOf(bytes), executable, from: { bytes } };
  };
  const up = directory === "" ? "" : `${directory.replaceAll(/[^/]+/g, "..")}/`;
  return {
    actionDigest: digestOf(recipe),
    label: "recipe",
    argv: ["sh", "-eu", `${up}${RECIPE}`],
    env: [["PATH", "/usr/local/bin:/usr/bin:/bin"]],
    pathVariables: [],
    emptyDirectories: [],
    imageRoot: undefined,
    network: "none",
    timeoutMs: 0,
    resources: {},
    interactive: false,
    ...rest,
    directory: directory as WorkspacePath,
    inputs: [
      given(RECIPE, recipe, false),
      ...Object.entries(files ?? {}).map(([path, content]) => given(path, content, false)),
      ...Object.entries(programs ?? {}).map(([path, content]) => given(path, content, true)),
      ...(inputs ?? []),
    ].sort((a, b) => compareUtf8(a.path, b.path)),
    links: Object.entries(links ?? {}).map(([path, target]) => ({ path: path as WorkspacePath, target })),
    outputs: (outputs ?? []).map(declaredOutput),
  };
}

function declaredOutput(text: string): DeclaredOutput {
  return { path: text.replace(/\/$/, "") as WorkspacePath, kind: text.endsWith("/") ? "tree" : "file" };
}
