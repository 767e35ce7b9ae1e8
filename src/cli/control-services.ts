/** A decision about keys or results that was written into the ledger. */
export interface DecisionView {
  readonly seq: number;
  readonly leaf: string;
  readonly kind: string;
  /** What it is about, and what it does, in words. */
  readonly subject: string;
  readonly detail: string;
  /** Key id of who decided. */
  readonly by: string;
  /** Where a key that was made for it is kept. */
  readonly keyFile: string | undefined;
}

export interface KeyView {
  readonly id: string;
  readonly role: string;
  readonly rnode: string | undefined;
  /** Record that endorsed it; 0 is genesis. It counts in records after that one. */
  readonly since: number;
  /** It counts in records before this one, having given way to another. */
  readonly until: number | undefined;
  readonly revokedFrom: number | undefined;
  readonly revokedFor: string | undefined;
  readonly counts: boolean;
  /** Whether the private key is on this machine. */
  readonly held: boolean;
}

export interface KeysView {
  readonly ledger: string;
  readonly size: number;
  readonly keys: readonly KeyView[];
  readonly quarantines: readonly {
    readonly seq: number;
    readonly target: string;
    readonly fromSeq: number;
    readonly toSeq: number | undefined;
    readonly reason: string;
  }[];
  /** Control records that are not taken for what they say. */
  readonly problems: readonly { readonly seq: number; readonly because: string }[];
}

/** What is to be decided. `rootKey`: the file of the key that decides, where it is not at its usual place. */
export type DecisionRequest = { readonly rootKey: string | undefined } & (
  | { readonly what: "rotate"; readonly role: "log" | "rnode"; readonly overlap: number }
  | { readonly what: "endorse"; readonly role: "admin" | "log" | "rnode" }
  | { readonly what: "revoke"; readonly key: string; readonly fromSeq: number | undefined; readonly reason: string }
  | {
      readonly what: "quarantine";
      readonly target: string;
      readonly fromSeq: number;
      readonly toSeq: number | undefined;
      readonly reason: string;
    }
  | { readonly what: "restore"; readonly reason: string }
  | { readonly what: "release"; readonly target: string; readonly reason: string }
  | { readonly what: "property"; readonly subject: string; readonly name: string; readonly value: string }
);

export interface ControlServices {
  ledgerKeys(): Promise<KeysView>;
  /** Usually one record; `release` writes one for each quarantine it ends. */
  decide(request: DecisionRequest): Promise<readonly DecisionView[]>;
}
