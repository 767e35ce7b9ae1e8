import { parentOf, type WorkspacePath } from "../base/index.ts";
import { numbersOf, STAT_NUMBERS } from "../ports/index.ts";
import type { Checkout } from "./checkout.ts";
import { reverse } from "./edges.ts";
import { checkReads, type ReadSignature } from "./freshness.ts";
import type { Prepared } from "./prepare.ts";
import { sameMembers } from "./quick.ts";
import { memberSignature } from "./state.ts";
import type { Selection } from "./targets.ts";

/** Neither a source that the targets need nor an output they are. */
const OF_NO_INTEREST = 0;
const SOURCE = 1;
const OUTPUT = 2;

/**
 * What of a plan has to be watched, by directory, and what of it changed where a directory is told of. Paths are
 * relative to the workspace; what begatfiles read outside of it is not watched.
 */
export class WatchedPlan {
  /** Directories, each once; their places are the numbers below. */
  readonly directories: readonly string[];
  readonly prepared: Prepared;
  readonly #checkout: Checkout;
  readonly #kinds: Uint8Array;
  /** Paths of interest by their directory. */
  readonly #held: { readonly offsets: Uint32Array; readonly list: Uint32Array };
  /** Numbers of each source's `stat`, as of the moment it was last looked at here. */
  readonly #seen: Float64Array;
  /** Trees among the sources, by the directories in them. */
  readonly #trees = new Map<number, Set<number>>();
  readonly #numbers = new Float64Array(STAT_NUMBERS);

