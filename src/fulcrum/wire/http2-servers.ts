import type { Http2Server, ServerHttp2Session } from "node:http2";
import type { TLSSocket } from "node:tls";

/**
 * Makes of grpc-js's own HTTP/2 servers what its options do not offer; where another version keeps them elsewhere, calls are
 * slower and nothing else.
 */
export function quicken(server: object, windowBytes: number): void {
  const { http2Servers } = server as { readonly http2Servers?: unknown };
  if (!(http2Servers instanceof Map)) return;
  for (const http2Server of http2Servers.keys() as IterableIterator<Http2Server>) {
    // With Node's window of 64 KiB an upload waits for a word of ours every quarter of a message.
    http2Server.on("session", (session: ServerHttp2Session) => {
      session.settings({ initialWindowSize: windowBytes });
      session.setLocalWindowSize(windowBytes);
    });
    http2Server.on("secureConnection", rememberCertificate);
  }
}

/**
 * A peer shows one certificate, in the handshake; TLS 1.3 knows no second one. Each call asks for it, and Node decodes
 * it anew each time: 0.3 ms.
 */
function rememberCertificate(socket: TLSSocket): void {
  if (socket.getProtocol() !== "TLSv1.3") return;
  const { getPeerCertificate } = socket;
  let shown: ReturnType<TLSSocket["getPeerCertificate"]> | undefined;
  socket.getPeerCertificate = ((detailed?: boolean) => {
    if (detailed === true) return getPeerCertificate.call(socket, true);
    shown ??= getPeerCertificate.call(socket);
    return shown;
  }) as TLSSocket["getPeerCertificate"];
}
