import { homedir } from "node:os";
import { isAbsolute, join } from "node:path/posix";
import { BegatError } from "../base/index.ts";

export class UserDirectoryError extends BegatError<"DIRECTORY_NOT_ABSOLUTE" | "DIRECTORY_NO_HOME"> {}

/** Where begat keeps what belongs to a user rather than to a checkout. Absolute; they need not exist yet. */
export interface UserDirectories {
  /** Ledger and keys: precious. */
  readonly stateHome: string;
  /** Blobs and index: disposable. */
  readonly cacheHome: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `$BEGAT_STATE_HOME`, else `$XDG_STATE_HOME/begat`, else `~/.local/state/begat`; `$BEGAT_CACHE_HOME`, else
 * `$XDG_CACHE_HOME/begat`, else `~/.cache/begat`. Empty variables count as unset, and XDG's relative ones are
 * ignored, as the XDG Base Directory Specification asks.
 *
 * @throws {UserDirectoryError} `DIRECTORY_NOT_ABSOLUTE` for begat's own variables, `DIRECTORY_NO_HOME`.
 */
export function userDirectories(env: Environment): UserDirectories {
  return {
    stateHome: directory(env, "BEGAT_STATE_HOME", "XDG_STATE_HOME", ".local/state"),
    cacheHome: directory(env, "BEGAT_CACHE_HOME", "XDG_CACHE_HOME", ".cache"),
  };
}

function directory(env: Environment, own: string, xdg: string, underHome: string): string {
  const chosen = env[own];
  if (chosen) {
    if (isAbsolute(chosen)) return join(chosen, ".").replace(/(.)\/$/, "$1");
    throw new UserDirectoryError("DIRECTORY_NOT_ABSOLUTE", `${own} is ${JSON.stringify(chosen)}, a relative path`, {
      hint: `set ${own} to an absolute path`,
    });
  }
  const base = env[xdg];
  if (base && isAbsolute(base)) return join(base, "begat");
  const home = env.HOME || homedir();
  if (!home || !isAbsolute(home)) {
    throw new UserDirectoryError("DIRECTORY_NO_HOME", `neither ${own} nor HOME names a directory`, {
      hint: `set ${own} to an absolute path`,
    });
  }
  return join(home, underHome, "begat");
}
