import { type ProofQuestion, readPolicy } from "../../../provenance/index.ts";

/** Whom the reader believes. */
export type TrustChoice =
  | { readonly by: "nobody" }
  | { readonly by: "policy"; readonly text: string | undefined }
  | { readonly by: "ledger"; readonly identity: string }
  | { readonly by: "keys" };

export type Trust = Pick<ProofQuestion, "ownLedgers" | "policy" | "trustBundleKeys">;

export type TrustRead =
  | { readonly ok: true; readonly trust: Trust }
  /** Nothing is checked before this is mended: an unread policy is no weaker one. */
  | { readonly ok: false; readonly because: string };

export function readTrust(choice: TrustChoice): TrustRead {
  switch (choice.by) {
    case "nobody":
      return { ok: true, trust: {} };
    case "keys":
      return { ok: true, trust: { trustBundleKeys: true } };
    case "ledger": {
      const identity = choice.identity.trim().toLowerCase();
      if (identity === "") return { ok: false, because: "enter the identity of the ledger: 64 hexadecimal digits" };
      if (/^[0-9a-f]{64}$/.test(identity)) return { ok: true, trust: { ownLedgers: [identity] } };
      return {
        ok: false,
        because: `an identity has 64 hexadecimal digits; ${identity.length} characters were entered`,
      };
    }
    case "policy": {
      if (choice.text === undefined) return { ok: false, because: "choose a policy" };
      const read = readPolicy(choice.text);
      if (read.ok) return { ok: true, trust: { policy: read.policy } };
      const where = read.line === undefined ? "" : `, line ${read.line}`;
      return { ok: false, because: `the policy cannot be used${where}: ${read.because}` };
    }
  }
}
