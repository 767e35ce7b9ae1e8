import { randomUUID } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf } from "../../../src/base/index.ts";
import { NodeFileTree } from "../../../src/platform/index.ts";
import { health, reflection, reflectionV1alpha } from "../../../src/protocol/index.ts";
import { type ReapiClient, reapiClient, statusOfCall, writeRequests } from "../../support/reapi-client.ts";
import { type ReapiEndpoint, reapiEndpoint } from "../../support/reapi-endpoint.ts";

describe("our server", () => {
  let endpoint: ReapiEndpoint;
  let client: ReapiClient;
  beforeEach(async () => {
    endpoint = await reapiEndpoint({ mayUpdateResults: false });
    client = await reapiClient(endpoint.address, "main");
  });
  afterEach(async () => {
    client.channel.close();
    await endpoint.close();
  });

  const bytes = Buffer.alloc(900_000, "begat");
  const digest = digestOf(bytes);

  test("keeps what a caller brought who broke off, and takes the rest", async () => {
    const name = client.writeName(digest, randomUUID());
    const controller = new AbortController();
    async function* breakingOff() {
      let sent = 0;
      for await (const request of writeRequests(name, bytes)) {
        if (sent >= 300_000) {
          // Until the server has what was sent; then the connection breaks under it.
          while ((await client.bytes.queryWriteStatus({ resourceName: name })).committedSize < sent) await turn();
          controller.abort(new Error("gone"));
          return;
        }
        yield request;
        sent += request.data.length;
      }
    }
    await expect(client.bytes.write(breakingOff(), { signal: controller.signal })).rejects.toThrow("gone");
    const { committedSize } = await client.bytes.queryWriteStatus({ resourceName: name });
    expect(committedSize).toBe(327_680);
    let status = "";
    // ABORTED for as long as the server has not noticed.
    for (status = "ABORTED"; status === "ABORTED"; await turn()) {
      status = await statusOfCall(client.bytes.write(writeRequests(name, bytes, { from: committedSize })));
    }
    expect([status, endpoint.store.has(digest)]).toEqual(["OK", true]);
  });

  test("forgets an upload that was left alone for ten minutes", async () => {
    const name = client.writeName(digest, "left");
    await client.bytes.write(writeRequests(name, bytes.subarray(0, 100_000), { finish: false }));
    await endpoint.clock.advance(10 * 60 * 1000 + 1);
    await client.bytes.write(writeRequests(client.writeName(digestOf("x"), "other"), Buffer.from("x")));
    expect(await client.bytes.queryWriteStatus({ resourceName: name })).toEqual({ committedSize: 0, complete: false });
  });

  test("lets an upload start anew", async () => {
    const name = client.writeName(digest, "anew");
    await client.bytes.write(writeRequests(name, Buffer.alloc(100_000, "wrong"), { finish: false }));
    expect(await client.bytes.write(writeRequests(name, bytes))).toEqual({ committedSize: bytes.length });
  });

  test("sets a blob aside that is corrupt on its disk, and takes it again", async () => {
    await client.bytes.write(writeRequests(client.writeName(digest, "1"), bytes));
    new NodeFileTree().replaceFile(endpoint.store.layout.blob(digest.hash), Buffer.alloc(bytes.length), {
      mode: 0o444,
    });
    const again = await reapiEndpoint({ mayUpdateResults: false, over: endpoint });
    const other = await reapiClient(again.address, "main");
    expect(await statusOfCall(other.download(other.readName(digest)))).toBe("NOT_FOUND");
    await other.bytes.write(writeRequests(other.writeName(digest, "2"), bytes));
    expect((await other.download(other.readName(digest))).equals(bytes)).toBe(true);
    other.channel.close();
    await again.close();
  });

  test("says how fit it is, and tells who watches of each change", async () => {
    const calls = client.channel.client(health.HealthDefinition);
    expect(await calls.check({ service: "" })).toEqual({ status: 1 });
    expect(await calls.check({ service: "google.bytestream.ByteStream" })).toEqual({ status: 1 });
    expect(await statusOfCall(calls.check({ service: "nothing" }))).toBe("NOT_FOUND");
    const watch = calls.watch({ service: "" });
    expect((await watch.next()).value).toEqual({ status: 1 });
    endpoint.health.set("", false);
    expect((await watch.next()).value).toEqual({ status: 2 });
    await watch.return();
  });

  for (const { ServerReflectionDefinition: definition } of [reflection, reflectionV1alpha]) {
    test(`tells what it speaks by ${definition.fullName}`, async () => {
      async function* questions() {
        for (const messageRequest of [
          { $case: "listServices", value: "" },
          { $case: "fileContainingSymbol", value: "google.bytestream.ByteStream.Write" },
          { $case: "fileByFilename", value: "remote-execution.proto" },
          { $case: "fileContainingSymbol", value: "nothing.Here" },
        ] as const) {
          yield reflection.ServerReflectionRequest.create({ messageRequest });
        }
      }
      const answers: string[] = [];
      for await (const { messageResponse } of client.channel.client(definition).serverReflectionInfo(questions())) {
        if (messageResponse?.$case === "listServicesResponse") {
          answers.push(messageResponse.value.service.map(({ name }) => name).join(" "));
        } else if (messageResponse?.$case === "fileDescriptorResponse") {
          answers.push(`${messageResponse.value.fileDescriptorProto.length} files`);
        } else if (messageResponse?.$case === "errorResponse") answers.push(messageResponse.value.errorMessage);
      }
      expect(answers).toEqual([
        [
          "build.bazel.remote.execution.v2.ActionCache",
          "build.bazel.remote.execution.v2.Capabilities",
          "build.bazel.remote.execution.v2.ContentAddressableStorage",
          "google.bytestream.ByteStream",
          "grpc.health.v1.Health",
          "grpc.reflection.v1.ServerReflection",
          "grpc.reflection.v1alpha.ServerReflection",
        ].join(" "),
        "1 files",
        "10 files",
        "symbol nothing.Here is not known",
      ]);
    });
  }
});
