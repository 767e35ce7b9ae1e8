type Environment = Readonly<Record<string, string | undefined>>;

const isOff = (value: string): boolean => value === "0" || value === "false";

/**
 * Whether commands use the warm engine: as BEGAT_DAEMON says, else not on a CI machine, which forgets it anyway.
 * native/client/client.c has the same rule.
 */
export function wantsEngine(env: Environment): boolean {
  if (env.BEGAT_DAEMON) return !isOff(env.BEGAT_DAEMON);
  return !env.CI || isOff(env.CI);
}

/** Before the command line is understood: `--no-daemon` anywhere among the options. */
export function declinesEngine(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end < 0 ? argv.length : end).includes("--no-daemon");
}
