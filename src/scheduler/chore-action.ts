import { BegatError, type Digest, type Sha256, type WorkspacePath } from "../base/index.ts";
import type { EvaluatedChore } from "../dictum-parser/index.ts";
import {
  type DescribedAction,
  describeAction,
  type InputFile,
  type InputLink,
  listTree,
  type TreeListing,
} from "../executor/index.ts";
import type { Checkout } from "./checkout.ts";
import { imageProperty, type Plan } from "./plan.ts";
import { toolsKey } from "./prepare.ts";
import type { ImageSpec } from "./rooms.ts";
import { type CheckoutState, PATH } from "./state.ts";

/** A chore whose inputs turn out not to be what it declares; found only once what it waits for is done. */
export class ChoreInputError extends BegatError<"CHORE_INPUT_NOT_IN_TREE" | "CHORE_TREE_LOST"> {}

/** What stands where an image's digest would, in the key of a chore that builds an image: begat's own builder. */
const IMAGE_BUILDER = "begat:hermetic";

/** Smaller files are read where they are staged anyway. */
const SIGNED_FROM_BYTES = 1024 * 1024;

/** Bytes of a Tree message, wherever they are kept. `undefined` when nobody has them. */
export type TreeSource = (digest: Digest) => Uint8Array | undefined;

/** Makes actions of chores whose inputs all have digests. */
export class ChoreActions {
  readonly #plan: Plan;
  readonly #state: CheckoutState;
  readonly #checkout: Checkout;
  readonly #hosts: ReadonlyMap<string, string>;
  readonly #trees: TreeSource;
  readonly #listings = new Map<Sha256, TreeListing>();
  readonly #timeoutMs: number;
  readonly #specs: ReadonlyMap<string, ImageSpec>;

  constructor(
    plan: Plan,
    state: CheckoutState,
    checkout: Checkout,
    hosts: ReadonlyMap<string, string>,
    trees: TreeSource,
    timeoutMs: number,
    specs: readonly ImageSpec[],
  ) {
    this.#plan = plan;
    this.#state = state;
    this.#checkout = checkout;
    this.#hosts = hosts;
    this.#trees = trees;
    this.#timeoutMs = timeoutMs;
    this.#specs = new Map(specs.map((spec) => [spec.name, spec]));
  }

  /**
   * @throws {ChoreInputError} when an input is missing from a tree that should hold it.
   * @throws {ProtocolError} when two inputs claim one place.
   */
  describe(chore: number): DescribedAction {
    const facts = this.#plan.chore(chore);
    const collected = this.#collect(chore, facts);
    const isImage = this.#plan.has(chore, "image");
    const spec = isImage ? this.#specs.get(this.#plan.imageName(chore)) : undefined;
    for (const { name, digest } of spec?.pinned ?? []) {
      const path = `.begat/image/${name}` as WorkspacePath;
      collected.inputs.push({ path, digest, executable: false, from: { blob: true } });
    }
    const env = new Map(facts.env);
    for (const name of facts.properties) env.set(name, this.#property(name));
    return describeAction({
      label: facts.label,
      interpreter: facts.interpreter,
      recipe: spec?.text ?? facts.recipe,
      env: [...env],
      directory: facts.directory,
      inputNames: facts.inputs.map(({ path }) => path),
      ...collected,
      outputs: facts.outputs,
      up: facts.up.length > 0 && !isImage,
      depfile: facts.depfile,
      image: isImage ? IMAGE_BUILDER : this.#imageOf(facts),
      imageRoot: undefined,
      network: facts.network,
      timeoutMs: facts.timeoutMs || this.#timeoutMs,
      doNotCache: facts.attributes.nocache,
      resources: facts.resources,
      interactive: facts.attributes.interactive,
    });
  }

  /** With the signature it was digested under, so that a large file need not be digested again where it is staged. */
  #checkoutFile(path: number, name: string, digest: Digest): InputFile["from"] {
    const file = this.#checkout.absolute(name);
    if (digest.sizeBytes < SIGNED_FROM_BYTES) return { file };
    const [sizeBytes = -1, mtimeMs = 0, ctimeMs = 0, inode = 0] = this.#state.signature(path);
    return sizeBytes < 0 ? { file } : { file, signature: { sizeBytes, mtimeMs, ctimeMs, inode } };
  }

