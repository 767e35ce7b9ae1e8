import type * as Grpc from "@grpc/grpc-js";
import { codeOf } from "../../base/index.ts";
import { CODE_KEY, DETAILS_KEY, statusOf } from "../../fulcrum-client/index.ts";
import { rpc } from "../../protocol/index.ts";
import { type CallContext, callContext } from "./call-context.ts";

/** What the four kinds of grpc-js's calls have in common. */
export type ServerCall = Pick<
  Grpc.ServerUnaryCall<unknown, unknown>,
  "metadata" | "cancelled" | "getPeer" | "getDeadline" | "getAuthContext"
> & {
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
};

/** Told of a failure that is begat's own and not the caller's; the caller hears it too. */
export type ReportFailure = (error: unknown, method: string) => void;

/** The four kinds of handler of grpc-js around promises and async iterables. */
export function serverCalls(grpc: typeof Grpc, report: ReportFailure) {
  const serviceError = (error: unknown, method: string): Partial<Grpc.StatusObject> & Error => {
    const status = statusOf(error);
    if (status.code === grpc.status.INTERNAL || status.code === grpc.status.UNKNOWN) report(error, method);
    const metadata = new grpc.Metadata();
    if (status.details.length > 0) metadata.set(DETAILS_KEY, Buffer.from(rpc.Status.encode(status).finish()));
    const code = codeOf(error);
    if (code !== undefined) metadata.set(CODE_KEY, code);
    return Object.assign(new Error(status.message), { code: status.code, details: status.message, metadata });
  };

  /** A context whose signal follows the call, and how to let go of the call. Most calls end without a look at the signal. */
  const during = (call: ServerCall) => {
    let controller: AbortController | undefined;
    let isGone = false;
    const cancelled = () => {
      isGone = true;
      controller?.abort(new Error("the caller has cancelled the call"));
    };
    call.on("cancelled", cancelled);
    if (call.cancelled) cancelled();
    const signal = (): AbortSignal => {
      if (controller === undefined) {
        controller = new AbortController();
        if (isGone) cancelled();
      }
      return controller.signal;
    };
    const context = callContext(call, signal);
    return { context, isGone: () => isGone, release: () => void call.off("cancelled", cancelled) };
  };

  /** Until the caller takes more, or is gone. */
  const drained = (call: ServerCall): Promise<void> =>
    new Promise((resolve) => {
      const done = () => {
        call.off("drain", done);
        call.off("cancelled", done);
        resolve();
      };
      call.on("drain", done);
      call.on("cancelled", done);
    });

  /** Sends what `responses` gives, no faster than the caller takes it; ends early when the caller is gone. */
  const send = async (
    call: Grpc.ServerWritableStream<unknown, unknown> | Grpc.ServerDuplexStream<unknown, unknown>,
    method: string,
    start: (context: CallContext) => AsyncIterable<unknown>,
  ): Promise<void> => {
    const { context, isGone, release } = during(call);
    // A stream that breaks under a write is an event of its own; `cancelled` comes with it.
    call.on("error", () => {});
    try {
      for await (const response of start(context)) {
        if (isGone()) return;
        if (!call.write(response) && !isGone()) await drained(call);
        if (isGone()) return;
      }
      call.end();
    } catch (error) {
      if (!isGone()) call.emit("error", serviceError(error, method));
    } finally {
      release();
    }
  };

  /** Requests one after another; leaving early neither destroys the call nor leaves its sender waiting. */
  async function* received(
    call: Grpc.ServerReadableStream<unknown, unknown> | Grpc.ServerDuplexStream<unknown, unknown>,
  ): AsyncGenerator<unknown, void> {
    try {
      for await (const request of call.iterator({ destroyOnReturn: false })) yield request;
    } finally {
      call.resume();
    }
  }

  return {
    unary:
      (method: string, handle: (request: unknown, context: CallContext) => Promise<unknown>) =>
      (call: Grpc.ServerUnaryCall<unknown, unknown>, answer: Grpc.sendUnaryData<unknown>): void => {
        const { context, release } = during(call);
        // In a promise from the start, so that a handler that throws at once is answered too.
        Promise.resolve()
          .then(() => handle(call.request, context))
          .finally(release)
          .then(
            (response) => answer(null, response),
            (error) => answer(serviceError(error, method)),
          );
      },
    download:
      (method: string, handle: (request: unknown, context: CallContext) => AsyncIterable<unknown>) =>
      (call: Grpc.ServerWritableStream<unknown, unknown>): void => {
        void send(call, method, (context) => handle(call.request, context));
      },
    upload:
      (method: string, handle: (requests: AsyncIterable<unknown>, context: CallContext) => Promise<unknown>) =>
      (call: Grpc.ServerReadableStream<unknown, unknown>, answer: Grpc.sendUnaryData<unknown>): void => {
        const { context, release } = during(call);
        call.on("error", () => {});
        Promise.resolve()
          .then(() => handle(received(call), context))
          .finally(release)
          .then(
            (response) => answer(null, response),
            (error) => answer(serviceError(error, method)),
          );
      },
    bidi:
      (method: string, handle: (requests: AsyncIterable<unknown>, context: CallContext) => AsyncIterable<unknown>) =>
      (call: Grpc.ServerDuplexStream<unknown, unknown>): void => {
        void send(call, method, (context) => handle(received(call), context));
      },
  };
}
