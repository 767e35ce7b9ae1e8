import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NodeHttpClient } from "../../src/platform/index.ts";

let server: Server;
let address: string;
beforeAll(async () => {
  server = createServer(async (request: IncomingMessage, answer) => {
    if (request.url === "/silent") return;
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    if (request.url === "/moved") answer.writeHead(302, { location: "/elsewhere" });
    answer.end(`${request.method} ${request.headers["x-a"] ?? ""} ${Buffer.concat(chunks)}`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const client = new NodeHttpClient();

test("sends a body of one piece or of many, though their memory is used again", async () => {
  const whole = await client.send(
    { method: "PUT", url: `${address}/x`, headers: { "x-a": "1" }, body: Buffer.from("abc") },
    100,
  );
  expect(whole.status).toBe(200);
  expect(whole.body.toString()).toBe("PUT 1 abc");
  const memory = Buffer.alloc(2);
  async function* pieces() {
    for (const text of ["ab", "cd", "ef"]) {
      memory.write(text);
      yield memory;
    }
  }
  const streamed = await client.send(
    { method: "PATCH", url: `${address}/x`, headers: { "content-length": "6" }, body: pieces() },
    100,
  );
  expect(streamed.body.toString()).toBe("PATCH  abcdef");
});

test("answers a redirect as it is, and keeps no more of a body than asked for", async () => {
  const moved = await client.send({ method: "POST", url: `${address}/moved` }, 4);
  expect(moved).toMatchObject({ status: 302, headers: { location: "/elsewhere" } });
  expect(moved.body.toString()).toBe("POST");
});

test("gives up on one who is silent, who is not there, and when told to", async () => {
  const impatient = new NodeHttpClient({ idleTimeoutMs: 20 });
  await expect(impatient.send({ method: "GET", url: `${address}/silent` }, 1)).rejects.toMatchObject({
    code: "HTTP_UNREACHABLE",
  });
  await expect(client.send({ method: "GET", url: "http://127.0.0.1:1/" }, 1)).rejects.toMatchObject({
    code: "HTTP_UNREACHABLE",
  });
  const stop = new AbortController();
  const waiting = client.send({ method: "GET", url: `${address}/silent` }, 1, stop.signal);
  stop.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("a");
    throw new Error("no more");
  }
  const failing = client.send(
    { method: "PUT", url: `${address}/x`, headers: { "content-length": "9" }, body: broken() },
    1,
  );
  await expect(failing).rejects.toMatchObject({ code: "HTTP_UNREACHABLE" });
});
