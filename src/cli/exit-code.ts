import { BegatError } from "../base/index.ts";

/** What begat answers its caller with; documented by `begat help`, never renumbered. */
export const EXIT = {
  ok: 0,
  /** A chore failed, a begatfile has a mistake, or an artifact is not proven. */
  failed: 1,
  usage: 2,
  tampered: 3,
  rolledBack: 4,
  couldNotCheck: 5,
  /** 128 + SIGINT, as shells count. */
  interrupted: 130,
  terminated: 143,
  /** 128 + SIGPIPE: whoever read standard output went away. */
  outputClosed: 141,
} as const;

export const EXIT_CODE_TABLE: readonly (readonly [code: number, meaning: string])[] = [
  [0, "done; or, of a verb that verifies: it holds"],
  [1, "a chore failed, a begatfile has mistakes, or it is not proven"],
  [2, "the command line was not understood"],
  [3, "the ledger, a record or a blob was tampered with"],
  [4, "the ledger was rolled back or forked"],
  [5, "could not check: what is needed for an answer cannot be read"],
  [130, "interrupted by Ctrl-C (143: by SIGTERM, 129: by SIGHUP)"],
  [141, "standard output was closed by its reader"],
];

/** The command line was not understood; nothing was done. */
export class UsageError extends BegatError<"USAGE"> {
  /** Whose help tells more: `prov show`; `undefined` for begat itself. */
  readonly verb: string | undefined;

  constructor(message: string, options: { hint?: string | undefined; verb?: string | undefined } = {}) {
    super("USAGE", message, options);
    this.verb = options.verb;
  }
}

const BY_CODE: Readonly<Record<string, number>> = {
  USAGE: EXIT.usage,
  QUESTION_TIME_UNREADABLE: EXIT.usage,
  QUESTION_SWAP_UNREADABLE: EXIT.usage,
  DIGEST_AMBIGUOUS: EXIT.usage,
  // A ledger that is no database is what is left of one; begat never repairs or replaces it.
  LEDGER_UNREADABLE: EXIT.tampered,
};

/**
 * The exit code for a failure that ended a verb.
 *
 * @param code Stable code of the failure; `undefined` for one that is not ours.
 * @param verifies Whether the verb answers "does it hold": it must not say "not proven" when it could not look.
 */
export function exitCodeOfFailure(code: string | undefined, verifies: boolean): number {
  const known = code === undefined ? undefined : BY_CODE[code];
  if (known !== undefined) return known;
  if (code !== undefined && /_TAMPERED$/.test(code)) return EXIT.tampered;
  if (code !== undefined && /_(ROLLED_BACK|FORKED)$/.test(code)) return EXIT.rolledBack;
  if (code !== undefined && /_TARGET_UNKNOWN$|^TARGET_UNKNOWN$/.test(code)) return EXIT.usage;
  return verifies ? EXIT.couldNotCheck : EXIT.failed;
}

/** 128 and the signal's number. */
export function exitCodeOfSignal(signal: "SIGINT" | "SIGTERM" | "SIGHUP"): number {
  return { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated, SIGHUP: 129 }[signal];
}
