// Verifies a proof as `begat verify` does, without what starting a process takes: the first time, and then again and again.
//
//   verify-proof <proof> <artifact> <policy> <times>    prints {"firstMs":...,"againMs":[...]}

import { readFileSync } from "node:fs";
import { argv, stdout } from "node:process";
import { digestOf } from "../../src/base/index.ts";
import { nodeProofCrypto, readPolicy, verifyProof } from "../../src/provenance/index.ts";

const [proof = "", artifact = "", policy = "", times = "1"] = argv.slice(2);

async function verify(): Promise<number> {
  const begin = performance.now();
  const read = readPolicy(readFileSync(policy, "utf8"));
  if (!read.ok) throw new Error(JSON.stringify(read));
  const verdict = await verifyProof({
    proof: readFileSync(proof),
    artifact: digestOf(readFileSync(artifact)).hash,
    policy: read.policy,
    crypto: nodeProofCrypto,
  });
  if (verdict.verdict !== "holds") throw new Error(JSON.stringify(verdict));
  return performance.now() - begin;
}

const firstMs = await verify();
const againMs: number[] = [];
for (let i = 0; i < Number(times); i++) againMs.push(await verify());
stdout.write(`${JSON.stringify({ firstMs, againMs })}\n`);
