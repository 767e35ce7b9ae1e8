import { existsSync } from "node:fs";
import { afterAll, expect } from "vitest";
import { nativeProgram } from "../support/native-program.ts";
import { endSharedEngine, sharedEngineStatus } from "../support/shared-engine.ts";

// With a warm engine that answers whatever has nothing to do; begat alone then has to say the same.
if (nativeProgram("begat-change-feed") !== undefined && existsSync("/proc/self/ns/mnt")) {
  process.env.BEGAT_E2E_DAEMON = "1";
  afterAll(async () => {
    const status = await sharedEngineStatus();
    endSharedEngine();
    // Else these tests would say nothing about it.
    expect(status?.answered).toBeGreaterThan(5);
  });
}
await import("./incremental-suite.ts");
