import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canonicalJson, type Digest, digestOf, sha256 } from "../../../src/base/index.ts";
import { signedTrust } from "../../../src/fulcrum/index.ts";
import { travailContext } from "../../../src/fulcrum-client/index.ts";
import { farm, reapi } from "../../../src/protocol/index.ts";
import {
  type ExecBody,
  provePossession,
  type Signer,
  signExecution,
  signerFromSeed,
  travailBytes,
} from "../../../src/provenance/index.ts";
import { ExecutionClient } from "../../support/execution-client.ts";
import { TestFarm } from "../../support/farm.ts";
import { type ReapiEndpoint, reapiEndpoint } from "../../support/reapi-endpoint.ts";
import { type ChoreSketch, sketchChore } from "../../support/recorded-chore.ts";
import { type Outcome, ScriptedRnode } from "../../support/scripted-rnode.ts";

const LOG = "ledger.client";

interface Member {
  readonly signer: Signer;
  readonly endorsement: Uint8Array;
}

let founded: TestFarm;
let endpoint: ReapiEndpoint;
let client: ExecutionClient;
const rnodes: ScriptedRnode[] = [];
let numbers = 0;

beforeAll(async () => {
  founded = await TestFarm.found();
  endpoint = await reapiEndpoint({
    mayUpdateResults: false,
    lead: {
      trust: (blobs) =>
        signedTrust({
          authority: founded.authority.certificate,
          members: founded.authority.members,
          isRevoked: founded.authority.revocations.isRevoked,
          blobs,
        }),
    },
  });
  client = await ExecutionClient.open(endpoint.address);
});
afterAll(async () => {
  for (const rnode of rnodes) rnode.close();
  client?.close();
  await endpoint?.close();
});

/** Joins the farm with a key of its own. */
async function member(name: string): Promise<Member> {
  const signer = signerFromSeed(sha256Bytes(name), "rnode", name);
  const publicKey = Buffer.from(signer.entry.pub, "base64");
  const { identity } = await founded.join("rnode", {
    name,
    signingKey: { publicKey, sign: (bytes) => signer.sign(bytes) },
  });
  return { signer, endorsement: identity.endorsement as Uint8Array };
}

const sha256Bytes = (text: string): Buffer => Buffer.from(sha256(text), "hex");

async function connected(name: string): Promise<ScriptedRnode> {
  const rnode = new ScriptedRnode(name);
  rnodes.push(rnode);
  await rnode.connect(endpoint.address);
  return rnode;
}

/** What an honest rnode would have said; `lie` changes what it likes. */
interface Statement {
  body: ExecBody;
  signer: Signer;
  endorsement: Uint8Array;
  log: string;
  result: reapi.ActionResult;
  isSigned: boolean;
  /** Whether the statement is signed anew after it was changed. */
  sketch: ReturnType<typeof sketchChore>;
}

function honest(sketch: ReturnType<typeof sketchChore>, of: Member, name: string): Statement {
  const facts = { ...sketch.facts, rnode: name };
  const result = reapi.ActionResult.fromPartial({
    outputFiles: facts.out.map(({ p, d, n }) => ({ path: p, digest: { hash: d, sizeBytes: n } })),
    stderrRaw: Buffer.from("warning: none\n"),
  });
  return {
    ...of,
    body: signExecution(facts, sketch.listing, LOG, of.signer),
    log: LOG,
    result,
    isSigned: true,
    sketch,
  };
}

/** Signs the changed body, as a liar with a key does. */
function resign(statement: Statement, change: Partial<ExecBody>): void {
  const { stmt: _, key: __, sig: ___, ...facts } = { ...statement.body, ...change };
  statement.body = signExecution(facts, statement.sketch.listing, statement.log, statement.signer);
}

