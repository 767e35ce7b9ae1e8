import type { IsolationLevel } from "../base/index.ts";
import { STAT_NUMBERS } from "../ports/index.ts";
import { CHECKOUT, type Checkout } from "./checkout.ts";
import { GLANCE_KIND, type GlanceKind, type GlanceText, layOutGlance } from "./glance-file.ts";
import type { Plan } from "./plan.ts";
import { type CheckoutState, PATH } from "./state.ts";
import type { Selection } from "./targets.ts";

/** What the answer "nothing to do" rests on. */
export interface QuickProof {
  readonly plan: Plan;
  readonly state: CheckoutState;
  readonly selection: Selection;
  /** Names of variables that the begatfiles asked for. */
  readonly variables: readonly string[];
}

/** What else it rests on: where all of it is as it was, the next answer is the same. */
export interface GlanceFacts {
  /** Absolute: the program that says so. */
  readonly bundle: string;
  /** Absolute. The ledger that the state was made with. */
  readonly ledger: string;
  /** Every other variable that may matter and how it was; absent ones too. */
  readonly env: readonly (readonly [name: string, value: string | undefined])[];
  /** Of the variables that begatfiles asked for: what they are. */
  variable(name: string): string | undefined;
  readonly text: GlanceText;
  readonly chores: number;
  readonly level: IsolationLevel;
}

/**
 * The file by which begat-client can tell, without Node, that there is nothing to do (docs/formats.md, "Glance").
 * `undefined` where that takes more than stats.
 */
export function encodeGlance(
  checkout: Checkout,
  { plan, state, selection, variables }: QuickProof,
  facts: GlanceFacts,
): Buffer | undefined {
  const names: string[] = [];
  const numbers: number[] = [];
  const own = new Float64Array(STAT_NUMBERS);
  const add = (kind: GlanceKind, path: string, signature: ArrayLike<number>): void => {
    names.push(`${GLANCE_KIND[kind]}${path}\0`);
    for (let i = 0; i < STAT_NUMBERS; i++) numbers.push(signature[i] as number);
  };
  const addNow = (kind: "file" | "inode", path: string): boolean => {
    if (!checkout.fs.statInto(checkout.absolute(path), own, 0)) return false;
    add(kind, path, own);
    return true;
  };
  // The bundle first: begat-client looks at the one that it would start.
  if (!addNow("file", facts.bundle) || !addNow("inode", facts.ledger)) return undefined;
  if (!addNow("file", CHECKOUT.plan) || !addNow("file", CHECKOUT.state)) return undefined;
  if (!addNow("file", CHECKOUT.delta)) add("absent", CHECKOUT.delta, new Float64Array(STAT_NUMBERS));
  for (const { path, signature } of state.reads) {
    if (signature === null) add("absent", path, new Float64Array(STAT_NUMBERS));
    else if (signature.length === STAT_NUMBERS) add("file", path === "" ? "." : path, signature);
    else return undefined;
  }
  const seen = new Uint8Array(plan.pathCount);
  const look = (path: number): boolean => {
    if (seen[path]) return true;
    seen[path] = 1;
    if (state.texts.has(path)) return false;
    if (((state.pathFlags[path] as number) & PATH.tree) === 0) {
      add("file", plan.path(path), state.signature(path));
      return true;
    }
    for (const member of state.members.get(path) ?? []) {
      add(member.flags & PATH.symlink ? "link" : "file", member.path === "" ? "." : member.path, member.signature);
    }
    return state.members.has(path);
  };
  const { inputOffsets, inputs, producer } = plan.columns;
  for (let chore = 0; chore < plan.choreCount; chore++) {
    if (!selection.needed[chore]) continue;
    for (let i = inputOffsets[chore] as number; i < (inputOffsets[chore + 1] as number); i++) {
      const path = (inputs[i] as number) >>> 1;
      if ((producer[path] as number) >= 0 || (state.pathFlags[path] as number) === 0) continue;
      if (!look(path)) return undefined;
    }
  }
  for (const entry of selection.wanted) if (!look(entry >>> 1)) return undefined;
  const asked = variables.map((name) => [name, facts.variable(name)] as const);
  const { env, text, chores, level } = facts;
  return layOutGlance({ names, numbers, asked, env, text, chores, level });
}
