import { resolve } from "node:path/posix";
import type { Arguments } from "./arguments.ts";
import type { Host } from "./host.ts";
import type { Palette } from "./render/colour.ts";
import { documentText } from "./render/json.ts";
import type { Services, WorkspaceOptions } from "./services.ts";

/** What a verb works with. It answers its exit code; what it throws is reported by `runCommand`. */
export interface Context {
  /** As it was typed. */
  readonly argv: readonly string[];
  readonly args: Arguments;
  readonly host: Host;
  /** For standard output. */
  readonly paint: Palette;
  /** The question is asked as of this many records, or of this time. */
  readonly at?: string;
  /** Opened at most once. */
  services(): Promise<Services>;
}

export type Handler = (context: Context) => Promise<number>;

export function directoryOf({ args, host }: Context): string {
  return resolve(host.cwd, args.flags.text("directory") ?? ".");
}

export function workspaceOptions(context: Context): WorkspaceOptions {
  const { flags, overrides } = context.args;
  return { directory: directoryOf(context), begatfiles: flags.texts("file"), overrides };
}

/** Writes the answer as JSON where that was asked for, else as text. */
export function answer(context: Context, document: object, text: () => string): void {
  const { args, host } = context;
  host.stdout.write(args.flags.has("json") ? documentText(args.verb, document) : text());
}
