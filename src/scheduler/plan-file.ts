import { sha256 } from "../base/index.ts";
import type { Diagnostic, GroupDeclaration, ImageDeclaration, SourceDeclaration } from "../dictum-parser/index.ts";
import { type Column, columnFileParts, columnOf, decodeColumnFile, StringColumn } from "./column-file.ts";
import { Plan, type PlanColumns } from "./plan.ts";
import type { ImageSpec } from "./rooms.ts";

/** What stands beside the graph: how it came to be and what it declares. */
export interface PlanFacts {
  /** Version of begat, begatfiles, overrides: another of these needs another evaluation. */
  readonly key: string;
  readonly env: readonly (readonly [name: string, value: string | null])[];
  readonly groups: readonly GroupDeclaration[];
  readonly images: readonly ImageDeclaration[];
  /** Each image as it was resolved. */
  readonly imageSpecs: readonly ImageSpec[];
  readonly sources: readonly SourceDeclaration[];
  readonly overrides: Readonly<Record<string, readonly string[]>>;
  /** Shown again at every build. */
  readonly warnings: readonly Diagnostic[];
}

export interface LoadedPlan {
  readonly plan: Plan;
  readonly facts: PlanFacts;
  /** Names exactly this plan; a state that names another is carried over. */
  readonly id: string;
}

const KIND = "begat-plan";
const VERSION = 3;

const TYPES = {
  label: "Uint32Array",
  dictum: "Uint32Array",
  place: "Uint32Array",
  directory: "Uint32Array",
  recipe: "Uint32Array",
  interpreter: "Uint32Array",
  image: "Uint32Array",
  flags: "Uint8Array",
  fixpoint: "Uint16Array",
  timeoutMs: "Float64Array",
  extras: "Uint32Array",
  depfile: "Uint32Array",
  declared: "Uint32Array",
  envOffsets: "Uint32Array",
  env: "Uint32Array",
  inputOffsets: "Uint32Array",
  inputs: "Uint32Array",
  outputOffsets: "Uint32Array",
  outputs: "Uint32Array",
  producer: "Int32Array",
  dependencyOffsets: "Uint32Array",
  dependencies: "Uint32Array",
  order: "Uint32Array",
} as const satisfies Record<keyof PlanColumns, string>;

/** A plan file, in parts; its id is the digest at their end. */
export function encodePlan(
  plan: Plan,
  facts: PlanFacts,
): { readonly parts: readonly Uint8Array[]; readonly id: string } {
  const meta = { facts, ascii: { paths: plan.paths.ascii, strings: plan.strings.ascii } };
  const columns: Record<string, Column> = { ...plan.columns };
  const { parts, digest } = columnFileParts({
    kind: KIND,
    version: VERSION,
    meta,
    columns: { ...columns, ...plan.paths.columns("paths"), ...plan.strings.columns("strings") },
  });
  return { parts, id: digest };
}

export function decodePlan(bytes: Buffer): LoadedPlan | undefined {
  const file = decodeColumnFile(bytes, KIND, VERSION);
  if (file === undefined) return undefined;
  const { facts, ascii } = file.meta as { facts: PlanFacts; ascii: { paths: boolean; strings: boolean } };
  const columns: Record<string, Column> = {};
  for (const [name, type] of Object.entries(TYPES)) columns[name] = columnOf(file, name, type);
  const plan = new Plan(
    columns as unknown as PlanColumns,
    StringColumn.from(file, "paths", ascii.paths),
    StringColumn.from(file, "strings", ascii.strings),
  );
  return { plan, facts, id: bytes.toString("hex", bytes.length - 32) };
}

/** Names the question a plan answers; the same key and unchanged reads give the same plan. */
export function planKey(
  version: string,
  entries: readonly string[],
  overrides: Readonly<Record<string, readonly string[]>>,
): string {
  return sha256(JSON.stringify([version, entries, Object.entries(overrides).sort()]));
}
