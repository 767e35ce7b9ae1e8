import { describe, expect, test } from "vitest";
import { parseReadName, parseWriteName } from "../../../src/fulcrum/services/resource-name.ts";
import { RpcError } from "../../../src/fulcrum-client/index.ts";

const H = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const problemOf = (parse: () => unknown): string => {
  try {
    parse();
  } catch (error) {
    if (error instanceof RpcError)
      return `${error.status} ${error.message.slice(error.message.lastIndexOf('": ') + 3)}`;
  }
  return "none";
};

describe("names of blobs to read", () => {
  for (const [name, instance, sizeBytes] of [
    [`blobs/${H}/0`, "", 0],
    [`main/blobs/${H}/12`, "main", 12],
    [`team/one/blobs/${H}/9007199254740991`, "team/one", Number.MAX_SAFE_INTEGER],
  ] as const) {
    test(`reads ${name}`, () => expect(parseReadName(name)).toEqual({ instance, digest: { hash: H, sizeBytes } }));
  }
  for (const [name, problem] of [
    ["", "it has no blobs/HASH/SIZE"],
    ["blobs", '"" is no SHA-256'],
    [`blobs/${H.toUpperCase()}/1`, `"${H.toUpperCase()}" is no SHA-256`],
    [`blobs/blake3/${H}/1`, '"blake3" is no SHA-256'],
    [`blobs/${H}/01`, '"01" is no size'],
    [`blobs/${H}/-1`, '"-1" is no size'],
    [`blobs/${H}/9007199254740992`, '"9007199254740992" is no size'],
    [`blobs/${H}/1/x`, "something follows the size"],
    [`compressed-blobs/zstd/${H}/1`, "compressed blobs are not spoken"],
  ] as const) {
    test(`refuses ${JSON.stringify(name)}`, () =>
      expect(problemOf(() => parseReadName(name))).toBe(`INVALID_ARGUMENT ${problem}`));
  }
});

describe("names of uploads", () => {
  for (const [name, instance] of [
    [`uploads/1/blobs/${H}/5`, ""],
    [`team/one/uploads/a-b/blobs/${H}/5`, "team/one"],
    [`uploads/1/blobs/${H}/5/some/file.o`, ""],
    [`uploads/blobs/blobs/${H}/5`, ""],
  ] as const) {
    test(`reads ${name}`, () => expect(parseWriteName(name)).toEqual({ instance, digest: { hash: H, sizeBytes: 5 } }));
  }
  for (const [name, problem] of [
    [`blobs/${H}/5`, "it has no uploads/ID"],
    [`uploads//blobs/${H}/5`, "the ID of the upload is empty"],
    [`uploads/1/${H}/5`, "it has no blobs/HASH/SIZE"],
    [`uploads/1/compressed-blobs/zstd/${H}/5`, "compressed blobs are not spoken"],
  ] as const) {
    test(`refuses ${JSON.stringify(name)}`, () =>
      expect(problemOf(() => parseWriteName(name))).toBe(`INVALID_ARGUMENT ${problem}`));
  }
});
