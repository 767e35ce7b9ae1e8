import { test } from "vitest";
import { createSpawnServerExecutor, hasSpawnServer } from "../real-executors.ts";
import { hermeticitySuite } from "./hermeticity-suite.ts";

// Where it cannot be built there is nothing to try.
if (hasSpawnServer) hermeticitySuite("server", createSpawnServerExecutor);
else test.skip("server is not on this machine", () => undefined);
