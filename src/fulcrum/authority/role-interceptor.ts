import type { ServerInterceptor } from "@grpc/grpc-js";
import { CODE_KEY, FarmError, loadGrpc, statusOf } from "../../fulcrum-client/index.ts";
import type { Admission, Gate, ShownCertificate } from "./admission.ts";

/** The part of grpc-js's innermost call that its interface does not show: needed for reasons, never to let in. */
interface InnerCall {
  readonly stream?: {
    readonly session?: { readonly socket?: { getPeerCertificate?(): { readonly raw?: Buffer } | null } };
  };
}

/** Puts the gate before every method of a server: at the start of a call, and of a stream at each message it gets. */
export async function roleInterceptor(gate: Gate): Promise<ServerInterceptor> {
  const grpc = await loadGrpc();
  const statusFor = (refused: Extract<Admission, { admitted: false }>) => {
    const { code, message } = statusOf(new FarmError(refused.code, refused.because));
    const metadata = new grpc.Metadata();
    metadata.set(CODE_KEY, refused.code);
    return { code, details: message, metadata };
  };
  /** Never throws: a gate that cannot say yes says no. */
  const asked = (ask: () => Admission): Admission => {
    try {
      return ask();
    } catch (error) {
      if (error instanceof FarmError) return { admitted: false, code: error.code, because: error.message };
      return { admitted: false, code: "FARM_STATE_MALFORMED", because: "the leader cannot check certificates" };
    }
  };
  return (method, call) => {
    let admission: Admission | undefined;
    return new grpc.ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata(metadata, forward) {
            admission = asked(() => gate.admit(method.path, shownBy(call)));
            if (admission.admitted) forward(metadata);
            else call.sendStatus(statusFor(admission));
          },
          onReceiveMessage(message, forward) {
            const before = admission;
            if (before === undefined || !before.admitted) return;
            admission = asked(() => gate.mayGoOn(before));
            if (admission.admitted) forward(message);
            else call.sendStatus(statusFor(admission));
          },
          onReceiveHalfClose(forward) {
            if (admission?.admitted) forward();
          },
        }),
    });
  };
}

function shownBy(call: Parameters<ServerInterceptor>[1]): ShownCertificate | undefined {
  const accepted = call.getAuthContext().sslPeerCertificate?.raw;
  if (accepted !== undefined) return { der: accepted, accepted: true };
  // What TLS did not accept is not in the auth context; here it only explains what was wrong with it.
  const der = (call as unknown as InnerCall).stream?.session?.socket?.getPeerCertificate?.()?.raw;
  return der === undefined ? undefined : { der, accepted: false };
}
