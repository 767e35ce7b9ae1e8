// Asks a server of the Remote Execution API whether it keeps the API's promises, in raw gRPC calls.
//
//   npm run conformance -- grpc://HOST:PORT [--instance NAME]
//
// Plain text only. It brings blobs, and action results where the server takes them: use a server for trying things.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { instance: { type: "string", default: "" } },
});
const address = /^(?:grpc:\/\/)?([^/]+:\d+)\/?$/.exec(positionals[0] ?? "")?.[1];
if (address === undefined || positionals.length !== 1) {
  console.error("usage: npm run conformance -- grpc://HOST:PORT [--instance NAME]");
  process.exit(2);
}
const root = fileURLToPath(new URL("..", import.meta.url));
const { status } = spawnSync("npx", ["vitest", "run", "test/fulcrum/reapi.contract.test.ts", "--reporter=verbose"], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, BEGAT_CONFORMANCE_ADDRESS: address, BEGAT_CONFORMANCE_INSTANCE: values.instance },
});
process.exit(status ?? 1);
