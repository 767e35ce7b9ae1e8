import type { BlobStore } from "../../cache/index.ts";
import { statusNumber } from "../../fulcrum-client/index.ts";
import { packAny, type reapi, rpc } from "../../protocol/index.ts";
import type { Answer } from "../leader/index.ts";
import { withInlined } from "../services/index.ts";
import type { OperationRequest } from "./operation.ts";

export type Inlining = Pick<OperationRequest, "inlineStdout" | "inlineStderr" | "inlineOutputFiles">;

/** A result, and how its execution ended where that was not well. */
export interface CheckedResult {
  readonly result: reapi.ActionResult;
  /** `undefined` is OK. */
  readonly status: rpc.Status | undefined;
}

export function resultResponse(
  blobs: Pick<BlobStore, "read">,
  { result, status }: CheckedResult,
  isCached: boolean,
  wanted: Inlining,
): reapi.ExecuteResponse {
  const { inlineStdout, inlineStderr, inlineOutputFiles } = wanted;
  const inlined =
    inlineStdout || inlineStderr || inlineOutputFiles.length > 0
      ? withInlined(blobs, result, { inlineStdout, inlineStderr, inlineOutputFiles: [...inlineOutputFiles] })
      : result;
  return { result: inlined, cachedResult: isCached, status, serverLogs: {}, message: status?.message ?? "" };
}

/** What a client hears that gets no result. */
export function failureResponse(
  answer: Exclude<Answer, { kind: "result" }>,
  killed: string | undefined,
): reapi.ExecuteResponse {
  const status = failureStatus(answer, killed);
  return { result: undefined, cachedResult: false, status, serverLogs: {}, message: status.message };
}

function failureStatus(answer: Exclude<Answer, { kind: "result" }>, killed: string | undefined): rpc.Status {
  switch (answer.kind) {
    case "inputs-missing":
      return missingStatus(answer.digests);
    case "refused": {
      const violation = { type: "PLATFORM_PROPERTY", subject: answer.property, description: answer.text };
      return precondition(answer.text, [violation]);
    }
    case "failed":
      // Not UNAVAILABLE: clients would try that again for ever.
      return { code: statusNumber("INTERNAL"), message: answer.text, details: [] };
    case "cancelled":
      if (answer.because === "asked") {
        const message = killed === undefined ? "it was cancelled" : `ended by an operator: ${killed}`;
        return { code: statusNumber("CANCELLED"), message, details: [] };
      }
      // Whoever asks for it after all may ask anew.
      return { code: statusNumber("ABORTED"), message: "nobody waited for it any more", details: [] };
    case "unknown":
      return { code: statusNumber("NOT_FOUND"), message: "nothing is known of it", details: [] };
  }
}

/** @param digests As `hash/size`. A client that reads this brings them and asks again. */
export function missingStatus(digests: readonly string[]): rpc.Status {
  const violations = digests.map((digest) => ({ type: "MISSING", subject: `blobs/${digest}`, description: "" }));
  return precondition(`${digests.length} inputs are not in the store`, violations);
}

function precondition(message: string, violations: rpc.PreconditionFailure_Violation[]): rpc.Status {
  const detail = packAny("google.rpc.PreconditionFailure", rpc.PreconditionFailure, { violations });
  return { code: statusNumber("FAILED_PRECONDITION"), message, details: [detail] };
}
