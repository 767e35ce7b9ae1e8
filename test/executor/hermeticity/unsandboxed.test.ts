import { hermeticitySuite } from "./hermeticity-suite.ts";

hermeticitySuite("no sandbox");
