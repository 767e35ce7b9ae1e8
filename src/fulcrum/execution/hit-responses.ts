import type { BlobStore } from "../../cache/index.ts";
import type { Any, reapi } from "../../protocol/index.ts";
import { type Inlining, resultResponse } from "./answers.ts";
import { packedResponse } from "./operation.ts";

/** Answers to those whose execution was done before. */
export class HitResponses {
  readonly #blobs: Pick<BlobStore, "read">;
  /** By result as long as whoever keeps results keeps it: a build asks for the same ones again and again. */
  readonly #packed = new WeakMap<reapi.ActionResult, Any>();

  constructor(blobs: Pick<BlobStore, "read">) {
    this.#blobs = blobs;
  }

  response(result: reapi.ActionResult, wanted: Inlining): reapi.ExecuteResponse | Any {
    const { inlineStdout, inlineStderr, inlineOutputFiles } = wanted;
    const make = () => resultResponse(this.#blobs, { result, status: undefined }, true, wanted);
    if (inlineStdout || inlineStderr || inlineOutputFiles.length > 0) return make();
    const known = this.#packed.get(result) ?? packedResponse(make());
    this.#packed.set(result, known);
    return known;
  }
}
