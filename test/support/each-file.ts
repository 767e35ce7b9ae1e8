import { afterAll, afterEach } from "vitest";
import { endFile, endTest } from "./leftovers.ts";

// Run by vitest before each test file (setupFiles), whichever process that is in.
afterEach(endTest);
afterAll(endFile);
