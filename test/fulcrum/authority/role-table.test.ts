import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  bindService,
  Gate,
  openAuthority,
  ROLE_TABLE,
  type RunningServer,
  roleInterceptor,
  serverCredentials,
  startServer,
} from "../../../src/fulcrum/index.ts";
import {
  type Channel,
  chainPem,
  FARM_ROLES,
  loadGrpc,
  type MemberCertificate,
  makeNodeKey,
  NO_ADDRESSES,
  nodeKeyPem,
  openChannel,
  RpcError,
  type ServiceShape,
  spkiOfKey,
} from "../../../src/fulcrum-client/index.ts";
import * as protocol from "../../../src/protocol/index.ts";
import { TestFarm } from "../../support/farm.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const { bytestream, farm: farmMessages, fileDescriptors, health, reapi, reflection, reflectionV1alpha } = protocol;

/** Every service definition that was generated, found by its shape. */
const SERVICES = [bytestream, farmMessages, health, reapi, reflection, reflectionV1alpha]
  .flatMap((namespace) => Object.values(namespace) as unknown[])
  .filter((value): value is ServiceShape => typeof value === "object" && value !== null && "fullName" in value);

const METHODS = SERVICES.flatMap((service) =>
  Object.entries(service.methods).map(([key, { name }]) => ({ service, key, path: `/${service.fullName}/${name}` })),
);

/** All that the descriptors know, whether or not anybody generates a definition from it. */
const DESCRIBED = fileDescriptors.flatMap(({ services, symbols }) =>
  services.flatMap((service) =>
    symbols
      .filter((symbol) => symbol.startsWith(`${service}.`))
      .map((symbol) => `/${service}/${symbol.slice(service.length + 1)}`),
  ),
);

describe("the role table", () => {
  it("has every method of every service, and no other", () => {
    expect(DESCRIBED.length).toBeGreaterThan(25);
    expect([...ROLE_TABLE.keys()].sort()).toEqual([...DESCRIBED].sort());
    expect(METHODS.map(({ path }) => path).sort()).toEqual([...DESCRIBED].sort());
  });

  it("lets callers without a certificate join and learn the time, and nothing else", () => {
    const open = [...ROLE_TABLE].filter(([, allowed]) => allowed === "anyone").map(([path]) => path);
    expect(open.sort()).toEqual(["/radix.farm.v1.Enrol/Authority", "/radix.farm.v1.Enrol/Join"]);
  });
});

/** Answers anything with an empty message. */
function echo(service: ServiceShape) {
  const handlers = Object.entries(service.methods).map(([key, { responseStream, responseType }]) => {
    const reply = () => responseType.decode(new Uint8Array());
    return [
      key,
      responseStream
        ? async function* () {
            yield reply();
          }
        : async () => reply(),
    ] as const;
  });
  return bindService(service, Object.fromEntries(handlers) as never);
}

const HOUR = 3_600_000;
const now = Date.now();
let farm: TestFarm;
let server: RunningServer;
const channels = new Map<string, Channel>();

async function connect(who: string, key: string | undefined, chain: string | undefined): Promise<void> {
  const grpc = await loadGrpc();
  const pem = (text: string | undefined) => (text === undefined ? null : Buffer.from(text));
  const ca = Buffer.from(farm.authority.certificate.pem);
  const credentials = grpc.credentials.createSsl(ca, pem(key), pem(chain));
  channels.set(who, await openChannel({ address: `localhost:${server.port}`, credentials }));
}

beforeAll(async () => {
  farm = await TestFarm.found({ wallMs: now, addresses: { dns: ["localhost"], ip: [] } });
  const { authority, files, random } = farm;
  const gate = new Gate({
    table: new Map([...ROLE_TABLE].filter(([path]) => path !== "/radix.farm.v1.Resources/Get")),
    authority: authority.certificate,
    revocations: authority.revocations,
    clock: farm.clock,
  });
  server = await startServer({
    address: "localhost:0",
    credentials: await serverCredentials(farm.leader),
    interceptors: [await roleInterceptor(gate)],
    services: SERVICES.map(echo),
  });
  const at = (wallMs: number) =>
    openAuthority({ files, clock: new ManualClock(wallMs), random }, "/leader", authority.cluster);
  const member = async (who: string, role: (typeof FARM_ROLES)[number], issuer = authority, shown = issuer) => {
    const key = makeNodeKey(random);
    const certificate: MemberCertificate = await issuer.issue({
      member: { cluster: issuer.cluster, role, name: "m" },
      enrolment: issuer.newEnrolment(),
      publicKey: spkiOfKey(key),
      addresses: NO_ADDRESSES,
    });
    await connect(who, nodeKeyPem(key), chainPem(certificate, shown.certificate));
    return certificate;
  };
  for (const role of FARM_ROLES) await member(role, role);
  await connect("no certificate", undefined, undefined);
  const stranger = await TestFarm.found({ wallMs: now, seed: 2 });
  await member("wrong authority", "client", stranger.authority);
  await member("wrong authority, ours beside it", "client", stranger.authority, authority);
  await member("expired", "client", at(now - 25 * HOUR));
  await member("not yet valid", "client", at(now + HOUR));
  const revoked = await member("revoked", "client");
  authority.revocations.revoke(revoked.member, revoked.enrolment, "lost");
});

afterAll(async () => {
  for (const channel of channels.values()) channel.close();
  await server.stop(0);
});

async function outcome(who: string, { service, key }: (typeof METHODS)[number]): Promise<string> {
  const method = service.methods[key]!;
  const request = method.requestType.decode(new Uint8Array());
  const call = channels.get(who)!.client(service)[key] as (request: unknown) => unknown;
  const requests = async function* () {
    yield request;
  };
  try {
    const answer = call(method.requestStream ? requests() : request);
    if (method.responseStream) for await (const _ of answer as AsyncIterable<unknown>);
    else await answer;
    return "answered";
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return `${error.status} ${error.peerCode}`;
  }
}

const BAD = [
  ["no certificate", "UNAUTHENTICATED FARM_CERTIFICATE_MISSING"],
  ["wrong authority", "UNAUTHENTICATED FARM_CERTIFICATE_FOREIGN"],
  ["wrong authority, ours beside it", "UNAUTHENTICATED FARM_CERTIFICATE_FOREIGN"],
  ["expired", "UNAUTHENTICATED FARM_CERTIFICATE_EXPIRED"],
  ["not yet valid", "UNAUTHENTICATED FARM_CERTIFICATE_NOT_YET_VALID"],
  ["revoked", "UNAUTHENTICATED FARM_CERTIFICATE_REVOKED"],
] as const;

/** In the generated services, and here left out of the table. */
const UNLISTED = "/radix.farm.v1.Resources/Get";

describe.each(METHODS.map((method) => [method.path, method] as const))("%s", (path, method) => {
  const allowed = ROLE_TABLE.get(path) ?? [];

  it.each(BAD)("from a caller with %s", async (who, expected) => {
    const listed = allowed === "anyone" ? "answered" : expected;
    expect(await outcome(who, method)).toBe(path === UNLISTED ? "PERMISSION_DENIED FARM_METHOD_UNLISTED" : listed);
  });

  it.each(FARM_ROLES)("from a member that is %s", async (role) => {
    const isAllowed = allowed === "anyone" || allowed.includes(role);
    const listed = isAllowed ? "answered" : "PERMISSION_DENIED FARM_ROLE_REFUSED";
    expect(await outcome(role, method)).toBe(path === UNLISTED ? "PERMISSION_DENIED FARM_METHOD_UNLISTED" : listed);
  });
});
