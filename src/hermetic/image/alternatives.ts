import type { SuggestedLink } from "./listing.ts";

/**
 * The links that a postinst would have made through update-alternatives, by their main link: `/usr/bin/cc` to
 * `/usr/bin/gcc`. Only what is written out is found; a name put together by the shell is not.
 *
 * @see update-alternatives(1)
 */
export function suggestedLinks(script: string): readonly SuggestedLink[] {
  const found = new Map<string, SuggestedLink>();
  const lines = script.replace(/\\\n/g, " ").split("\n");
  for (const line of lines) {
    if (/^\s*#/.test(line)) continue;
    for (const match of line.matchAll(/update-alternatives\b[^;&|]*?--install\s+(\S+)\s+(\S+)\s+(\S+)/g)) {
      const [, place = "", , target = ""] = match.map((word) => word.replace(/^["']|["']$/g, ""));
      if (/^\/[\w./+@-]+$/.test(place) && /^\/[\w./+@-]+$/.test(target)) found.set(place, { place, target });
    }
    for (const match of line.matchAll(/--slave\s+(\S+)\s+(\S+)\s+(\S+)/g)) {
      const [, place = "", , target = ""] = match.map((word) => word.replace(/^["']|["']$/g, ""));
      // Manual pages are no gap anybody runs into.
      if (/^\/[\w./+@-]+$/.test(place) && /^\/[\w./+@-]+$/.test(target) && !place.includes("/man/")) {
        found.set(place, { place, target });
      }
    }
  }
  return [...found.values()];
}
