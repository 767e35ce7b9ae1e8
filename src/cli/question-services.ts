/** What is asked of the records; `words` are as the verb's usage says. */
export interface QuestionRequest {
  /** Absolute; paths are taken from there. */
  readonly directory: string;
  readonly question:
    | "prov path"
    | "prov why"
    | "prov why-rebuilt"
    | "prov diff"
    | "prov affected"
    | "prov complete"
    | "repro"
    | "whatif";
  readonly words: readonly string[];
  /** As of this many records, or of this time; `undefined`: now. */
  readonly at: string | undefined;
  /** A record's number or a time. */
  readonly since: string | undefined;
  /** Of `prov affected`: what it is about, where it is no artifact. */
  readonly about: { readonly by: "image" | "rnode" | "key" | "action"; readonly value: string } | undefined;
  /** Read the ledger itself instead of the index. */
  readonly prove: boolean;
  /** `OLD=NEW` of `whatif`. */
  readonly swap: string | undefined;
  /** Answers at most. */
  readonly limit: number;
}

/** One statement, and the record it rests on. */
export interface QuestionLine {
  /** What kind of statement: `affected`, `clear`, `step`, `change`, `hole`. */
  readonly type: string;
  readonly seq: number | undefined;
  readonly leaf: string | undefined;
  /** For people; one line. */
  readonly text: string;
  /** For programs; members by the type. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** Belongs to the line before it. */
  readonly below?: boolean;
  readonly mood?: "good" | "bad" | "weak";
}

export type QuestionAnswer =
  | {
      readonly found: true;
      /** `false`: answered, and it does not hold: a hole, two results of one action. */
      readonly holds: boolean;
      readonly lines: readonly QuestionLine[];
      readonly ledgerSize: number;
    }
  | { readonly found: false; readonly because: string; readonly hint: string | undefined };

export interface ReindexReport {
  readonly path: string;
  readonly records: number;
  readonly sizeBytes: number;
  readonly durationMs: number;
}

/** All that the questions ask of the rooms behind them. */
export interface QuestionServices {
  ask(request: QuestionRequest): Promise<QuestionAnswer>;
  ledgerReindex(): Promise<ReindexReport>;
}
