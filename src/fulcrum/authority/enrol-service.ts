import { farm } from "../../protocol/index.ts";
import { type BoundService, bindService, type CallContext } from "../wire/index.ts";
import type { EnrolCaller, EnrolHandlers } from "./enrol-handlers.ts";

/** `radix.farm.v1.Enrol` for a server. */
export function enrolService(handlers: EnrolHandlers): BoundService {
  return bindService(farm.EnrolDefinition, {
    join: (request, context) => handlers.join(request, callerOf(context)),
    renew: (request, context) => handlers.renew(request, callerOf(context)),
    authority: () => Promise.resolve(handlers.authority()),
  });
}

function callerOf({ peer, certificate }: CallContext): EnrolCaller {
  return { address: peer.replace(/:\d+$/, ""), certificate };
}
