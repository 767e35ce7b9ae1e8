import { BegatError } from "../../base/index.ts";
import type { Clock, Log } from "../../ports/index.ts";
import { renewalDueMs } from "./certificate.ts";
import { FarmError } from "./farm-error.ts";
import type { Identity } from "./identity.ts";
import { certificateOfReply, type EnrolCalls } from "./join-farm.ts";
import { makeSigningRequest } from "./signing-request.ts";

/** Between two tries of a renewal that failed. */
export const RENEWAL_RETRY_MS = 60_000;

/** Gets a certificate with a full life for the same key, writes it and hands it to open servers and channels. */
export async function renewCertificate(identity: Identity, calls: Pick<EnrolCalls, "renew">): Promise<void> {
  const reply = await calls.renew({ csrDer: await makeSigningRequest(identity.key, identity.addresses) });
  identity.replaceCertificate(certificateOfReply(reply, identity.authority).der);
}

/**
 * Renews at half of each certificate's life until `signal`. A failure is logged and tried again each minute; only a
 * membership that is over ends it.
 *
 * @throws {FarmError} `FARM_CERTIFICATE_REVOKED`, `FARM_CERTIFICATE_EXPIRED`.
 */
export async function keepRenewed(
  identity: Identity,
  calls: Pick<EnrolCalls, "renew">,
  ports: { readonly clock: Clock; readonly log: Log },
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = ports;
  const sleep = (ms: number) => clock.sleep(ms, signal).catch(() => {});
  while (!signal.aborted) {
    const waitMs = renewalDueMs(identity.certificate) - clock.nowMs();
    if (waitMs > 0) {
      // In pieces, since the wall clock may be set meanwhile.
      await sleep(Math.min(waitMs, 15 * 60_000));
      continue;
    }
    // Another process of the same member may have renewed it.
    if (identity.reload()) continue;
    try {
      await renewCertificate(identity, calls);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof BegatError)) throw error;
      const over = error.code === "FARM_CERTIFICATE_REVOKED" || error.code === "FARM_CERTIFICATE_EXPIRED";
      if (error instanceof FarmError && over) throw error;
      log.warn("the farm certificate could not be renewed", { code: error.code, because: error.message });
      await sleep(RENEWAL_RETRY_MS);
    }
  }
}
