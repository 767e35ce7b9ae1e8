import { NodeClock } from "../../src/platform/index.ts";
import { clockContract } from "../contracts/clock.contract.ts";

clockContract("NodeClock", () => ({ clock: new NodeClock(), pass: async () => {} }));
