import type { WorkspacePath } from "../base/index.ts";
import type { ChorePath, GroupDeclaration, ImageDeclaration, SourceDeclaration } from "./chore.ts";
import type { ChoreMaker } from "./chore-maker.ts";
import { didYouMean } from "./did-you-mean.ts";
import type { EvaluationContext } from "./evaluation-context.ts";
import type { ProductionCheck } from "./production-check.ts";
import type { Frame } from "./scope.ts";
import type { SourceText } from "./source-text.ts";
import type { Element, GroupStatement, ImageStatement, Name, SourceStatement } from "./syntax.ts";
import { elementValues } from "./value-evaluation.ts";
import type { SOURCE_KINDS } from "./words.ts";

interface PendingMember {
  readonly frame: Frame;
  readonly where: Element;
  readonly path: ChorePath;
}

/** Images, sources and groups: known by name in the whole build, wherever they are declared. */
export class Declarations {
  readonly images: ImageDeclaration[] = [];
  readonly sources: SourceDeclaration[] = [];
  readonly groups: GroupDeclaration[] = [];
  /** Naming one of these directories means the tree it holds. */
  readonly sourceDirectories = new Set<WorkspacePath>();
  readonly #context: EvaluationContext;
  readonly #declared = new Map<string, { readonly source: SourceText; readonly at: number }>();
  readonly #imageNames = new Set<string>(["host"]);
  readonly #imageUses: { readonly name: string; readonly frame: Frame; readonly where: Element }[] = [];
  readonly #members = new Map<string, PendingMember[]>();

  constructor(context: EvaluationContext) {
    this.#context = context;
  }

  image(statement: ImageStatement, frame: Frame): void {
    const { name } = statement;
    if (name.text === "host") {
      const message = 'expected a new name, found "host"';
      this.#context.fail(frame, "EVAL_DUPLICATE_DEFINITION", endOf(name), message, {
        hint: "host is the machine begat runs on, and always declared",
      });
      return;
    }
    if (!this.#declare(frame, "image", name)) return;
    this.#imageNames.add(name.text);
    const parts = statement.parts.map((part) => ({
      kind: part.kind,
      words: elementValues(this.#context, frame, part.value.items),
      at: frame.source.placeAt(part.at),
    }));
    this.images.push({ name: name.text, at: frame.source.placeAt(statement.at), parts });
  }

  /** Images, sources and groups are known by name in the whole build; answers whether the name is new. */
  #declare(frame: Frame, what: string, name: Name): boolean {
    if (name.text === "") return false;
    const key = `${what} ${name.text}`;
    const first = this.#declared.get(key);
    if (first === undefined) {
      this.#declared.set(key, { source: frame.source, at: name.at });
      return true;
    }
    reportDuplicate(this.#context, frame, key, name, first.source, first.at);
    return false;
  }

  /** @param directory Where the source's tree stands. */
  source(statement: SourceStatement, frame: Frame, directory: WorkspacePath): void {
    const context = this.#context;
    const { name, parts } = statement;
    const part = parts[0];
    if (part === undefined || parts.length > 1) {
      const where = parts[1] === undefined ? endOf(name) : { at: parts[1].at, end: parts[1].at + parts[1].kind.length };
      const message = `expected one of deb-src npm url git in source ${name.text}, found ${parts.length === 0 ? "none" : `${parts.length}`}`;
      context.fail(frame, "EVAL_NOT_ONE", where, message);
    }
    const first = frame.scope.ownBinding(name.text);
    if (first !== undefined) {
      reportDuplicate(this.#context, frame, `variable ${name.text}`, name, first.source, first.at);
      return;
    }
    if (!this.#declare(frame, "source", name)) return;
    this.sourceDirectories.add(directory);
    const values = [directory];
    frame.scope.bind(name.text, { values, sourceDirectory: directory, source: frame.source, at: name.at });
    if (part === undefined) return;
    const words = elementValues(context, frame, part.value.items);
    const kind = part.kind as (typeof SOURCE_KINDS)[number];
    this.sources.push({ name: name.text, at: frame.source.placeAt(statement.at), kind, words });
  }

  group(statement: GroupStatement, frame: Frame, maker: ChoreMaker): void {
    if (!this.#declare(frame, "group", statement.name)) return;
    const members: PendingMember[] = [];
    for (const item of statement.value.items) {
      for (const text of elementValues(this.#context, frame, [item])) {
        const group = this.#members.get(text);
        if (group !== undefined) {
          for (const member of group) members.push(member);
          continue;
        }
        const path = maker.path(frame, item, text, true);
        if (path !== undefined) members.push({ frame, where: item, path });
      }
    }
    this.#members.set(statement.name.text, members);
    this.groups.push({ name: statement.name.text, at: frame.source.placeAt(statement.at), members: [] });
  }

  /** A chore of `frame` runs in the image that `where` names; it may be declared later. */
  noteImage(name: string, frame: Frame, where: Element | undefined): void {
    if (where !== undefined && !this.#imageNames.has(name)) this.#imageUses.push({ name, frame, where });
  }

  /**
   * The checks that need all chores and declarations.
   *
   * @param complete Every chore was made: without that, what nobody makes may only have been lost.
   */
  finish(production: ProductionCheck, complete: boolean): void {
    for (const { name, frame, where } of this.#imageUses) {
      if (this.#imageNames.has(name)) continue;
      this.#context.unknown(frame, "EVAL_UNKNOWN_IMAGE", where, "an image that is declared", name, this.#imageNames);
    }
    for (let i = 0; i < this.groups.length; i++) {
      const group = this.groups[i] as GroupDeclaration;
      this.groups[i] = { ...group, members: this.#finishGroup(group.name, production, complete) };
    }
  }

  #finishGroup(group: string, production: ProductionCheck, complete: boolean): readonly ChorePath[] {
    const paths = new Map<WorkspacePath, ChorePath>();
    for (const { frame, where, path: member } of this.#members.get(group) ?? []) {
      const { path } = member;
      const kind = production.madeAs(path);
      if (kind === undefined && complete && !production.isWithinMadeTree(path)) {
        const known = [...production.madePaths(), ...this.#members.keys()];
        const message = `expected an output of a dictum in group ${group}, found ${JSON.stringify(path)}`;
        this.#context.fail(frame, "EVAL_UNKNOWN_MEMBER", where, message, { hint: didYouMean(path, known) });
      }
      if (!paths.has(path)) paths.set(path, { path, kind: kind ?? member.kind });
    }
    return [...paths.values()];
  }
}

export function reportDuplicate(
  context: EvaluationContext,
  frame: Frame,
  what: string,
  name: Name,
  source: SourceText,
  at: number,
): void {
  context.fail(frame, "EVAL_DUPLICATE_DEFINITION", endOf(name), `expected a new name, found ${what} again`, {
    notes: [{ source, at, message: "first defined here" }],
  });
}

function endOf(name: Name): { readonly at: number; readonly end: number } {
  return { at: name.at, end: name.at + name.text.length };
}
