import type { Sha256 } from "../../base/index.ts";
import { type Evidence, evidenceAt, type History } from "./evidence.ts";

/** A travail that made an image, a property `image NAME` with its config digest. */
export interface ImageMaking {
  readonly evidence: Evidence;
  readonly name: string;
  readonly digest: Sha256;
}

/** Names of images, and executions of each, that are looked at: far more than anybody has. */
const MOST = 10_000;

/** Which travail made which image; all are read at the first question. */
export class ImageMakings {
  readonly #history: History;
  #known: ImageMaking[] | undefined;

  constructor(history: History) {
    this.#history = history;
  }

  /** The newest that made the image with this config digest. */
  of(digest: Sha256): ImageMaking | undefined {
    return this.#all().find((making) => making.digest === digest);
  }

  /** All that were made under a name, the newest first. */
  named(name: string): readonly ImageMaking[] {
    const makings = this.#all().filter((making) => making.name === name);
    return makings.filter(({ digest }, i) => makings.findIndex((one) => one.digest === digest) === i);
  }

  newest(name: string): ImageMaking | undefined {
    return this.#all().find((making) => making.name === name);
  }

  #all(): ImageMaking[] {
    if (this.#known !== undefined) return this.#known;
    const { index } = this.#history;
    const seqs = index.choresOf("image", MOST).flatMap((chore) => index.executionsOf(chore, MOST));
    this.#known = seqs
      .sort((a, b) => b - a)
      .flatMap((seq) => {
        const evidence = evidenceAt(this.#history, seq);
        if (evidence?.record.kind !== "exec" || evidence.record.dictum !== "image") return [];
        return Object.entries(evidence.record.props ?? {}).flatMap(([property, value]): ImageMaking[] => {
          const [, name] = /^image (.*)$/s.exec(property) ?? [];
          const [, digest] = /^sha256:([0-9a-f]{64})$/.exec(value) ?? [];
          return name === undefined || digest === undefined ? [] : [{ evidence, name, digest: digest as Sha256 }];
        });
      });
    return this.#known;
  }
}
