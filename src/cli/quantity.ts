export { counted, formatCount } from "../base/index.ts";

/** What a person wrote, or why it is no quantity. */
export type Quantity =
  | { readonly ok: true; readonly value: number }
  | { readonly ok: false; readonly expected: string };

const SIZE_UNITS: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };
const TIME_UNITS: Readonly<Record<string, number>> = {
  "": 1000,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Bytes: `500M`, `20G`, `1.5GiB`, `4096`. Units are powers of 1024. */
export function parseSize(text: string): Quantity {
  const found = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text);
  const unit = SIZE_UNITS[found?.[2]?.toLowerCase() ?? "?"];
  const value = Math.round(Number(found?.[1]) * (unit ?? Number.NaN));
  return Number.isSafeInteger(value) ? { ok: true, value } : { ok: false, expected: "a size such as 500M or 20G" };
}

/** Milliseconds: `90` and `90s` (seconds), `10m`, `1.5h`, `30d`, `500ms`. */
export function parseDuration(text: string): Quantity {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|)$/.exec(text);
  const unit = TIME_UNITS[found?.[2] ?? "?"];
  const value = Math.round(Number(found?.[1]) * (unit ?? Number.NaN));
  return Number.isSafeInteger(value) && value > 0
    ? { ok: true, value }
    : { ok: false, expected: "a time such as 90s, 10m or 1h" };
}

/** A whole number, at least `least`. */
export function parseCount(text: string, least: number): Quantity {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  return value >= least ? { ok: true, value } : { ok: false, expected: `a whole number, ${least} or more` };
}

/** Of many things: a share of them, `10%`, or at most so many, `20`. */
export function parseSample(text: string): { readonly count?: number; readonly percent?: number } | undefined {
  const percent = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(text)?.[1];
  if (percent !== undefined)
    return Number(percent) > 0 && Number(percent) <= 100 ? { percent: Number(percent) } : undefined;
  const count = parseCount(text, 1);
  return count.ok ? { count: count.value } : undefined;
}

/** `0.21s`, `3.4s`, `34s`, `2m05s`, `1h02m`: as many digits as anyone reads. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 0.995) return `${seconds.toFixed(2)}s`;
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, "0")}s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, "0")}m`;
}

/** `512 B`, `1.4 KiB`, `64.0 MiB`: powers of 1024. */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes;
  let unit = -1;
  do {
    value /= 1024;
    unit++;
  } while (value >= 1023.95 && unit < 4);
  return `${value.toFixed(1)} ${["KiB", "MiB", "GiB", "TiB", "PiB"][unit]}`;
}
