import type { ProofCrypto } from "../../../provenance/index.ts";

type Verify = ProofCrypto["verifyEd25519"];

/** RFC 8032, section 7.1, TEST 2: key, message, signature. */
const KEY = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const MESSAGE = "72";
const SIGNATURE =
  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));

/**
 * Ed25519 as the browser has it; `undefined` where it has none (before 2023 to 2025, or on a page that came over plain
 * http), or one that does not know a good signature from a bad one.
 */
export async function browserCurve(subtle: SubtleCrypto | undefined): Promise<Verify | undefined> {
  if (subtle === undefined) return undefined;
  const verify = async (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> => {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    try {
      const key = await subtle.importKey("raw", publicKey.slice(), "Ed25519", false, ["verify"]);
      return await subtle.verify("Ed25519", key, signature.slice(), message.slice());
    } catch {
      return false;
    }
  };
  const good = await verify(bytes(KEY), bytes(MESSAGE), bytes(SIGNATURE));
  const bad = await verify(bytes(KEY), bytes("73"), bytes(SIGNATURE));
  return good && !bad ? verify : undefined;
}
