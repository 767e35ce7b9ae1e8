import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { FulcrumError } from "./fulcrum-error.ts";
import { metricsText } from "./metrics.ts";
import { statusPage } from "./status-page.ts";
import type { FulcrumView } from "./view.ts";

export interface RunningStatusServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Names of this machine to itself: the page says what runs and for whom, and asks nobody who he is. */
const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);

/**
 * The page at `/`, metrics at `/metrics`, `/status.json` with both.
 *
 * @throws {FulcrumError} `FULCRUM_STATUS_EXPOSED` for an address that others can reach, `FULCRUM_ADDRESS_TAKEN`.
 */
export async function startStatusServer(
  address: { readonly host: string; readonly port: number },
  view: () => Promise<Omit<FulcrumView, "residentBytes">>,
): Promise<RunningStatusServer> {
  const { host, port } = address;
  if (!LOOPBACK.has(host)) {
    throw new FulcrumError(
      "FULCRUM_STATUS_EXPOSED",
      `the status page is not shown at ${host}, which others can reach`,
      {
        hint: "give it an address of the loopback interface, 127.0.0.1:PORT, and a proxy of your own before it",
      },
    );
  }
  const whole = async (): Promise<FulcrumView> => ({ ...(await view()), residentBytes: process.memoryUsage.rss() });
  const pages: Readonly<Record<string, readonly [type: string, text: (view: FulcrumView) => string]>> = {
    "/": ["text/html; charset=utf-8", statusPage],
    "/metrics": ["text/plain; version=0.0.4; charset=utf-8", metricsText],
    "/status.json": ["application/json", (found) => `${JSON.stringify(found)}\n`],
  };
  const server = createServer((request, response) => {
    const found = pages[(request.url ?? "").replace(/\?.*/, "")];
    // A page of elsewhere must not read this one by a name of its own for 127.0.0.1.
    const asked = (request.headers.host ?? "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
    if (!LOOPBACK.has(asked)) return void response.writeHead(421).end("ask for localhost\n");
    if (found === undefined) return void response.writeHead(404).end("there is /, /metrics and /status.json\n");
    if (request.method !== "GET" && request.method !== "HEAD") return void response.writeHead(405).end();
    const [type, text] = found;
    whole().then(
      (now) => response.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(text(now)),
      (error: unknown) => response.writeHead(500).end(`${String(error)}\n`),
    );
  });
  await listening(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new FulcrumError("FULCRUM_ADDRESS_TAKEN", `cannot listen at ${host}, port ${port}`, { cause })),
    );
    server.listen(port, host, resolve);
  });
}
