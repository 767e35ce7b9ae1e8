import { existsSync } from "node:fs";
import { afterAll, expect } from "vitest";
import { HAS_COMPILER, nativeProgram } from "../../support/native-program.ts";
import { buildsAlone, endSharedEngine, sharedEngineStatus } from "../../support/shared-engine.ts";

// The same tests once more, with a builder for each checkout that builds whatever there is to do.
if (HAS_COMPILER && nativeProgram("begat-change-feed") !== undefined && existsSync("/proc/self/ns/mnt")) {
  process.env.BEGAT_E2E_DAEMON = "builder";
  afterAll(async () => {
    const handed = (await sharedEngineStatus())?.handed ?? 0;
    const alone = buildsAlone();
    endSharedEngine();
    // Else these tests would say nothing about it: what a builder declines, Node does.
    expect(handed - alone).toBeGreaterThan(40);
  });
}
await import("../incremental-suite.ts");
