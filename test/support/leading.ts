import { afterEach } from "vitest";
import { ExecutionClient } from "./execution-client.ts";
import { type Leading, type ReapiEndpoint, reapiEndpoint } from "./reapi-endpoint.ts";
import { ScriptedRnode } from "./scripted-rnode.ts";

/** A leader with a client and scripted rnodes. All of it ends with the test. */
export interface LeadingFarm {
  readonly endpoint: ReapiEndpoint;
  readonly client: ExecutionClient;
  rnode(name: string, hello?: Parameters<ScriptedRnode["connect"]>[1]): Promise<ScriptedRnode>;
}

const open: { close(): unknown }[] = [];

/** To be called once in a test file. */
export function endFarmsAfterEach(): void {
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close();
  });
}

export async function leadingFarm(lead: Leading = {}, over?: ReapiEndpoint): Promise<LeadingFarm> {
  const endpoint = await reapiEndpoint({ mayUpdateResults: false, lead, ...(over && { over }) });
  open.push(endpoint);
  const client = await ExecutionClient.open(endpoint.address);
  open.push(client);
  return {
    endpoint,
    client,
    async rnode(name, hello) {
      const rnode = new ScriptedRnode(name);
      open.push(rnode);
      await rnode.connect(endpoint.address, hello);
      return rnode;
    },
  };
}
