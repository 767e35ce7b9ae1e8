import { type Digest, digestOf } from "../base/index.ts";
import type { BlobStore, RecordedOutput } from "../cache/index.ts";
import { UP_PATH } from "../executor/index.ts";
import type { ChoreActions } from "./chore-action.ts";
import { type Plan, PROPERTY_PREFIX } from "./plan.ts";
import { type CheckoutState, PATH } from "./state.ts";

/** Properties as a recipe wrote them, or what was wrong. */
export type ParsedProperties =
  | { readonly ok: true; readonly properties: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly problem: string };

/** Reads `NAME=value` lines: each declared name exactly once, no other. */
export function parseProperties(text: string, declared: readonly string[]): ParsedProperties {
  const properties: Record<string, string> = {};
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const equals = line.indexOf("=");
    const name = line.slice(0, Math.max(equals, 0));
    if (equals < 1)
      return { ok: false, problem: `BEGAT_UP has a line without NAME=value: ${JSON.stringify(line.slice(0, 80))}` };
    if (!declared.includes(name)) return { ok: false, problem: `BEGAT_UP sets ${name}, which up[] does not declare` };
    if (Object.hasOwn(properties, name)) return { ok: false, problem: `BEGAT_UP sets ${name} twice` };
    properties[name] = line.slice(equals + 1);
  }
  const missing = declared.filter((name) => !Object.hasOwn(properties, name));
  if (missing.length > 0) return { ok: false, problem: `BEGAT_UP does not set ${missing.join(", ")}` };
  return { ok: true, properties };
}

/** The properties an execution gave. */
export function propertiesOf(
  outputs: readonly RecordedOutput[],
  declared: readonly string[],
  blobs: BlobStore,
): ParsedProperties {
  if (declared.length === 0) return { ok: true, properties: {} };
  const up = outputs.find(({ path }) => path === UP_PATH);
  if (up === undefined) return { ok: false, problem: `BEGAT_UP was not written; up[] declares ${declared.join(", ")}` };
  const text = blobs.read(up.digest).toString();
  if (!text.isWellFormed() || text.includes("\ufffd")) return { ok: false, problem: "BEGAT_UP is not UTF-8" };
  return parseProperties(text, declared);
}

/** An action names its outputs and not their kinds, so a result of it may be of another declaration. */
function isAsDeclared(output: RecordedOutput | undefined, isTree: boolean): boolean {
  return output !== undefined && (output.kind === "symlink" || (output.kind === "tree") === isTree);
}

/**
 * Takes a result into the state: digests of outputs and properties, and of inputs others have within its trees.
 *
 * @returns Paths whose content changed, for those that depend on them; `undefined` when an output is not in the result,
 * or is a file where a tree is declared, or the other way round.
 */
export function applyResult(
  plan: Plan,
  state: CheckoutState,
  chore: number,
  outputs: readonly RecordedOutput[],
  properties: Readonly<Record<string, string>>,
  actions: ChoreActions,
): number[] | undefined {
  const byPath = new Map(outputs.map((output) => [output.path, output]));
  const entries = plan.outputsOf(chore);
  for (const entry of entries) {
    const name = plan.path(entry >>> 1);
    const there = name.startsWith(PROPERTY_PREFIX)
      ? Object.hasOwn(properties, name.slice(1))
      : isAsDeclared(byPath.get(name), (entry & 1) === 1);
    if (!there) return undefined;
  }
  const changed: number[] = [];
  const trees: { name: string; digest: Digest }[] = [];
  for (const entry of entries) {
    const path = entry >>> 1;
    const name = plan.path(path);
    if (name.startsWith(PROPERTY_PREFIX)) {
      const value = properties[name.slice(1)] as string;
      state.setText(path, value);
      if (state.setDigest(path, digestOf(value), 0)) changed.push(path);
      continue;
    }
    const output = byPath.get(name) as RecordedOutput;
    const flags =
      output.kind === "tree"
        ? PATH.tree
        : output.kind === "symlink"
          ? PATH.symlink
          : output.executable
            ? PATH.executable
            : 0;
    if (output.kind === "symlink") state.setText(path, output.target ?? "");
    if (output.kind === "tree") trees.push({ name, digest: output.digest });
    if (state.setDigest(path, output.digest, flags)) changed.push(path);
  }
  for (const path of plan.pathsWithinTrees().get(chore) ?? []) {
    const name = plan.path(path);
    const tree = trees.find((candidate) => name.startsWith(`${candidate.name}/`));
    const leaf =
      tree && actions.listing(tree.digest, tree.name).files.find((file) => `${tree.name}/${file.path}` === name);
    if (leaf === undefined) {
      state.forget(path);
      changed.push(path);
    } else if (state.setDigest(path, leaf.digest, leaf.executable ? PATH.executable : 0)) changed.push(path);
  }
  return changed;
}