function outcome({ body, signer, endorsement, log, result, isSigned }: Statement): Outcome {
  const travail = farm.Travail.fromPartial({
    body: travailBytes(body),
    key: Buffer.from(canonicalJson({ ...signer.entry })),
    endorsement,
    log,
    pop: provePossession(signer, log),
  });
  return {
    verdict: "ok",
    actionResult: result,
    travail: isSigned ? farm.Travail.encode(travail).finish() : new Uint8Array(),
  };
}

function prepare(sketch: ChoreSketch = {}) {
  const chore = sketchChore({ chore: `compile(${numbers++})`, ...sketch, env: { N: String(numbers) } });
  for (const { bytes } of chore.manifests) endpoint.store.write(bytes);
  for (const text of ["int a;\n", "object a\n", "another object\n"]) endpoint.store.write(Buffer.from(text));
  const { facts } = chore;
  const { build, dictum, attempt } = facts;
  const context = farm.TravailContext.fromPartial({ log: LOG, build, chore: facts.chore, dictum, attempt });
  const action: Digest = { hash: facts.action, sizeBytes: facts.asize };
  return { chore, asked: () => client.execute(action, {}, { metadata: travailContext(context) }) };
}

const OTHER = digestOf("another object\n");

const lies: readonly (readonly [what: string, lie: (statement: Statement) => void | Promise<void>, why: RegExp])[] = [
  [
    "unsigned",
    (s) => {
      s.isSigned = false;
    },
    /^its result is not signed$/,
  ],
  [
    "with a digest other than what was signed",
    (s) => {
      (s.result.outputFiles[0] as reapi.OutputFile).digest = OTHER;
    },
    /^the output \["obj\/a.o","","[0-9a-f]{64}"\] of its result is not what was signed$/,
  ],
  [
    "whose bytes nobody brought",
    (s) => {
      (s.result.outputFiles[0] as reapi.OutputFile).digest = digestOf("nowhere");
    },
    /^1 blobs of its result are not in the store, [0-9a-f]{64} among them$/,
  ],
  [
    "that leaves out an output that was signed",
    (s) => {
      s.result.outputFiles.pop();
    },
    /^the output .* that was signed is not in its result$/,
  ],
  [
    "with another exit status",
    (s) => {
      s.result.exitCode = 1;
    },
    /^it signed exit status 0, and its result has 1$/,
  ],
  [
    "with other words printed",
    (s) => {
      s.result.stdoutRaw = Buffer.from("x");
    },
    /^stdout of its result is not what was signed$/,
  ],
  [
    "of another action",
    (s) => resign(s, { action: sha256("another") }),
    /^its result is of action [0-9a-f]{12}, not of [0-9a-f]{12}$/,
  ],
  [
    "of another build",
    (s) => resign(s, { build: "b2" }),
    /^its result is signed for ledger.client#b2 compile\(\d+\), not for/,
  ],
  [
    "of another input root",
    (s) => resign(s, { in: { n: 1, root: sha256("another") } }),
    /^its result is of another input root$/,
  ],
  [
    "made in another image",
    (s) => resign(s, { image: `sha256:${sha256("another")}` }),
    /^its result was made in sha256:/,
  ],
  ["in the name of another rnode", (s) => resign(s, { rnode: "gollum" }), /^its result names gollum as the rnode$/],
  [
    "with a changed body",
    (s) => {
      s.body = { ...s.body, ms: 5, level: "hermetic" };
    },
    /^its result is not what was signed: it does not imply the statement it names$/,
  ],
  [
    "with another's signature",
    (s) => {
      s.body = { ...s.body, sig: Buffer.alloc(64).toString("base64") };
    },
    /^its result is not what was signed: the signature is not by key/,
  ],
  [
    "by a key that nobody endorsed",
    (s) => {
      s.signer = signerFromSeed(sha256Bytes("stranger"), "rnode", s.body.rnode);
      resign(s, {});
    },
    /^its result is signed by a key that nobody endorsed$/,
  ],
  [
    "with an endorsement of its own making",
    (s) => {
      s.endorsement = Buffer.from(Buffer.from(s.endorsement).toString().replace('"at":1', '"at":2'));
    },
    /^its travail cannot be read: the endorsement of a signing key is not signed by the authority/,
  ],
  [
    "that another rnode signed",
    async (s) => {
      const other = await member(`other-${numbers}`);
      s.endorsement = other.endorsement;
      s.signer = other.signer;
      resign(s, {});
    },
    /^its result is signed by rnode other-\d+'s key$/,
  ],
  [
    "whose travail is no travail",
    (s) => {
      s.body = { kind: "genesis" } as never;
    },
    /^its travail cannot be read: travail is of kind "genesis"/,
  ],
];

