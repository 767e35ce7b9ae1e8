import { connect, type DetailedPeerCertificate } from "node:tls";

/**
 * The certificates the TLS server at `host`:`port` shows, leaf first, in DER. None of them is believed: that is for
 * the caller, who may know one of them otherwise. Nothing is sent after the handshake.
 *
 * @throws the socket's error, or one that says that the server kept silent for `timeoutMs`.
 */
export function presentedChain(host: string, port: number, timeoutMs = 10_000): Promise<readonly Buffer[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no TLS handshake within ${timeoutMs / 1000} s`)));
    socket.once("error", reject);
    // Also where it ends without saying why.
    socket.once("close", () => reject(new Error("the connection was closed in the TLS handshake")));
    socket.once("secureConnect", () => {
      const chain: Buffer[] = [];
      let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
      // The end of a chain is its own issuer.
      while (next?.raw !== undefined && !chain.some((der) => der.equals(next?.raw ?? der))) {
        chain.push(next.raw);
        next = next.issuerCertificate;
      }
      socket.destroy();
      resolve(chain);
    });
  });
}
