import { type Digest, parseSha256 } from "../../base/index.ts";
import { RpcError } from "../../fulcrum-client/index.ts";
import { reapi } from "../../protocol/index.ts";

/** Which instance names a server answers to. They may be empty or hold slashes. */
export interface InstanceNames {
  accepts(name: string): boolean;
}

const refused = (message: string): RpcError => new RpcError("INVALID_ARGUMENT", message);

/** INVALID_ARGUMENT rather than NOT_FOUND: to a client the latter is a miss, and a wrong name would never be noticed. */
export function checkInstance(instances: InstanceNames, name: string): void {
  if (!instances.accepts(name)) throw refused(`there is no instance named ${JSON.stringify(name)}`);
}

/** Left out it is SHA-256, told from the length of the hash. */
export function checkDigestFunction(value: reapi.DigestFunction_Value): void {
  if (value === reapi.DigestFunction_Value.UNKNOWN || value === reapi.DigestFunction_Value.SHA256) return;
  const name =
    Object.entries(reapi.DigestFunction_Value).find(([, number]) => number === value)?.[0] ?? `number ${value}`;
  throw refused(`digest function ${name} is not spoken, only SHA256`);
}

/** @throws {RpcError} `RPC_INVALID_ARGUMENT`; `what` says whose digest it is. */
export function digestFrom(wire: reapi.Digest | undefined, what: string): Digest {
  const hash = parseSha256(wire?.hash);
  if (wire === undefined || hash === undefined) {
    throw refused(`${what} has no SHA-256 digest but ${JSON.stringify(wire?.hash ?? "")}`);
  }
  if (!Number.isSafeInteger(wire.sizeBytes) || wire.sizeBytes < 0) {
    throw refused(`${what} has a size of ${wire.sizeBytes} bytes`);
  }
  return { hash, sizeBytes: wire.sizeBytes };
}
