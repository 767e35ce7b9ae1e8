import { invariant, sha256, type WorkspacePath } from "../base/index.ts";
import {
  type Diagnostic,
  type EvaluatedChore,
  type EvaluationHost,
  evaluate,
  type HostEntry,
  type ParsedFiles,
} from "../dictum-parser/index.ts";
import { STAT_NUMBERS } from "../ports/index.ts";
import type { Checkout } from "./checkout.ts";
import { listingHash, RACY_WINDOW_MS, type ReadSignature, signRead } from "./freshness.ts";
import { imageChore } from "./image-chore.ts";
import type { Plan } from "./plan.ts";
import { PlanBuilder } from "./plan-builder.ts";
import type { PlanFacts } from "./plan-file.ts";

/** Answers the evaluator from the checkout, and remembers what it said with the signature it had before it was read. */
export class CheckoutHost implements EvaluationHost {
  readonly reads = new Map<string, ReadSignature>();
  readonly #checkout: Checkout;
  readonly #env: (name: string) => string | undefined;

  constructor(checkout: Checkout, env: (name: string) => string | undefined) {
    this.#checkout = checkout;
    this.#env = env;
  }

  readFile(path: WorkspacePath): Uint8Array | undefined {
    const before = this.#signature(path);
    if (before === null) return this.#note(path, "file", null, null);
    const bytes = this.#checkout.fs.readFile(this.#checkout.absolute(path));
    this.#note(path, "file", before, sha256(bytes));
    return bytes;
  }

  listDirectory(path: WorkspacePath): readonly HostEntry[] | undefined {
    const { fs } = this.#checkout;
    const full = this.#checkout.absolute(path);
    const before = this.#signature(path);
    if (before === null || fs.stat(full)?.kind !== "directory") return this.#note(path, "directory", null, null);
    const entries = fs.readDirectory(full);
    this.#note(path, "directory", before, listingHash(entries));
    return entries.map(({ name, kind }) => {
      const resolved = kind === "symlink" ? fs.stat(`${full}/${name}`)?.kind : kind;
      return {
        name,
        kind: kind === undefined ? "not-utf8" : resolved === "file" || resolved === "directory" ? resolved : "other",
      };
    });
  }

  env(name: string): string | undefined {
    return this.#env(name);
  }

  #signature(path: string): number[] | null {
    const numbers = new Float64Array(STAT_NUMBERS);
    const fileClock = this.#checkout.fileClockMs();
    if (!this.#checkout.fs.statInto(this.#checkout.absolute(path), numbers, 0)) return null;
    return (numbers[2] as number) > fileClock - RACY_WINDOW_MS ? [] : [...numbers];
  }

  #note(path: string, kind: ReadSignature["kind"], signature: number[] | null, hash: string | null): undefined {
    if (!this.reads.has(`${kind} ${path}`)) this.reads.set(`${kind} ${path}`, { path, kind, signature, hash });
    return undefined;
  }
}

export type EvaluatedPlan =
  | { readonly ok: true; readonly plan: Plan; readonly facts: PlanFacts; readonly reads: readonly ReadSignature[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

/** Evaluates the begatfiles and lays the chores out as a plan; mistakes come back all together. */
export function evaluatePlan(
  checkout: Checkout,
  host: CheckoutHost,
  request: {
    readonly key: string;
    readonly entries: readonly WorkspacePath[];
    readonly overrides: Readonly<Record<string, readonly string[]>>;
    sourceDirectory(name: string): WorkspacePath;
    /** Further files whose change calls for another evaluation. */
    readonly alsoReads: readonly string[];
    /** What was parsed already. */
    readonly parsed: ParsedFiles;
  },
): EvaluatedPlan {
  const builder = new PlanBuilder();
  let broken = false;
  const take = (chore: EvaluatedChore): void => {
    // With a mistake among them chores may overlap; the diagnostics say so, by these labels, and nothing is planned.
    try {
      builder.add(chore);
    } catch {
      broken = true;
    }
  };
  const evaluation = evaluate(request, host, take, request.parsed, (chore) => builder.label(chore));
  const errors = evaluation.diagnostics.filter((diagnostic) => diagnostic.severity === "error");
  if (errors.length > 0) return { ok: false, diagnostics: evaluation.diagnostics };
  const declared = new Map(evaluation.images.map((image) => [image.name, image]));
  for (const image of evaluation.images) builder.add(imageChore(image, declared), true);
  invariant(!broken, "chores that cannot be planned together, and no mistake was reported");
  const result = builder.finish();
  if (!result.ok) {
    const [first] = result.cycle.chores;
    const text = result.cycle.chores
      .map(({ label, needs }, i, all) => `${label} needs ${needs} of ${all[(i + 1) % all.length]?.label ?? ""}`)
      .join(", ");
    const at = { file: request.entries[0] ?? "begatfile", line: 1, column: 1 };
    const cycle: Diagnostic = {
      code: "PLAN_CYCLE",
      severity: "error",
      at,
      length: 1,
      message: `${first?.label ?? ""} waits for itself: ${text}`,
      line: "",
      notes: [],
    };
    return { ok: false, diagnostics: [...evaluation.diagnostics, cycle] };
  }
  const reads = [...host.reads.values()];
  for (const path of request.alsoReads) reads.push(signRead(checkout, path, "file"));
  const facts: PlanFacts = {
    key: request.key,
    env: evaluation.reads.env.map(([name, value]) => [name, value ?? null] as const),
    groups: evaluation.groups,
    images: evaluation.images,
    imageSpecs: [],
    sources: evaluation.sources,
    overrides: request.overrides,
    warnings: evaluation.diagnostics.filter((diagnostic) => diagnostic.severity === "warning"),
  };
  return { ok: true, plan: result.plan, facts, reads };
}
