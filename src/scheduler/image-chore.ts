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

/** An image and all it is based on, bases first; a base is taken once, and one that is not declared is left out. */
export function imageChain(
  declaration: ImageDeclaration,
  declared: ReadonlyMap<string, ImageDeclaration>,
): ImageDeclaration[] {
  const chain: ImageDeclaration[] = [];
  const add = (one: ImageDeclaration, above: readonly string[]): void => {
    for (const name of one.parts.filter(({ kind }) => kind === "from").flatMap(({ words }) => words)) {
      const base = declared.get(name);
      if (base !== undefined && !above.includes(name)) add(base, [...above, name]);
    }
    if (!chain.includes(one)) chain.push(one);
  };
  add(declaration, [declaration.name]);
  return chain;
}

/**
 * The chore that builds an image: it waits for what the image and its bases take from the workspace. What it gives is a
 * property, the image's config digest; those who use the image import it like any property.
 */
export function imageChore(
  declaration: ImageDeclaration,
  declared: ReadonlyMap<string, ImageDeclaration>,
): EvaluatedChore {
  const chain = imageChain(declaration, declared);
  const files = chain.flatMap(imageFiles);
  const seen = new Set<string>();
  const inputs = files
    .filter(({ path }) => !seen.has(path) && seen.add(path))
    .map(({ path, kind }) => ({ path, kind }));
  const recipe = chain.map(({ name, parts }) => ({
    name,
    parts: parts.map(({ kind, words }) => ({ kind, words: [...words] })),
  }));
  return {
    dictum: "image",
    label: `image(${declaration.name})`,
    at: declaration.at,
    directory: "" as WorkspacePath,
    inputs,
    outputs: [],
    up: [imageProperty(declaration.name)],
    properties: [],
    env: [],
    interpreter: ["begat-image"],
    recipe: canonicalJson(recipe),
    image: "host",
    attributes: { volatile: false, nocache: false, interactive: false, exclusive: false, fixpoint: 0, traced: false },
    tools: [],
    timeoutMs: 0,
    resources: {},
    network: "none",
    mounts: [],
    depfile: undefined,
  };
}
