export interface ServeRequest {
  /** `undefined`: the machine's name, or that of its membership. */
  readonly name: string | undefined;
  /** `HOST:PORT`; `undefined`: every interface, at the usual port of what it is. */
  readonly listen: string | undefined;
  /** Lead, and found the farm where none is in the state home. */
  readonly leads: boolean;
  /** `HOST:PORT` of the leader to join; `undefined`: as the membership has it. */
  readonly join: string | undefined;
  /** Needed to join for the first time. */
  readonly token: string | undefined;
  /** Further hosts that the certificate names. */
  readonly hosts: readonly string[];
  /** `undefined`: as many as the machine has processors. */
  readonly slots: number | undefined;
  readonly executor: "server" | "bubblewrap" | "docker" | "process" | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly insecureListen: string | undefined;
  readonly acceptsResults: boolean;
  /** Of a leader, after their last use; `undefined`: 30 days. */
  readonly keepResultsMs: number | undefined;
  /** What this machine's cache is kept to while it serves; `undefined`: to nothing. */
  readonly maxSizeBytes: number | undefined;
  readonly statusListen: string | undefined;
}

/** A fulcrum that answers calls. */
export interface ReadyFulcrum {
  readonly name: string;
  readonly role: "leader" | "rnode";
  readonly cluster: string;
  readonly listen: string;
  readonly insecureListen: string | undefined;
  /** `http://127.0.0.1:PORT/`. */
  readonly status: string | undefined;
  readonly slots: number;
  /** `undefined` where it executes nothing. */
  readonly executor: string | undefined;
  readonly level: string | undefined;
}

/** How a fulcrum is told of and ended. */
export interface ServeHooks {
  onReady(fulcrum: ReadyFulcrum): void;
  /** Once: a weaker sandbox, plain text, and the like. */
  onNotice(text: string, hint?: string): void;
  /** Resolves when it is to take no more work. */
  readonly drain: Promise<void>;
  /** Aborts when it is to end at once. */
  readonly stop: AbortSignal;
}

export interface FulcrumServices {
  /** Until it has drained or is stopped. */
  fulcrumServe(request: ServeRequest, hooks: ServeHooks): Promise<void>;
}
