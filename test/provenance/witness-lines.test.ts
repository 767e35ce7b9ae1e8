import { expect, test } from "vitest";
import {
  cosign,
  type PublicKeyEntry,
  parseNote,
  signCheckpoint,
  signerFromSeed,
  withSignatures,
  witnessNames,
} from "../../src/provenance/index.ts";

const keyOf = (n: number, role: PublicKeyEntry["role"]) => {
  const signer = signerFromSeed(Buffer.alloc(32, n), "rnode");
  return { signer, entry: { ...signer.entry, role } };
};
const log = keyOf(1, "log");
const rnode = keyOf(2, "rnode");
const witness = keyOf(3, "witness");
const { note } = signCheckpoint("log.test/1", 5, "ab".repeat(32) as never, [{ ...log.signer, entry: log.entry }]);

const cosignedBy = ({ signer, entry }: ReturnType<typeof keyOf>, text = parseNote(note).text): string => {
  const cosigner = { name: "w.test/1", publicKey: Buffer.from(entry.pub, "base64"), sign: signer.sign };
  return withSignatures(note, [cosign(cosigner, text, 1_767_225_604)]);
};

test.each([
  ["a line of an endorsed witness counts", cosignedBy(witness), ["w.test/1"]],
  ["the log's own line does not", note, []],
  ["a line of an rnode key does not, whatever it signed", cosignedBy(rnode), []],
  ["a line of a key nobody endorsed does not", cosignedBy(keyOf(9, "witness")), []],
  ["a line of a witness under two names counts under each", withTwoNames(), ["w.test/1", "w.test/2"]],
])("%s", (_, checkpoint, names) => {
  expect(witnessNames(checkpoint, [log.entry, rnode.entry, witness.entry])).toEqual(names);
});

test("a line of an endorsed witness over another checkpoint is no good", () => {
  const forged = cosignedBy(witness, parseNote(note).text.replace("\n5\n", "\n6\n"));
  expect(() => witnessNames(forged, [witness.entry])).toThrow(expect.objectContaining({ code: "NOTE_BAD_SIGNATURE" }));
});

function withTwoNames(): string {
  const second = { name: "w.test/2", publicKey: Buffer.from(witness.entry.pub, "base64"), sign: witness.signer.sign };
  return withSignatures(cosignedBy(witness), [cosign(second, parseNote(note).text, 1)]);
}
