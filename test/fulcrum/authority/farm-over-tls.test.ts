import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { codeOf, explain, hintOf } from "../../../src/base/index.ts";
import {
  bindService,
  enrolService,
  Gate,
  ROLE_TABLE,
  type RunningServer,
  renewLeader,
  roleInterceptor,
  serverCredentials,
  startServer,
} from "../../../src/fulcrum/index.ts";
import {
  askAbilities,
  type Channel,
  enrolCalls,
  type Identity,
  joinWire,
  keepRenewed,
  memberUri,
  openFarmChannel,
  RpcError,
  renewCertificate,
} from "../../../src/fulcrum-client/index.ts";
import { presentedChain } from "../../../src/platform/index.ts";
import { SILENT_LOG } from "../../../src/ports/index.ts";
import { farm as messages, reapi } from "../../../src/protocol/index.ts";
import { TestFarm } from "../../support/farm.ts";
import { scratchDirectory } from "../../support/scratch-directory.ts";

const HOUR = 3_600_000;
const wire = joinWire(presentedChain);

let farm: TestFarm;
let server: RunningServer;
let address: string;
const channels: Channel[] = [];

beforeEach(async () => {
  farm = await TestFarm.found({ wallMs: Date.now(), addresses: { dns: ["localhost"], ip: [] } });
  const { authority, clock } = farm;
  const { revocations } = authority;
  const gate = new Gate({ table: ROLE_TABLE, authority: authority.certificate, revocations, clock });
  server = await startServer({
    address: "localhost:0",
    credentials: await serverCredentials(farm.leader),
    interceptors: [await roleInterceptor(gate)],
    services: [
      enrolService(farm.handlers),
      bindService(reapi.CapabilitiesDefinition, { getCapabilities: async () => reapi.ServerCapabilities.create() }),
      bindService(messages.ResourcesDefinition, { get: async () => messages.FarmResources.fromPartial({}) }),
      bindService(messages.LeaseDefinition, {
        async *work(requests) {
          for await (const _ of requests) yield messages.LeaderMessage.fromPartial({});
        },
      }),
    ],
  });
  address = `localhost:${server.port}`;
});

afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close();
  await server.stop(0);
});

async function channelOf(identity: Identity, to = address): Promise<Channel> {
  const channel = await openFarmChannel(identity, to);
  channels.push(channel);
  return channel;
}

async function ask(channel: Channel): Promise<string> {
  try {
    await channel.client(messages.ResourcesDefinition).get({});
    return "answered";
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return error.peerCode ?? error.message;
  }
}

