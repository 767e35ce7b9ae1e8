import fc from "fast-check";
import { expect, test } from "vitest";
import { dataEncoders } from "../../../src/fulcrum-client/index.ts";
import { bytestream } from "../../../src/protocol/index.ts";

const encoderOf = (codec: unknown) => dataEncoders.get(codec) as ((message: unknown) => Buffer) | undefined;
const data = fc.uint8Array({ maxLength: 20_000 });

test("what carries data is encoded as the generated code does", () => {
  const { ReadResponse, WriteRequest } = bytestream;
  const request = fc.record({
    resourceName: fc.string(),
    writeOffset: fc.maxSafeNat(),
    finishWrite: fc.boolean(),
    data,
  });
  fc.assert(
    fc.property(request, (message) => {
      expect(encoderOf(WriteRequest)?.(message)).toEqual(Buffer.from(WriteRequest.encode(message).finish()));
      const response = { data: message.data };
      expect(encoderOf(ReadResponse)?.(response)).toEqual(Buffer.from(ReadResponse.encode(response).finish()));
    }),
  );
});