  constructor(prepared: Prepared, selection: Selection, checkout: Checkout) {
    const { plan } = prepared.loaded;
    this.prepared = prepared;
    this.#checkout = checkout;
    this.#kinds = new Uint8Array(plan.pathCount);
    const taken: number[] = [];
    const places: number[] = [];
    this.#seen = new Float64Array(plan.pathCount * STAT_NUMBERS);
    const numbers = new Map<string, number>();
    const numberOf = (directory: string): number => {
      const known = numbers.get(directory);
      if (known !== undefined) return known;
      numbers.set(directory, numbers.size);
      return numbers.size - 1;
    };
    const take = (entry: number, kind: number): void => {
      const path = entry >>> 1;
      if (this.#kinds[path] !== OF_NO_INTEREST || plan.isProperty(path)) return;
      this.#kinds[path] = kind;
      taken.push(path);
      places.push(numberOf(parentOf(plan.path(path))));
      if ((entry & 1) === 0 || kind === OUTPUT) return;
      for (const member of prepared.state.members.get(path) ?? []) {
        const directory = numberOf(member.digest === undefined ? member.path : parentOf(member.path as WorkspacePath));
        const trees = this.#trees.get(directory) ?? new Set();
        this.#trees.set(directory, trees.add(path));
      }
    };
    const { inputOffsets, inputs, producer } = plan.columns;
    for (let chore = 0; chore < plan.choreCount; chore++) {
      if (!selection.needed[chore]) continue;
      for (let i = inputOffsets[chore] as number; i < (inputOffsets[chore + 1] as number); i++) {
        const entry = inputs[i] as number;
        if ((producer[entry >>> 1] as number) < 0) take(entry, SOURCE);
      }
    }
    for (const entry of selection.wanted) take(entry, OUTPUT);
    for (const read of watchedReads(prepared.state.reads)) numberOf(directoryOf(read));
    this.directories = [...numbers.keys()];
    const one = Uint32Array.from({ length: taken.length + 1 }, (_, i) => i);
    const { offsets, list } = reverse(one, Uint32Array.from(places), numbers.size);
    this.#held = { offsets, list: list.map((i) => taken[i] as number) };
  }

  /**
   * Takes each source as it is now for what the last build saw; answers those that are not what it saw, as far as that is
   * certain: one that it saw too young to be sure of counts where it changed after the build began. And what begatfiles read.
   *
   * @param outputs Outputs too that do not stand there as the last build left them.
   * @param note Told of each.
   */
  look(
    outputs: boolean,
    note: (path: number) => void,
  ): { readonly different: readonly string[]; readonly isCertain: boolean } {
    const { plan } = this.prepared.loaded;
    const { state } = this.prepared;
    const different: string[] = [];
    let isCertain = true;
    for (let path = 0; path < plan.pathCount; path++) {
      const kind = this.#kinds[path];
      if (kind === OF_NO_INTEREST || (kind === OUTPUT && !outputs)) continue;
      const isTree = state.is(path, "tree");
      const there = kind === OUTPUT || isTree || this.#lookAt(path);
      if (kind === SOURCE && !state.isCertain(path) && !(isTree ? this.#hasLater(path) : this.#isLater(path))) {
        isCertain = false;
        continue;
      }
      const isSame =
        kind === OUTPUT
          ? this.#stands(path)
          : isTree
            ? sameMembers(this.#checkout, state, path, plan.path(path))
            : there && state.hasSignature(path, this.#seen, path * STAT_NUMBERS);
      if (isSame) continue;
      different.push(plan.path(path));
      note(path);
    }
    return { different: [...different, ...this.#staleRead(state.reads, different)], isCertain };
  }

  /** Every source and output. */
  get paths(): Uint32Array {
    return this.#held.list;
  }

  /**
   * Looks at these. `different`: not as the last build knew it. `always`: a symlink, or a file of several names, so that
   * a watch of its directory does not tell of all that is written to it; and a tree, whose directories come and go.
   */
  survey(checkout: Checkout, paths: Iterable<number>): { readonly different: number[]; readonly always: number[] } {
    const { loaded, state } = this.prepared;
    const different: number[] = [];
    const always: number[] = [];
    for (const path of paths) {
      const isPlain = !state.is(path, "tree") && !state.is(path, "symlink");
      const found = isPlain ? checkout.fs.lstat(checkout.absolute(loaded.plan.path(path))) : undefined;
      // One look at most files.
      if (found?.kind === "file" && found.linkCount === 1) {
        if (!state.hasSignature(path, numbersOf(found), 0)) different.push(path);
        continue;
      }
      if (!this.#isAsKnown(checkout, path)) different.push(path);
      if (found !== undefined || state.is(path, "tree")) always.push(path);
    }
    return { different, always };
  }

  /** Of these paths the ones that are not as the last build knew them. */
  different(checkout: Checkout, suspects: ReadonlySet<number>): ReadonlySet<number> {
    return new Set([...suspects].filter((path) => !this.#isAsKnown(checkout, path)));
  }

  #isAsKnown(checkout: Checkout, path: number): boolean {
    const { loaded, state } = this.prepared;
    const name = loaded.plan.path(path);
    if (state.is(path, "tree") || state.is(path, "symlink")) return sameMembers(checkout, state, path, name);
    return (
      checkout.fs.statInto(checkout.absolute(name), this.#numbers, 0) && state.hasSignature(path, this.#numbers, 0)
    );
  }

  /** Paths of the plan in these directories, and these. */
  suspects(directories: ReadonlySet<number>, paths: Iterable<number> = []): ReadonlySet<number> {
    const suspects = new Set(paths);
    const { offsets, list } = this.#held;
    for (const directory of directories) {
      for (let i = offsets[directory] as number; i < (offsets[directory + 1] as number); i++)
        suspects.add(list[i] as number);
      for (const path of this.#trees.get(directory) ?? []) suspects.add(path);
    }
    return suspects;
  }

  /**
   * Sources, and what begatfiles read, that are not what they were, among those in these directories; they count as
   * seen then.
   *
   * @param outputs Outputs too that do not stand there as the last build left them.
   * @param note Told of each that is a path of the plan.
   */
  changed(directories: ReadonlySet<number>, outputs: boolean, note: (path: number) => void): readonly string[] {
    const { plan } = this.prepared.loaded;
    const { state } = this.prepared;
    const changed: string[] = [];
    if (directories.size === 0) return changed;
    for (const path of this.suspects(directories)) {
      const isChanged =
        this.#kinds[path] === OUTPUT
          ? outputs && !this.#stands(path)
          : state.is(path, "tree")
            ? !sameMembers(this.#checkout, state, path, plan.path(path))
            : this.#differs(path);
      if (!isChanged) continue;
      changed.push(plan.path(path));
      note(path);
    }
    const places = new Set([...directories].map((number) => this.directories[number] as string));
    const reads = state.reads.filter((read) => places.has(directoryOf(read)));
    return [...changed, ...this.#staleRead(reads, changed)];
  }

  /** The first that is not what it was, unless it is among those that are named already. */
  #staleRead(reads: readonly ReadSignature[], named: readonly string[]): readonly string[] {
    const { stale } = checkReads(this.#checkout, watchedReads(reads));
    return stale === undefined || named.includes(stale) ? [] : [stale === "" ? "." : stale];
  }

  /** Whether a source changed after the last build began to look. */
  #isLater(path: number): boolean {
    return (this.#seen[path * STAT_NUMBERS + 2] as number) > this.#checkout.fileClockMs();
  }

  /** The same of a tree: whether anything that was in it did, or a directory got or lost something. */
  #hasLater(path: number): boolean {
    const members = this.prepared.state.members.get(path) ?? [];
    return members.some(({ path: at, flags }) => {
      const there = memberSignature(this.#checkout, at, flags, this.#numbers);
      return !there || (this.#numbers[2] as number) > this.#checkout.fileClockMs();
    });
  }

  #differs(path: number): boolean {
    const before = this.#seen.slice(path * STAT_NUMBERS, (path + 1) * STAT_NUMBERS);
    this.#lookAt(path);
    return before.some((n, i) => n !== this.#seen[path * STAT_NUMBERS + i]);
  }

  #stands(path: number): boolean {
    const { plan } = this.prepared.loaded;
    const { state } = this.prepared;
    if (!state.knows(path)) return true;
    if (state.is(path, "tree") || state.is(path, "symlink"))
      return sameMembers(this.#checkout, state, path, plan.path(path));
    const full = this.#checkout.absolute(plan.path(path));
    return this.#checkout.fs.statInto(full, this.#numbers, 0) && state.hasSignature(path, this.#numbers, 0);
  }

  #lookAt(path: number): boolean {
    const full = this.#checkout.absolute(this.prepared.loaded.plan.path(path));
    const there = this.#checkout.fs.statInto(full, this.#seen, path * STAT_NUMBERS);
    if (!there) this.#seen.fill(-1, path * STAT_NUMBERS, (path + 1) * STAT_NUMBERS);
    return there;
  }
}

const watchedReads = (reads: readonly ReadSignature[]): readonly ReadSignature[] =>
  reads.filter(({ path }) => !path.startsWith("/"));

const directoryOf = ({ path, kind }: ReadSignature): string =>
  kind === "directory" ? path : parentOf(path as WorkspacePath);