describe("a farm over TLS", () => {
  it("takes a member in by address and token alone, and answers it then", async () => {
    const { identity, ledgerOrigin } = await farm.join("client", { address, wire });
    expect(ledgerOrigin).toBe("ledger-of-the-leader");
    expect(await ask(await channelOf(identity))).toBe("answered");
    const rnode = await farm.join("rnode", { address, wire });
    expect(rnode.identity.endorsement?.length).toBeGreaterThan(100);
    expect(await ask(await channelOf(rnode.identity))).toBe("answered");
  });

  it("says over the wire what is wrong with a token", async () => {
    const token = farm.token("client");
    await farm.join("client", { address, wire, token });
    await expect(farm.join("client", { address, wire, token })).rejects.toMatchObject({
      code: "FARM_TOKEN_USED",
      message: "the join token has been used; each lets one member join",
      hint: "`begat farm token` at the leader makes another",
    });
  });

  it("shows the token to no leader that is not at its own address", async () => {
    const elsewhere = `127.0.0.1:${server.port}`;
    await expect(farm.join("client", { address: elsewhere, wire })).rejects.toMatchObject({
      code: "FARM_CERTIFICATE_FOREIGN",
      message: "the certificate of rnode leader is not for 127.0.0.1 but for localhost",
    });
    const { identity } = await farm.join("client", { address, wire });
    expect(await ask(await channelOf(identity, elsewhere))).toContain("is not for 127.0.0.1 but for localhost");
  });

  it("refuses a leader of another farm, also when its name is right", async () => {
    const other = await TestFarm.found({ seed: 2, wallMs: Date.now(), addresses: { dns: ["localhost"], ip: [] } });
    const { identity } = await other.join("client", { wire: other.wire(), address: "localhost:1" });
    expect(await ask(await channelOf(identity))).toMatch(/self-signed certificate|unable to verify|signature/);
    await expect(other.join("client", { address, wire })).rejects.toMatchObject({ code: "FARM_TOKEN_WRONG_CLUSTER" });
  });

  it("says that nobody is there", async () => {
    const silent = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => silent.listen(0, "localhost", resolve));
    const { port } = silent.address() as { port: number };
    const join = farm.join("client", { address: `localhost:${port}`, wire });
    await expect(join).rejects.toMatchObject({
      code: "FARM_UNREACHABLE",
      message: `no farm's leader answers at localhost, port ${port}`,
    });
    await new Promise((resolve) => silent.close(resolve));
    await expect(farm.join("client", { address: `localhost:${port}`, wire })).rejects.toMatchObject({
      code: "FARM_UNREACHABLE",
    });
  });

  it("refuses a revoked member at its next call, and a stream at its next message", async () => {
    const { identity } = await farm.join("rnode", { address, wire });
    const channel = await channelOf(identity);
    let send = (_: messages.WorkerMessage) => {};
    const queue = async function* () {
      for (;;) {
        yield await new Promise<messages.WorkerMessage>((resolve) => {
          send = resolve;
        });
      }
    };
    const replies = channel.client(messages.LeaseDefinition).work(queue());
    const first = replies.next();
    // A message whenever the stream takes one.
    const beat = setInterval(() => send({}), 5);
    try {
      expect((await first).done).toBe(false);
      const { member, enrolment } = identity.certificate;
      farm.authority.revocations.revoke(member, enrolment, "stolen");
      await expect(
        (async () => {
          for await (const _ of replies);
        })(),
      ).rejects.toMatchObject({ peerCode: "FARM_CERTIFICATE_REVOKED", status: "UNAUTHENTICATED" });
    } finally {
      clearInterval(beat);
    }
    expect(await ask(channel)).toBe("FARM_CERTIFICATE_REVOKED");
    const asked = await askAbilities({ channel, instance: "", name: "boss" }, { timeoutMs: 20_000 }).catch((e) => e);
    const revoked = `the membership of ${memberUri(identity.member)} was revoked`;
    expect([codeOf(asked), explain(asked)]).toEqual(["ENDPOINT_REFUSES", `boss does not let us in: ${revoked}`]);
    expect(hintOf(asked)).toContain("with a new token");
    const calls = enrolCalls(channel, address);
    await expect(renewCertificate(identity, calls)).rejects.toMatchObject({ code: "FARM_CERTIFICATE_REVOKED" });
  });

  it("refuses a certificate that runs out while its connection is open", async () => {
    const { identity } = await farm.join("client", { address, wire });
    const channel = await channelOf(identity);
    expect(await ask(channel)).toBe("answered");
    await farm.clock.advance(24 * HOUR);
    expect(await ask(channel)).toBe("FARM_CERTIFICATE_EXPIRED");
  });

  it("renews over the wire, and server and channel go on with the new certificate", async () => {
    const { identity } = await farm.join("client", { address, wire });
    const channel = await channelOf(identity);
    const { serial } = identity.certificate;
    await renewCertificate(identity, enrolCalls(channel, address));
    expect(identity.certificate.serial).not.toBe(serial);
    expect(await ask(await channelOf(identity))).toBe("answered");

    const shown = async () => (await presentedChain("localhost", server.port))[0];
    const before = farm.leader.certificate.der;
    expect(await shown()).toEqual(before);
    await renewLeader(farm.authority, farm.leader);
    expect(farm.leader.certificate.der).not.toEqual(before);
    expect(await shown()).toEqual(farm.leader.certificate.der);
    expect(await ask(channel)).toBe("answered");
  });

  it("renews by itself at half a certificate's life, again after a failure, until the membership is over", async () => {
    const { identity } = await farm.join("client", { address, wire });
    const { revocations } = farm.authority;
    const begin = identity.certificate.notBeforeMs;
    let failures = 2;
    const tried: number[] = [];
    const caller = () => ({ address: "10.0.0.1", certificate: identity.certificate.der });
    const renew = async (request: messages.RenewRequest) => {
      tried.push((farm.clock.nowMs() - begin) / HOUR);
      if (failures-- > 0) throw new RpcError("UNAVAILABLE", "the leader restarts");
      return farm.handlers.renew(request, caller());
    };
    const warned: string[] = [];
    const log = { ...SILENT_LOG, warn: (event: string) => void warned.push(event) };
    const stop = new AbortController();
    const ended = keepRenewed(identity, { renew }, { clock: farm.clock, log }, stop.signal).catch(
      (error) => error.code,
    );
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    /** Moves time on whenever the loop waits for it and for nothing else. */
    const passUntil = async (what: () => boolean) => {
      while (!what()) {
        if (farm.clock.sleeping > 0) await farm.clock.advance(60_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await passUntil(() => identity.certificate.notBeforeMs > begin);
    expect(tried).toHaveLength(3);
    expect(tried[0]).toBeGreaterThanOrEqual(12);
    expect(tried[0]).toBeLessThan(12.3);
    expect(warned).toEqual(Array(2).fill("the farm certificate could not be renewed"));
    const { member, enrolment } = identity.certificate;
    revocations.revoke(member, enrolment, "lost");
    await passUntil(() => isOver);
    expect((farm.clock.nowMs() - identity.certificate.notBeforeMs) / HOUR).toBeLessThan(12.5);
    expect(await ended).toBe("FARM_CERTIFICATE_REVOKED");
  });
});

describe("certificates", () => {
  it("are what openssl takes for them", async () => {
    const { path: scratch, dispose } = scratchDirectory();
    const { identity } = await farm.join("rnode", { address, wire, hosts: ["r.test", "10.0.0.7"] });
    const files = { ca: identity.authority.pem, leaf: identity.chainPem, key: identity.keyPem };
    for (const [name, text] of Object.entries(files)) writeFileSync(`${scratch}/${name}.pem`, text);
    const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: scratch, encoding: "utf8" });
    const verify = (...more: string[]) => openssl("verify", "-x509_strict", "-CAfile", "ca.pem", ...more, "leaf.pem");
    expect(verify("-purpose", "sslserver", "-verify_hostname", "r.test")).toBe("leaf.pem: OK\n");
    expect(verify("-purpose", "sslserver", "-verify_ip", "10.0.0.7")).toBe("leaf.pem: OK\n");
    expect(verify("-purpose", "sslclient")).toBe("leaf.pem: OK\n");
    expect(openssl("x509", "-in", "leaf.pem", "-noout", "-ext", "subjectAltName")).toContain(
      `URI:spiffe://${farm.authority.cluster}/rnode/rnode-1, DNS:r.test, IP Address:10.0.0.7`,
    );
    expect(openssl("pkey", "-in", "key.pem", "-pubout")).toBe(openssl("x509", "-in", "leaf.pem", "-noout", "-pubkey"));
    dispose();
  });
});
