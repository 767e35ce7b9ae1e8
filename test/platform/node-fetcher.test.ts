import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NodeFetcher } from "../../src/platform/index.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

const answers: Record<string, RequestListener> = {
  "/file": (_, response) => response.end("the bytes"),
  "/see/other": (_, response) => response.writeHead(302, { location: "../file" }).end(),
  "/loop": (_, response) => response.writeHead(301, { location: "/loop" }).end(),
  "/local": (_, response) => response.writeHead(302, { location: "file:///etc/hostname" }).end(),
  "/odd": (_, response) => response.writeHead(302, { location: "gopher://x/" }).end(),
  "/announced": (_, response) => response.writeHead(200, { "content-length": "1000000" }).write("x"),
  "/endless": (_, response) => {
    const more = () => {
      while (response.write("x".repeat(65_536)));
    };
    response.on("drain", more);
    more();
  },
  "/cut": (_, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("x");
    setImmediate(() => response.destroy());
  },
  "/silent": () => {},
};

describe("NodeFetcher", () => {
  let server: Server;
  let base: string;
  // Server and client share this process: on a busy machine what is not silent may still be slow.
  const fetcher = new NodeFetcher({ idleTimeoutMs: 20_000, redirectLimit: 3 });
  const impatient = new NodeFetcher({ idleTimeoutMs: 200 });
  const scratch = scratchDirectory();

  beforeAll(async () => {
    server = createServer((request, response) => {
      const answer = answers[(request.url ?? "").split("?")[0] as string];
      if (answer) answer(request, response);
      else response.writeHead(404).end("no");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
    scratch.dispose();
  });

  test.each(["/file", "/see/other"])("fetches %s", async (path) => {
    expect(Buffer.from(await fetcher.fetch(base + path, 9)).toString()).toBe("the bytes");
  });

  const refused: readonly (readonly [path: string, code: string, message: string])[] = [
    ["/missing", "FETCH_FAILED", "answered 404 Not Found"],
    ["/loop", "FETCH_FAILED", "was redirected more than 3 times"],
    ["/local", "FETCH_FAILED", "was redirected to a file address"],
    ["/odd", "FETCH_FAILED", "is neither http, https nor file"],
    ["/announced", "FETCH_TOO_LARGE", "is larger than 100000 bytes"],
    ["/endless", "FETCH_TOO_LARGE", "is larger than 100000 bytes"],
    ["/cut", "FETCH_FAILED", "/cut"],
    ["/silent", "FETCH_FAILED", "was silent for 200 ms"],
  ];
  test.each(refused)("refuses %s with %s", async (path, code, message) => {
    const fetched = (path === "/silent" ? impatient : fetcher).fetch(base + path, 100_000);
    await expect(fetched).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test("nobody there is offline, and secrets in an address stay out of messages", async () => {
    const fetched = fetcher.fetch("http://user:secret@127.0.0.1:1/x?token=secret", 10);
    await expect(fetched).rejects.toMatchObject({
      code: "FETCH_OFFLINE",
      message: "cannot fetch http://127.0.0.1:1/x",
    });
  });

  test("cancelling rejects with the reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const fetched = fetcher.fetch(`${base}/silent`, 10, controller.signal);
    setImmediate(() => controller.abort(reason));
    await expect(fetched).rejects.toBe(reason);
  });

  test("file addresses: bytes, too large, no file, nothing there", async () => {
    writeFileSync(`${scratch.path}/a b`, "local");
    mkdirSync(`${scratch.path}/d`);
    const url = (name: string) => pathToFileURL(`${scratch.path}/${name}`).href;
    expect(Buffer.from(await fetcher.fetch(url("a b"), 5)).toString()).toBe("local");
    await expect(fetcher.fetch(url("a b"), 4)).rejects.toMatchObject({ code: "FETCH_TOO_LARGE" });
    await expect(fetcher.fetch(url("d"), 4)).rejects.toMatchObject({ code: "FETCH_FAILED" });
    await expect(fetcher.fetch(url("missing"), 4)).rejects.toMatchObject({ code: "FETCH_FAILED" });
  });

  test("an extra certificate file that is not there is told by name", async () => {
    const strict = new NodeFetcher({ extraCaFile: "/nonexistent.pem" });
    await expect(strict.fetch("https://127.0.0.1:1/", 1)).rejects.toMatchObject({
      message: "cannot read the certificate authorities in /nonexistent.pem",
    });
  });

  const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
  test.skipIf(!hasOpenssl)(
    "https: an unknown authority is refused, the extra file makes it known (needs openssl)",
    async () => {
      const [key, cert] = [`${scratch.path}/key.pem`, `${scratch.path}/cert.pem`];
      const words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test";
      const files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert];
      expect(spawnSync("openssl", [...words.split(" "), ...files]).status).toBe(0);
      const tls = { key: readFileSync(key), cert: readFileSync(cert) };
      const secure = createSecureServer(tls, (request, response) => {
        if (request.url === "/down") response.writeHead(302, { location: `${base}/file` }).end();
        else response.end("secret bytes");
      });
      await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
      const address = `https://127.0.0.1:${(secure.address() as AddressInfo).port}`;
      const trusting = new NodeFetcher({ extraCaFile: cert });
      await expect(fetcher.fetch(`${address}/`, 100)).rejects.toMatchObject({ code: "FETCH_FAILED" });
      expect(Buffer.from(await trusting.fetch(`${address}/`, 100)).toString()).toBe("secret bytes");
      await expect(trusting.fetch(`${address}/down`, 100)).rejects.toThrow("was redirected from https to http");
      secure.closeAllConnections();
      secure.close();
    },
  );
});
