/** Where text goes: a terminal, a pipe or a file; in tests a list. */
export interface Output {
  readonly isTerminal: boolean;
  /** Width and height in characters; 80 and 24 where nobody knows. */
  columns(): number;
  rows(): number;
  write(text: string): void;
  /** Calls `listener` whenever the size changes, until the function it answers is called. */
  onResize(listener: () => void): () => void;
}

/** Calls `work` every `ms` milliseconds until the function it answers is called; never keeps the process alive. */
export type Ticker = (ms: number, work: () => void) => () => void;
