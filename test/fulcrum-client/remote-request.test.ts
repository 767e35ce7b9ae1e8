import { describe, expect, test } from "vitest";
import {
  callMetadata,
  farmWords,
  metadataOf,
  type PriorityClass,
} from "../../src/fulcrum-client/remote/remote-request.ts";
import { decodeEntry, EXECUTION_HINTS_KEY, REQUEST_METADATA_KEY } from "../../src/fulcrum-client/wire/index.ts";
import { farm, millisecondsOf } from "../../src/protocol/index.ts";
import { executionRequest } from "../support/execution-request.ts";
import { purpose } from "../support/remote-client.ts";

describe("what a client says of an execution beforehand", () => {
  const request = executionRequest("copy", { outputs: ["b"] });
  const said = (priority: PriorityClass | undefined, parts = {}) => {
    const named = purpose("ledger", parts);
    return callMetadata(metadataOf(request, named), priority && farmWords(request, named, undefined, priority));
  };

  test("to a farm: what it is expected to take, its way to the build's end, and who waits", () => {
    const metadata = said("background", { expectedMs: 1_500, rankMs: 61_250.5 });
    const hints = decodeEntry(metadata[EXECUTION_HINTS_KEY], farm.ExecutionHints);
    expect(hints).toMatchObject({ historyKey: "copy(a)", priorityClass: "background" });
    expect([hints?.expected, hints?.rank].map((span) => span && millisecondsOf(span))).toEqual([1_500, 61_250.5]);
  });

  test("to a farm: nothing of what it does not know", () => {
    const hints = decodeEntry(said("ci")[EXECUTION_HINTS_KEY], farm.ExecutionHints);
    expect([hints?.expected, hints?.rank]).toEqual([undefined, undefined]);
  });

  test("to anybody else: which tool and build it is for, and no more", () => {
    expect(Object.keys(said(undefined))).toEqual([REQUEST_METADATA_KEY]);
  });
});
