/** Every deliberate failure. `code` is for programs and never renamed; `message` and `hint` are for people. */
export abstract class BegatError<Code extends string = string> extends Error {
  readonly code: Code;
  /** What to do about it; only ever something that is true. */
  readonly hint: string | undefined;

  constructor(code: Code, message: string, options: ErrorOptions & { hint?: string | undefined } = {}) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint;
  }
}

/** One line, outermost first: `cannot run cc: image is not in the store: blob ab12… is missing`. */
export function explain(error: unknown): string {
  const messages: string[] = [];
  for (let e = error; e !== undefined; e = e instanceof Error ? e.cause : undefined) {
    messages.push(e instanceof Error ? e.message : String(e));
  }
  return messages.join(": ");
}

/** The first hint along the chain of causes, outermost first. */
export function hintOf(error: unknown): string | undefined {
  for (let e = error; e instanceof Error; e = e.cause) {
    if (e instanceof BegatError && e.hint !== undefined) return e.hint;
  }
  return undefined;
}

/** The first stable code along the chain of causes, outermost first. */
export function codeOf(error: unknown): string | undefined {
  for (let e = error; e instanceof Error; e = e.cause) {
    if (e instanceof BegatError) return e.code;
  }
  return undefined;
}
