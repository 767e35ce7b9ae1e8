import { BegatError } from "../../base/index.ts";
import type { Host } from "../host.ts";
import type { Services } from "../services.ts";

export class WiringError extends BegatError<"SERVICES_ABSENT"> {}

/** Puts the rooms together for one command. */
export async function openServices(_host: Host): Promise<Services> {
  throw new WiringError("SERVICES_ABSENT", "this begat was put together without its engine");
}
