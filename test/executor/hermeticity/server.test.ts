import { test } from "vitest";
import { WITHOUT_COMPILER } from "../../support/native-program.ts";
import { createSpawnServerExecutor, hasSpawnServer } from "../real-executors.ts";
import { hermeticitySuite } from "./hermeticity-suite.ts";

if (hasSpawnServer) hermeticitySuite("server", createSpawnServerExecutor);
else test.skip(`server${WITHOUT_COMPILER}`, () => undefined);
