import { connect, type Socket } from "node:net";
import { join } from "node:path/posix";
import { ENGINE, isPrivate } from "./engine-place.ts";
import { decodeAnswer, type EngineAnswer, encodeOrder, FrameReader, type Order } from "./frames.ts";

/** `absent`: nobody listens. `silent`: no answer in time, or none that can be understood. */
export type Exchange = EngineAnswer | { readonly kind: "absent" | "silent" };

/** Gives one order to the engine that listens in `directory`, or to another socket there. Never rejects. */
export function orderEngine(
  directory: string,
  order: Order,
  patienceMs: number,
  name: string = ENGINE,
): Promise<Exchange> {
  if (!isPrivate(directory)) return Promise.resolve({ kind: "absent" });
  return new Promise((resolve) => {
    const reader = new FrameReader();
    const socket: Socket = connect(join(directory, name));
    const end = (exchange: Exchange): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(exchange);
    };
    const timer = setTimeout(() => end({ kind: "silent" }), patienceMs);
    let isConnected = false;
    socket.once("connect", () => {
      isConnected = true;
      socket.write(encodeOrder(order));
    });
    socket.on("data", (bytes) => {
      const frame = reader.feed(bytes);
      if (frame === undefined) return;
      const answer = frame === "broken" ? undefined : decodeAnswer(frame.kind, frame.content);
      end(answer ?? { kind: "silent" });
    });
    socket.once("error", () => end({ kind: isConnected ? "silent" : "absent" }));
    socket.once("close", () => end({ kind: "silent" }));
  });
}
