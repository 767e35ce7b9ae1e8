import { test } from "vitest";
import { createBubblewrapExecutor } from "../../../src/executor/index.ts";
import { hasBubblewrap } from "../real-executors.ts";
import { hermeticitySuite } from "./hermeticity-suite.ts";

// Where it is not installed there is nothing to try.
if (hasBubblewrap) hermeticitySuite("bubblewrap", createBubblewrapExecutor);
else test.skip("bubblewrap is not on this machine", () => undefined);
