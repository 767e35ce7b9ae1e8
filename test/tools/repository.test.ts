import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

interface Lock {
  readonly packages: Record<string, { optionalDependencies?: Record<string, string>; dev?: boolean }>;
}

const { missingEntries, platformOf } = (await import(
  new URL("../../tools/complete-lock.mjs", import.meta.url).href
)) as {
  missingEntries(lock: Lock): Map<string, unknown>;
  platformOf(name: string): unknown;
};
const file = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");

test("every rule about the repository catches a planted violation", () => {
  const script = new URL("../../tools/check-layers.mjs", import.meta.url);
  const said = execFileSync(process.execPath, [script.pathname, "--self-test"], { encoding: "utf8" });
  const [, planted, found] =
    /^layers self-test: (\d+) violations planted, (\d+) found as they should be\n$/.exec(said) ?? [];
  expect(Number(planted)).toBeGreaterThan(40);
  expect(found).toBe(planted);
});

describe("the lock", () => {
  const lock = JSON.parse(file("package-lock.json")) as Lock;

  test("has an entry for every optional package, or npm ci would refuse it", () => {
    expect([...missingEntries(lock).keys()]).toEqual([]);
  });

  test("pins every direct dependency as package.json does, exactly", () => {
    const { dependencies, devDependencies } = JSON.parse(file("package.json")) as Record<
      string,
      Record<string, string>
    >;
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
      expect(lock.packages[`node_modules/${name}`], name).toMatchObject({ version });
    }
  });

  test("an optional package without an entry is found, with its platform", () => {
    const made: Lock = {
      packages: {
        "": {},
        "node_modules/a": {
          dev: true,
          optionalDependencies: { "@a/linux-x64-musl": "1.2.3", "@a/darwin-arm64": "1.2.3" },
        },
        "node_modules/@a/darwin-arm64": {},
      },
    };
    expect([...missingEntries(made)]).toEqual([
      [
        "node_modules/@a/linux-x64-musl",
        { version: "1.2.3", cpu: ["x64"], dev: true, libc: ["musl"], optional: true, os: ["linux"] },
      ],
    ]);
  });
});

test.each([
  ["@biomejs/cli-win32-arm64", { cpu: ["arm64"], os: ["win32"] }],
  ["@biomejs/cli-linux-x64-musl", { cpu: ["x64"], os: ["linux"], libc: ["musl"] }],
  ["@bufbuild/buf-linux-armv7", { cpu: ["arm"], os: ["linux"] }],
  ["lightningcss-linux-x64-gnu", { cpu: ["x64"], os: ["linux"], libc: ["glibc"] }],
  ["fsevents", {}],
])("the platform of %s", (name, platform) => {
  expect(platformOf(name)).toEqual(platform);
});
