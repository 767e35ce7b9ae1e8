import { expect, test } from "vitest";
import { userDirectories } from "../../src/platform/index.ts";

const table: readonly (readonly [string, Record<string, string>, string, string])[] = [
  ["nothing but a home", { HOME: "/h" }, "/h/.local/state/begat", "/h/.cache/begat"],
  ["XDG", { HOME: "/h", XDG_STATE_HOME: "/s", XDG_CACHE_HOME: "/c" }, "/s/begat", "/c/begat"],
  ["relative XDG is ignored", { HOME: "/h", XDG_STATE_HOME: "s" }, "/h/.local/state/begat", "/h/.cache/begat"],
  ["begat's own win", { HOME: "/h", XDG_CACHE_HOME: "/c", BEGAT_CACHE_HOME: "/b/" }, "/h/.local/state/begat", "/b/"],
  [
    "empty is unset",
    { HOME: "/h", BEGAT_STATE_HOME: "", XDG_STATE_HOME: "" },
    "/h/.local/state/begat",
    "/h/.cache/begat",
  ],
  ["begat's own need no home", { BEGAT_STATE_HOME: "/s/./t", BEGAT_CACHE_HOME: "/c" }, "/s/t", "/c"],
];

test.each(table)("%s", (_, env, stateHome, cacheHome) => {
  expect(userDirectories(env)).toEqual({ stateHome, cacheHome: cacheHome.replace(/\/$/, "") });
});

test("a relative directory of begat's own is refused", () => {
  expect(() => userDirectories({ HOME: "/h", BEGAT_CACHE_HOME: "cache" })).toThrow(
    expect.objectContaining({
      code: "DIRECTORY_NOT_ABSOLUTE",
      message: 'BEGAT_CACHE_HOME is "cache", a relative path',
    }),
  );
});
