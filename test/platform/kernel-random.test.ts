import { KernelRandom } from "../../src/platform/index.ts";
import { randomContract } from "../contracts/random.contract.ts";

randomContract("KernelRandom", () => new KernelRandom());
