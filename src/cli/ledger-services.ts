/** What the verbs of `begat ledger` ask of the rooms behind them. Paths are absolute. */
export interface LedgerServices {
  ledgerCheckpoint(): Promise<CheckpointView>;
  /** @param add A pin or a signed checkpoint to keep. */
  ledgerPin(request: { readonly add: string | undefined }): Promise<PinsView>;
  ledgerCompare(request: { readonly file: string; readonly proof: string | undefined }): Promise<CompareView>;
  ledgerForkProof(request: { readonly file: string; readonly keys: readonly string[] }): Promise<ForkView>;
  ledgerExport(request: { readonly directory: string }): Promise<ExportView>;
}

export interface CheckpointView {
  readonly log: string;
  readonly ledger: string;
  readonly size: number;
  readonly root: string;
  /** The signed note. */
  readonly note: string;
}

export interface PinsView {
  readonly ledger: string;
  readonly size: number;
  readonly pins: readonly {
    readonly path: string;
    /** Records it remembers; `undefined` of one that cannot be read. */
    readonly size: number | undefined;
    readonly signed: boolean;
    readonly imported: boolean;
  }[];
  readonly added: string | undefined;
}

export interface CompareView {
  readonly relation: "agrees" | "ahead" | "forked";
  /** Records here, and in the checkpoint. */
  readonly here: number;
  readonly size: number;
  readonly root: string;
  /** Root of this ledger at that size, where it is another one. */
  readonly own: string | undefined;
  /** Where the proof was written. */
  readonly proof: string | undefined;
}

export type ForkView =
  | {
      readonly forked: true;
      readonly ledger: string;
      readonly log: string;
      readonly sizes: readonly [number, number];
      readonly roots: readonly [string, string];
    }
  | { readonly forked: false; readonly because: string };

export interface ExportView {
  readonly directory: string;
  readonly size: number;
  readonly root: string;
  /** Records that were there already. */
  readonly had: number;
  readonly files: number;
}
