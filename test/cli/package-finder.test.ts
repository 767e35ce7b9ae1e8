import { expect, test } from "vitest";
import { ownersIn } from "../../src/cli/wiring/package-finder.ts";

test.each([
  ["coreutils: /bin/ls", [{ path: "/bin/ls", name: "coreutils" }]],
  ["zlib1g-dev:amd64: /usr/include/zlib.h", [{ path: "/usr/include/zlib.h", name: "zlib1g-dev" }]],
  ["gcc, cpp: /usr/share/doc", [{ path: "/usr/share/doc", name: "gcc" }]],
  ["diversion by dash from: /bin/sh", []],
  ["dpkg-query: no path found matching pattern /usr/bin/ls", []],
  ["", []],
])("who has a file: %s", (line, owners) => expect(ownersIn(line)).toEqual(owners));