describe("a result does not count and its rnode gets no more work when it is", () => {
  test.each(lies)("%s", async (_what, lie, why) => {
    const { chore, asked } = prepare();
    const name = `liar-${numbers}`;
    const of = await member(name);
    const liar = await connected(name);
    const execution = asked();
    const assign = await liar.next("assign");
    liar.accept(assign);
    const statement = honest(chore, of, name);
    await lie(statement);
    liar.result(assign, outcome(statement));
    expect(await liar.next("acknowledged")).toEqual({ leaseId: assign.leaseId, counted: false });
    const { nodes } = await client.status.get({});
    const { state, reason } = nodes.find((node) => node.name === name) as farm.NodeStatus;
    expect([state, reason.replace(/; next probe in \d+ s$/, "")]).toEqual(["quarantined", expect.stringMatching(why)]);
    liar.close();
    // Whoever is honest has it to do.
    const honestName = `honest-${numbers}`;
    const honestMember = await member(honestName);
    const rnode = await connected(honestName);
    const again = await rnode.next("assign");
    expect(again.fence).toBeGreaterThan(assign.fence);
    rnode.result(again, outcome(honest(chore, honestMember, honestName)));
    const response = await execution.response;
    expect([response.status?.code ?? 0, response.result?.exitCode]).toEqual([0, 0]);
    expect((await asked().response).cachedResult).toBe(true);
    rnode.close();
  });
});

test("a result of a member that was revoked does not count", async () => {
  const { chore, asked } = prepare();
  const of = await member("revoked");
  const rnode = await connected("revoked");
  const execution = asked();
  const assign = await rnode.next("assign");
  const entry = founded.authority.members.get({ role: "rnode", name: "revoked" });
  founded.authority.revocations.revoke(
    { cluster: founded.authority.cluster, role: "rnode", name: "revoked" },
    entry?.enrolment ?? "",
    "stolen",
  );
  rnode.result(assign, outcome(honest(chore, of, "revoked")));
  expect((await rnode.next("acknowledged")).counted).toBe(false);
  rnode.close();
  expect(await client.control.kill({ name: await execution.name, reason: "seen enough" })).toEqual({ killed: true });
  expect((await execution.response).status).toMatchObject({ code: 1, message: "ended by an operator: seen enough" });
});

test("a failure that is signed counts and is not cached", async () => {
  const { chore, asked } = prepare();
  const of = await member("failing");
  const rnode = await connected("failing");
  const execution = asked();
  const assign = await rnode.next("assign");
  const { cacheable: _, ...facts } = chore.facts;
  const failed = {
    ...facts,
    rnode: "failing",
    kind: "fail" as const,
    exit: 2,
    out: [],
    verdict: "exit",
    detail: "exit 2",
  };
  const body = signExecution(failed, chore.listing, LOG, of.signer) as unknown as ExecBody;
  const result = reapi.ActionResult.fromPartial({ exitCode: 2, stderrRaw: Buffer.from("warning: none\n") });
  rnode.result(assign, { ...outcome({ ...honest(chore, of, "failing"), body, result }), verdict: "exit" });
  expect((await execution.response).result?.exitCode).toBe(2);
  const again = asked();
  expect((await rnode.next("assign")).leaseId).not.toBe(assign.leaseId);
  again.drop();
  await expect(again.response).rejects.toThrow("dropped");
  rnode.close();
});
