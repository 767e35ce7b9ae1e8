import { describe, expect, it } from "vitest";
import { codeOf } from "../../../src/base/index.ts";
import { ATTEMPT_WINDOW_MS, ATTEMPTS, openAuthority, renewLeader } from "../../../src/fulcrum/index.ts";
import {
  certificateOfReply,
  FARM_ROLES,
  FarmError,
  type FarmErrorCode,
  loadIdentity,
  makeNodeKey,
  makeSigningRequest,
  memberUri,
  NO_ADDRESSES,
  parseJoinToken,
  renewCertificate,
  verifyEndorsement,
} from "../../../src/fulcrum-client/index.ts";
import { signingKey, TestFarm } from "../../support/farm.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const HOUR = 3_600_000;

async function refused(work: Promise<unknown>): Promise<FarmError> {
  const error = await work.then(
    () => new Error("it was not refused"),
    (cause: unknown) => cause,
  );
  if (!(error instanceof FarmError)) throw error;
  return error;
}

const refusedWith = async (work: Promise<unknown>, code: FarmErrorCode) =>
  expect((await refused(work)).code).toBe(code);

describe("joining", () => {
  it.each(FARM_ROLES)("makes a state home a member as %s", async (role) => {
    const farm = await TestFarm.found();
    const { identity, ledgerOrigin } = await farm.join(role, { name: "alpha", stateHome: "/alpha" });
    expect(memberUri(identity.member)).toBe(`spiffe://${farm.authority.cluster}/${role}/alpha`);
    expect(ledgerOrigin).toBe("ledger-of-the-leader");
    const again = loadIdentity(farm.files, "/alpha", farm.authority.cluster, role);
    expect(again.certificate).toEqual(identity.certificate);
    expect(again.leader).toBe("leader.test:7300");
    expect(farm.authority.members.get({ role, name: "alpha" })).toMatchObject({
      enrolment: identity.certificate.enrolment,
      untilMs: identity.certificate.notAfterMs,
    });
  });

  it("keeps every file for its owner alone", async () => {
    const farm = await TestFarm.found();
    await farm.join("client", { stateHome: "/alpha" });
    const exposed: string[] = [];
    const walk = (path: string) => {
      for (const { name, kind } of farm.files.readDirectory(path)) {
        const at = `${path}/${name}`;
        if (((farm.files.lstat(at)?.mode ?? 0) & 0o077) !== 0) exposed.push(at);
        if (kind === "directory") walk(at);
      }
    };
    walk("/alpha/farm");
    walk("/leader/farm");
    expect(exposed).toEqual([]);
  });

  it("endorses the rnode's signing key, which its ledger's readers can check", async () => {
    const farm = await TestFarm.found();
    const key = signingKey();
    const { identity } = await farm.join("rnode", { name: "alpha", signingKey: key });
    const said = verifyEndorsement(identity.endorsement ?? Buffer.alloc(0), farm.authority.certificate);
    expect(said.member.name).toBe("alpha");
    expect(said.key).toMatchObject({ alg: "ed25519", role: "rnode", rnode: "alpha" });
    expect(Buffer.from(said.key.pub, "base64")).toEqual(Buffer.from(key.publicKey));
    const other = await TestFarm.found({ seed: 2 });
    for (const [bytes, authority] of [
      [identity.endorsement ?? Buffer.alloc(0), other.authority.certificate],
      [Buffer.from(String(identity.endorsement).replace("alpha", "omega")), farm.authority.certificate],
      [Buffer.from("{}"), farm.authority.certificate],
      [Buffer.alloc(0), farm.authority.certificate],
    ] as const) {
      expect(() => verifyEndorsement(bytes, authority)).toThrow(
        expect.objectContaining({ code: "FARM_ENDORSEMENT_BROKEN" }),
      );
    }
  });

  it("refuses an rnode that does not prove its signing key", async () => {
    const farm = await TestFarm.found();
    const key = { ...signingKey(), sign: (bytes: Uint8Array) => signingKey().sign(bytes) };
    await refusedWith(farm.join("rnode", { signingKey: key }), "FARM_REQUEST_MALFORMED");
    await refusedWith(farm.join("rnode", { signingKey: undefined }), "FARM_REQUEST_MALFORMED");
    await refusedWith(farm.join("client", { signingKey: signingKey() }), "FARM_REQUEST_MALFORMED");
  });

  const tokens: [string, (token: string) => string, FarmErrorCode][] = [
    ["is no token", () => "hunter2", "FARM_TOKEN_MALFORMED"],
    ["lacks its end", (token) => token.slice(0, -8), "FARM_TOKEN_MALFORMED"],
    ["is of another version", (token) => token.replace("radix-1", "radix-2"), "FARM_TOKEN_MALFORMED"],
    [
      "pins another farm",
      (token) => token.replace(/1-[0-9a-f]{32}/, `1-${"0".repeat(32)}`),
      "FARM_TOKEN_WRONG_CLUSTER",
    ],
    ["has another secret", (token) => token.replace(/-[0-9a-f]{32}-c/, `-${"0".repeat(32)}-c`), "FARM_TOKEN_UNKNOWN"],
    ["was given another role", (token) => token.replace("client", "operator"), "FARM_TOKEN_WRONG_ROLE"],
  ];
  it.each(tokens)("refuses a token that %s", async (_what, change, code) => {
    const farm = await TestFarm.found();
    const token = farm.token("client");
    const error = await refused(farm.join("client", { token: change(token), role: undefined }));
    expect(error.code).toBe(code);
    // A secret must not reach logs by way of a message.
    expect(`${error.message}${error.hint}`).not.toContain(parseJoinToken(token).secret);
  });

  it("refuses a role that is not the token's", async () => {
    const farm = await TestFarm.found();
    await refusedWith(farm.join("client", { role: "operator" }), "FARM_TOKEN_WRONG_ROLE");
  });

  it("takes a token once", async () => {
    const farm = await TestFarm.found();
    const token = farm.token("client");
    await farm.join("client", { token });
    await refusedWith(farm.join("client", { token }), "FARM_TOKEN_USED");
  });

  it("takes a token as often as it is good for, also of many at the same time", async () => {
    const farm = await TestFarm.found();
    const token = farm.token("client", 3_600_000, 3);
    const join = (_: unknown, i: number) => farm.join("client", { token, name: `client-${i}` });
    const ended = await Promise.allSettled(Array.from({ length: 8 }, join));
    expect(ended.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    await refusedWith(farm.join("client", { token }), "FARM_TOKEN_USED");
  });

  it("takes a token once of many that come at the same time", async () => {
    const farm = await TestFarm.found();
    const token = farm.token("client");
    const ended = await Promise.allSettled(Array.from({ length: 8 }, () => farm.join("client", { token })));
    expect(ended.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const end of ended) if (end.status === "rejected") expect(codeOf(end.reason)).toBe("FARM_TOKEN_USED");
  });

  it("lets a joiner that lost the reply ask again, with the same answer", async () => {
    const farm = await TestFarm.found();
    const token = farm.token("client");
    const wire = farm.wire();
    const losing = {
      ...wire,
      connect: async () => ({
        ...(await wire.connect("", farm.authority.certificate)),
        calls: {
          ...(await wire.connect("", farm.authority.certificate)).calls,
          join: async (request: Parameters<typeof farm.handlers.join>[0]) => {
            await farm.handlers.join(request, { address: "10.0.0.1", certificate: undefined });
            throw new FarmError("FARM_UNREACHABLE", "the reply was lost");
          },
        },
      }),
    };
    const as = { token, name: "alpha", stateHome: "/alpha" };
    await refusedWith(farm.join("client", { ...as, wire: losing }), "FARM_UNREACHABLE");
    const enrolment = farm.authority.members.get({ role: "client", name: "alpha" })?.enrolment;
    const { identity } = await farm.join("client", as);
    expect(identity.certificate.enrolment).toBe(enrolment);
  });

  it("refuses a token after its hour", async () => {
    const farm = await TestFarm.found();
    const token = farm.token("client");
    await farm.clock.advance(HOUR);
    const error = await refused(farm.join("client", { token }));
    expect(error.code).toBe("FARM_TOKEN_EXPIRED");
    expect(error.message).toBe("the join token was good until 2026-01-01T01:00:00Z");
  });

  it("keeps no token that would let anybody in", async () => {
    const farm = await TestFarm.found();
    const { secret } = parseJoinToken(farm.token("client"));
    const directory = `/leader/farm/${farm.authority.cluster}/authority/tokens`;
    for (const { name } of farm.files.readDirectory(directory)) {
      expect(name).not.toContain(secret);
      expect(farm.files.readFile(`${directory}/${name}`).toString()).not.toContain(secret);
    }
  });

  it("slows down whoever guesses, and nobody else", async () => {
    const farm = await TestFarm.found();
    const csrDer = await makeSigningRequest(makeNodeKey(farm.random), NO_ADDRESSES);
    const none = new Uint8Array();
    const guess = (address: string) =>
      farm.handlers.join(
        {
          token: `radix-1-${farm.authority.cluster}-${"0".repeat(32)}-client`,
          csrDer,
          name: "x",
          role: "client",
          signingKeyPub: none,
          pop: none,
        },
        { address, certificate: undefined },
      );
    for (let i = 0; i < ATTEMPTS; i++) await refusedWith(guess("10.0.0.9"), "FARM_TOKEN_UNKNOWN");
    const error = await refused(guess("10.0.0.9"));
    expect(error.message).toBe("too many failed joins from 10.0.0.9; wait 60 s");
    await refusedWith(guess("10.0.0.8"), "FARM_TOKEN_UNKNOWN");
    await farm.join("client");
    await farm.clock.advance(ATTEMPT_WINDOW_MS);
    await refusedWith(guess("10.0.0.9"), "FARM_TOKEN_UNKNOWN");
  });

  it("shows the token to nobody but the farm it is for", async () => {
    const farm = await TestFarm.found();
    const other = await TestFarm.found({ seed: 2 });
    const chains = {
      "another farm's leader": other.chain(),
      "another farm's leader beside the right authority": [other.chain()[0]!, farm.chain()[1]!],
      "no authority": [farm.chain()[0]!],
      nothing: [],
      "a client's certificate": [
        (await farm.certificate({ role: "client", name: "c" }, { dns: ["leader.test"], ip: [] })).certificate.der,
        farm.chain()[1]!,
      ],
      "an rnode that is not at that address": [
        (await farm.certificate({ role: "rnode", name: "r" }, { dns: ["other.test"], ip: [] })).certificate.der,
        farm.chain()[1]!,
      ],
    };
    const codes: Record<string, string> = {};
    for (const [what, chain] of Object.entries(chains)) {
      const wire = { ...farm.wire(chain), connect: () => Promise.reject(new Error("it was asked")) };
      codes[what] = (await refused(farm.join("client", { wire }))).code;
    }
    expect(codes).toEqual({
      "another farm's leader": "FARM_TOKEN_WRONG_CLUSTER",
      "another farm's leader beside the right authority": "FARM_CERTIFICATE_FOREIGN",
      "no authority": "FARM_TOKEN_WRONG_CLUSTER",
      nothing: "FARM_TOKEN_WRONG_CLUSTER",
      "a client's certificate": "FARM_CERTIFICATE_FOREIGN",
      "an rnode that is not at that address": "FARM_CERTIFICATE_FOREIGN",
    });
  });

  it.each([
    [-2 * HOUR, "at least 115 min behind", "before the certificate is valid"],
    [7 * 60_000, "7 min ahead of the leader's", "a little"],
    [-290_000 - 60_000, "at least 50 s behind", "just before it is valid"],
  ])("names a clock that is %d ms off, and does not spend the token", async (offMs, words) => {
    const farm = await TestFarm.found();
    const token = farm.token("client");
    const clock = new ManualClock(farm.clock.nowMs() + offMs);
    const error = await refused(farm.join("client", { token, clock }));
    expect(error.code).toBe("FARM_CLOCK_SKEW");
    expect(error.message).toContain(`this machine's clock is ${words}: it is 20`);
    await farm.join("client", { token });
  });

  it("gives a name to one member until that is revoked or has run out", async () => {
    const farm = await TestFarm.found();
    const first = await farm.join("client", { name: "alpha" });
    const token = farm.token("client");
    await refusedWith(farm.join("client", { name: "alpha", token }), "FARM_NAME_TAKEN");
    await farm.join("auditor", { name: "alpha" });
    const { member, enrolment } = first.identity.certificate;
    farm.authority.revocations.revoke(member, enrolment, "laptop lost");
    const second = await farm.join("client", { name: "alpha", token });
    await farm.clock.advance(25 * HOUR);
    await renewLeader(farm.authority, farm.leader);
    const third = await farm.join("client", { name: "alpha" });
    expect(third.identity.certificate.enrolment).not.toBe(second.identity.certificate.enrolment);
  });

  it("gives a host to one rnode", async () => {
    const farm = await TestFarm.found();
    await refusedWith(farm.join("rnode", { hosts: ["leader.test"] }), "FARM_ADDRESS_TAKEN");
    await refusedWith(farm.join("client", { hosts: ["mine.test"] }), "FARM_ADDRESS_TAKEN");
    const { identity } = await farm.join("rnode", { hosts: ["mine.test", "10.0.0.7", "fe80::1"] });
    expect(identity.addresses).toEqual({ dns: ["mine.test"], ip: ["10.0.0.7", "fe80::1"] });
    await refusedWith(farm.join("rnode", { hosts: ["10.0.0.7"] }), "FARM_ADDRESS_TAKEN");
  });

  it.each(["", "a b", "a/b", "..", "-x", "é", "x".repeat(64)])("refuses the name %j", async (name) => {
    const farm = await TestFarm.found();
    await refusedWith(farm.join("client", { name }), "FARM_NAME_MALFORMED");
  });

  it("refuses requests that are none", async () => {
    const farm = await TestFarm.found();
    const good = await makeSigningRequest(makeNodeKey(farm.random), NO_ADDRESSES);
    const broken = Buffer.from(good);
    broken[broken.length - 1]! ^= 1;
    const none = new Uint8Array();
    for (const csrDer of [none, Buffer.from("nonsense"), broken, Buffer.alloc(20_000, 0x30)]) {
      const request = {
        token: farm.token("client"),
        csrDer,
        name: "x",
        role: "client",
        signingKeyPub: none,
        pop: none,
      };
      await refusedWith(
        farm.handlers.join(request, { address: "10.0.0.1", certificate: undefined }),
        "FARM_REQUEST_MALFORMED",
      );
    }
  });

  it("refuses a second membership of the same farm and role", async () => {
    const farm = await TestFarm.found();
    await farm.join("client", { stateHome: "/alpha" });
    const token = farm.token("client");
    await refusedWith(farm.join("client", { stateHome: "/alpha", token }), "FARM_EXISTS");
    await farm.join("client", { token });
  });
});

describe("renewing", () => {
  const renew = (farm: TestFarm, certificate: Uint8Array | undefined) => ({
    renew: (request: Parameters<typeof farm.handlers.renew>[0]) =>
      farm.handlers.renew(request, { address: "10.0.0.1", certificate }),
  });

  it("gives a full life for the same key, of the same membership", async () => {
    const farm = await TestFarm.found();
    const { identity } = await farm.join("client", { stateHome: "/alpha" });
    const before = identity.certificate;
    await farm.clock.advance(12 * HOUR);
    let told = 0;
    identity.onChange(() => told++);
    await renewCertificate(identity, renew(farm, before.der));
    expect(identity.certificate.notAfterMs).toBe(before.notAfterMs + 12 * HOUR);
    expect(identity.certificate).toMatchObject({ enrolment: before.enrolment, publicKey: before.publicKey });
    expect(identity.certificate.serial).not.toBe(before.serial);
    expect(told).toBe(1);
    const read = loadIdentity(farm.files, "/alpha", farm.authority.cluster, "client");
    expect(read.certificate.serial).toBe(identity.certificate.serial);
  });

  it("refuses whoever is no longer, or was never, a member", async () => {
    const farm = await TestFarm.found();
    const { identity } = await farm.join("client");
    const { certificate } = identity;
    const codes = async (der: Uint8Array | undefined) =>
      (await refused(renewCertificate(identity, renew(farm, der)))).code;
    expect(await codes(undefined)).toBe("FARM_CERTIFICATE_MISSING");
    expect(await codes(Buffer.from("junk"))).toBe("FARM_CERTIFICATE_FOREIGN");
    const other = await TestFarm.found({ seed: 2 });
    expect(await codes((await other.join("client")).identity.certificate.der)).toBe("FARM_CERTIFICATE_FOREIGN");
    const another = await farm.join("client");
    expect(await codes(another.identity.certificate.der)).toBe("FARM_REQUEST_MALFORMED");
    const stranger = await farm.certificate({ role: "client", name: "never-joined" });
    expect(await codes(stranger.certificate.der)).toBe("FARM_MEMBER_UNKNOWN");
    farm.authority.revocations.revoke(certificate.member, certificate.enrolment, "lost");
    expect(await codes(certificate.der)).toBe("FARM_CERTIFICATE_REVOKED");
    await farm.clock.advance(24 * HOUR);
    expect(await codes(another.identity.certificate.der)).toBe("FARM_CERTIFICATE_EXPIRED");
  });

  it("keeps the old certificate where the reply is for somebody else", async () => {
    const farm = await TestFarm.found();
    const { identity } = await farm.join("client");
    const { serial } = identity.certificate;
    const another = await farm.join("client");
    const reply = async () => ({
      certificateChainDer: [another.identity.certificate.der],
      authorityDer: new Uint8Array(),
      ledgerOrigin: "",
      endorsement: new Uint8Array(),
    });
    await refusedWith(renewCertificate(identity, { renew: reply }), "FARM_REPLY_MALFORMED");
    expect(identity.certificate.serial).toBe(serial);
    expect(() => certificateOfReply({ certificateChainDer: [] }, farm.authority.certificate)).toThrow(
      expect.objectContaining({ code: "FARM_REPLY_MALFORMED" }),
    );
  });
});

describe("revoking", () => {
  it("is seen at once by another process with the same books", async () => {
    const farm = await TestFarm.found();
    const { member, enrolment } = (await farm.join("client")).identity.certificate;
    const { files, clock, random } = farm;
    const other = openAuthority({ files, clock, random }, "/leader", farm.authority.cluster);
    expect(farm.authority.revocations.isRevoked(enrolment)).toBe(false);
    expect(other.revocations.revoke(member, enrolment, "laptop lost").number).toBe(1);
    expect(farm.authority.revocations.isRevoked(enrolment)).toBe(true);
    expect(farm.authority.revocations.revoke(member, enrolment, "again").reason).toBe("laptop lost");
    expect(farm.authority.revocations.revoke(member, "4000000000000000", "b").number).toBe(2);
    expect(other.revocations.list().map(({ number }) => number)).toEqual([1, 2]);
  });

  it.each([
    ["changed", (text: string) => text.replace("laptop", "tablet")],
    ["cut off", (text: string) => text.slice(0, 40)],
    ["another's", (text: string) => text.replace('"number":1', '"number":2')],
  ])("lets nobody in by a list with an entry that is %s", async (_what, change) => {
    const farm = await TestFarm.found();
    const { files, clock, random } = farm;
    const { member, enrolment } = (await farm.join("client")).identity.certificate;
    farm.authority.revocations.revoke(member, enrolment, "laptop lost");
    const path = `/leader/farm/${farm.authority.cluster}/authority/revoked/1.json`;
    files.replaceFile(path, change(files.readFile(path).toString()), { mode: 0o600 });
    const fresh = openAuthority({ files, clock, random }, "/leader", farm.authority.cluster);
    expect(() => fresh.revocations.isRevoked("4000000000000000")).toThrow(
      expect.objectContaining({ code: "FARM_REVOCATIONS_TAMPERED" }),
    );
  });
});

describe("keys at rest", () => {
  it("are refused where others may read or replace them", async () => {
    const farm = await TestFarm.found();
    const { files, clock, random } = farm;
    await farm.join("client", { stateHome: "/alpha" });
    const { cluster } = farm.authority;
    const codeWhen = (path: string, mode: number, ask: () => unknown) => {
      const before = files.lstat(path)?.mode ?? 0;
      files.setMode(path, mode);
      try {
        ask();
        return "taken";
      } catch (error) {
        return codeOf(error);
      } finally {
        files.setMode(path, before);
      }
    };
    const load = () => loadIdentity(files, "/alpha", cluster, "client");
    const open = () => openAuthority({ files, clock, random }, "/leader", cluster);
    const client = `/alpha/farm/${cluster}/client`;
    const authority = `/leader/farm/${cluster}/authority`;
    expect(codeWhen(`${client}/key.pem`, 0o600, load)).toBe("taken");
    expect(codeWhen(`${client}/key.pem`, 0o640, load)).toBe("FARM_KEY_EXPOSED");
    expect(codeWhen(client, 0o777, load)).toBe("FARM_KEY_EXPOSED");
    expect(codeWhen(`${authority}/authority.key`, 0o644, open)).toBe("FARM_KEY_EXPOSED");
    expect(codeWhen(authority, 0o770, open)).toBe("FARM_KEY_EXPOSED");
    files.remove(`${authority}/authority.key`);
    expect(() => open()).toThrow(expect.objectContaining({ code: "FARM_NOT_FOUNDED" }));
  });
});
