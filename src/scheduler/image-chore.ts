import { canonicalJson, parseWorkspacePath, type WorkspacePath } from "../base/index.ts";
import type { ChorePath, EvaluatedChore, ImageDeclaration } from "../dictum-parser/index.ts";
import { imageProperty } from "./plan.ts";

/** A `file` word of an image: `/place/in/image=path/in/workspace`, both with a trailing slash for a tree. */
export interface ImageFileWord {
  readonly place: string;
  readonly path: WorkspacePath;
  readonly kind: ChorePath["kind"];
}

export type ParsedFileWord =
  | { readonly ok: true; readonly word: ImageFileWord }
  | { readonly ok: false; readonly problem: string };

export function parseFileWord(text: string): ParsedFileWord {
  const equals = text.indexOf("=");
  const place = text.slice(0, Math.max(0, equals));
  const source = text.slice(equals + 1);
  if (equals < 0 || !place.startsWith("/")) {
    return { ok: false, problem: `${JSON.stringify(text)} is not /place/in/image=path/in/workspace` };
  }
  const kind = source.endsWith("/") ? "tree" : "file";
  if (place.endsWith("/") !== (kind === "tree")) {
    return { ok: false, problem: `${JSON.stringify(text)} has a slash at one end only; a tree has it at both` };
  }
  const parsed = parseWorkspacePath(source);
  if (!parsed.ok) return parsed;
  return { ok: true, word: { place: place.replace(/\/+$/, "") || "/", path: parsed.path, kind } };
}

/** Files and trees an image takes from the workspace; mistakes are left to whoever resolves the image. */
export function imageFiles(declaration: ImageDeclaration): ImageFileWord[] {
  return declaration.parts
    .filter(({ kind }) => kind === "file")
    .flatMap(({ words }) => words)
    .flatMap((text) => {
      const parsed = parseFileWord(text);
      return parsed.ok ? [parsed.word] : [];
    });
}

/**
 * The chore that builds an image: it waits for what the image takes from the workspace, and for images it is based on;
 * what it gives is a property, the image's config digest. Those who use the image import it like any property.
 */
export function imageChore(declaration: ImageDeclaration, isDeclared: (name: string) => boolean): EvaluatedChore {
  const files = imageFiles(declaration);
  const seen = new Set<string>();
  const inputs = files
    .filter(({ path }) => !seen.has(path) && seen.add(path))
    .map(({ path, kind }) => ({ path, kind }));
  const bases = declaration.parts.filter(({ kind }) => kind === "from").flatMap(({ words }) => words);
  return {
    dictum: "image",
    label: `image(${declaration.name})`,
    at: declaration.at,
    directory: "" as WorkspacePath,
    inputs,
    outputs: [],
    up: [imageProperty(declaration.name)],
    properties: bases.filter(isDeclared).map(imageProperty),
    env: [],
    interpreter: ["begat-image"],
    recipe: canonicalJson(declaration.parts.map(({ kind, words }) => ({ kind, words: [...words] }))),
    image: "host",
    attributes: { volatile: false, nocache: false, interactive: false, exclusive: false, fixpoint: 0 },
    tools: [],
    timeoutMs: 0,
    resources: {},
    network: "none",
    mounts: [],
  };
}
