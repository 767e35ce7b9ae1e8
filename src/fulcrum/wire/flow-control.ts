import type { Http2Server, ServerHttp2Session } from "node:http2";

/**
 * Widens the HTTP/2 window of every connection that `server` takes: with Node's 64 KiB an upload waits for a word of
 * ours every quarter of a message. grpc-js has an option for that on channels and none on servers, so its own HTTP/2
 * servers are looked for; where another version keeps them elsewhere, uploads are slower and nothing else.
 */
export function widenWindows(server: object, windowBytes: number): void {
  const { http2Servers } = server as { readonly http2Servers?: unknown };
  if (!(http2Servers instanceof Map)) return;
  for (const http2Server of http2Servers.keys() as IterableIterator<Http2Server>) {
    http2Server.on("session", (session: ServerHttp2Session) => {
      session.settings({ initialWindowSize: windowBytes });
      session.setLocalWindowSize(windowBytes);
    });
  }
}
