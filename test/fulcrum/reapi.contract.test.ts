import { afterAll, expect, test } from "vitest";
import { digestOf } from "../../src/base/index.ts";
import { NodeClock } from "../../src/platform/index.ts";
import { reapiContract } from "../contracts/reapi.contract.ts";
import { reapiClient, statusOfCall } from "../support/reapi-client.ts";
import { type ReapiEndpoint, reapiEndpoint } from "../support/reapi-endpoint.ts";
import { runCommand } from "../support/run-command.ts";
import { ScriptedRnode } from "../support/scripted-rnode.ts";

// Set by tools/conformance.mjs: a server of somebody's.
const { BEGAT_CONFORMANCE_ADDRESS: address, BEGAT_CONFORMANCE_INSTANCE: instance = "" } = process.env;

const open: ReapiEndpoint[] = [];
const rnodes: ScriptedRnode[] = [];
const beats: NodeJS.Timeout[] = [];
const started = async (
  mayUpdateResults: boolean,
  lead?: Parameters<typeof reapiEndpoint>[0]["lead"],
): Promise<ReapiEndpoint> => {
  const endpoint = await reapiEndpoint({ mayUpdateResults, ...(lead && { lead }) });
  open.push(endpoint);
  return endpoint;
};
afterAll(async () => {
  for (const beat of beats) clearInterval(beat);
  for (const rnode of rnodes) rnode.close();
  for (const endpoint of open) await endpoint.close();
});

if (address !== undefined) {
  reapiContract(address, async () => ({ address, instance }));
} else {
  reapiContract(
    "our server, results by its executors alone",
    async () => ({
      address: (await started(false)).address,
      instance: "",
    }),
    { execution: false, updates: false },
  );
  reapiContract(
    "our server, an instance with slashes, results by anybody",
    async () => ({
      address: (await started(true)).address,
      instance: "team/one",
      otherInstance: "team/two",
    }),
    { execution: false, updates: true },
  );
  reapiContract(
    "our server, executing on an rnode",
    async () => {
      const endpoint = await started(false, { ports: { clock: new NodeClock() } });
      const rnode = new ScriptedRnode("r1", (assign) => runCommand(endpoint.store, assign));
      rnodes.push(rnode);
      beats.push(setInterval(() => rnode.beat(), 3_000));
      await rnode.connect(endpoint.address, { slots: 4 });
      return { address: endpoint.address, instance: "" };
    },
    { execution: true, updates: false },
  );

  test("refuses an instance nobody set up", async () => {
    const { address: at } = await started(true);
    const client = await reapiClient(at, "nobody");
    const blobDigests = [digestOf("x")];
    expect([
      await statusOfCall(client.capabilities()),
      await statusOfCall(client.cas.findMissingBlobs({ instanceName: "nobody", blobDigests, digestFunction: 0 })),
      await statusOfCall(client.download(client.readName(digestOf("x")))),
    ]).toEqual(["INVALID_ARGUMENT", "INVALID_ARGUMENT", "INVALID_ARGUMENT"]);
    client.channel.close();
  });
}