  #imageOf(facts: EvaluatedChore): string {
    if (facts.image === "host") return this.#hosts.get(toolsKey(facts.tools)) ?? "";
    return this.#property(imageProperty(facts.image));
  }

  #property(name: string): string {
    const path = this.#plan.propertyId(name);
    return path === undefined ? "" : (this.#state.texts.get(path) ?? "");
  }

  #collect(
    chore: number,
    facts: EvaluatedChore,
  ): { inputs: InputFile[]; links: InputLink[]; emptyDirectories: WorkspacePath[] } {
    const inputs: InputFile[] = [];
    const links: InputLink[] = [];
    const emptyDirectories: WorkspacePath[] = [];
    const taken = new Set<string>();
    const file = (path: string, digest: Digest, executable: boolean, from: InputFile["from"]): void => {
      if (taken.has(path)) return;
      taken.add(path);
      inputs.push({ path: path as WorkspacePath, digest, executable, from });
    };
    const entries = this.#plan.inputsOf(chore);
    const declared = facts.inputs.length;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as number;
      const path = entry >>> 1;
      if (this.#plan.isProperty(path)) continue;
      const name = this.#plan.path(path);
      const mount = i >= declared ? facts.mounts[i - declared] : undefined;
      const made = (this.#plan.columns.producer[path] as number) >= 0;
      const digest = this.#digest(path);
      if ((entry & 1) === 0) {
        // Of a fixpoint chore that has not run yet, its own output may not be there.
        if (digest === undefined) {
          if (this.#plan.columns.producer[path] === chore) continue;
          throw new ChoreInputError("CHORE_INPUT_NOT_IN_TREE", `${name} is not in the tree that should hold it`);
        }
        if (this.#state.is(path, "symlink")) {
          if (!taken.has(name)) links.push({ path: name, target: this.#state.texts.get(path) ?? "" });
          taken.add(name);
        } else
          file(
            name,
            digest,
            this.#state.is(path, "executable"),
            made ? { blob: true } : this.#checkoutFile(path, name, digest),
          );
        continue;
      }
      const place = (below: string): string => {
        const root = mount?.where ?? name;
        return root === "" ? below : below === "" ? root : `${root}/${below}`;
      };
      const tree = (listing: TreeListing, prefix: string): void => {
        const at = (below: string): string =>
          place(prefix === "" ? below : below === "" ? prefix : `${prefix}/${below}`);
        for (const leaf of listing.files) file(at(leaf.path), leaf.digest, leaf.executable, { blob: true });
        for (const link of listing.links) links.push({ path: at(link.path) as WorkspacePath, target: link.target });
        for (const empty of listing.emptyDirectories) emptyDirectories.push(at(empty) as WorkspacePath);
        if (listing.files.length + listing.links.length + listing.emptyDirectories.length === 0)
          emptyDirectories.push(at("") as WorkspacePath);
      };
      if (made && digest !== undefined && this.#state.is(path, "tree")) {
        tree(this.listing(digest, name), "");
        continue;
      }
      for (const output of this.#plan.outputsBelow(path)) {
        const other = output >>> 1;
        const its = this.#state.digest(other);
        if (its === undefined || this.#plan.columns.producer[other] === chore) continue;
        const below = this.#plan.path(other).slice(name === "" ? 0 : name.length + 1);
        if (this.#state.is(other, "tree")) tree(this.listing(its, this.#plan.path(other)), below);
        else if (this.#state.is(other, "symlink")) {
          if (!taken.has(place(below)))
            links.push({ path: place(below) as WorkspacePath, target: this.#state.texts.get(other) ?? "" });
          taken.add(place(below));
        } else file(place(below), its, this.#state.is(other, "executable"), { blob: true });
      }
      for (const member of this.#state.members.get(path) ?? []) {
        const below = name === "" ? member.path : member.path.slice(name.length + 1);
        if (member.flags & PATH.scaffold) continue;
        if (member.flags & PATH.directory) emptyDirectories.push(place(below) as WorkspacePath);
        else if (member.flags & PATH.symlink)
          links.push({
            path: place(below) as WorkspacePath,
            target: this.#checkout.fs.readLink(this.#checkout.absolute(member.path)),
          });
        else if (member.digest)
          file(place(below), member.digest, (member.flags & PATH.executable) !== 0, {
            file: this.#checkout.absolute(member.path),
          });
      }
    }
    return { inputs, links, emptyDirectories: emptyDirectories.filter((path) => path !== "") };
  }

  /** Of an input within a tree that was made before anybody asked for it by name, the tree's own list knows. */
  #digest(path: number): Digest | undefined {
    const known = this.#state.digest(path);
    const maker = this.#plan.columns.producer[path] as number;
    if (known !== undefined || maker < 0) return known;
    const name = this.#plan.path(path);
    for (const entry of this.#plan.outputsOf(maker)) {
      const tree = this.#plan.path(entry >>> 1);
      const digest = this.#state.digest(entry >>> 1);
      if ((entry & 1) === 0 || digest === undefined || !name.startsWith(`${tree}/`)) continue;
      const leaf = this.listing(digest, tree).files.find((file) => `${tree}/${file.path}` === name);
      if (leaf !== undefined) this.#state.setDigest(path, leaf.digest, leaf.executable ? PATH.executable : 0);
      return leaf?.digest;
    }
    return undefined;
  }

  /** Leaves of a directory output. */
  listing(digest: Digest, name: string): TreeListing {
    const known = this.#listings.get(digest.hash);
    if (known !== undefined) return known;
    const bytes = this.#trees(digest);
    if (bytes === undefined)
      throw new ChoreInputError(
        "CHORE_TREE_LOST",
        `the list of files of ${name}/ (${digest.hash}) is neither in the store nor in the ledger`,
      );
    const listing = listTree(bytes);
    this.#listings.set(digest.hash, listing);
    return listing;
  }
}
