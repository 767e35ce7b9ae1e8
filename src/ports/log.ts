/** Where begat says what it does, for whoever looks after it. People's messages do not come this way. */
export interface Log {
  debug(event: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
  info(event: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
  warn(event: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
}

export const SILENT_LOG: Log = { debug() {}, info() {}, warn() {} };
