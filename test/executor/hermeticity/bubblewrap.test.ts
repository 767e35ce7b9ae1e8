import { test } from "vitest";
import { createBubblewrapExecutor } from "../../../src/executor/index.ts";
import { hasBubblewrap, WITHOUT_BUBBLEWRAP } from "../real-executors.ts";
import { hermeticitySuite } from "./hermeticity-suite.ts";

if (hasBubblewrap) hermeticitySuite("bubblewrap", createBubblewrapExecutor);
else test.skip(`bubblewrap${WITHOUT_BUBBLEWRAP}`, () => undefined);
