import { beforeEach, describe, expect, test } from "vitest";
import { Gate, Revocations, ROLE_TABLE } from "../../../src/fulcrum/index.ts";
import type { Identity } from "../../../src/fulcrum-client/index.ts";
import { TestFarm } from "../../support/farm.ts";

const METHOD = "/radix.farm.v1.Memoir/Checkpoint";

describe("an rnode's own list of memberships that are over", () => {
  let farm: TestFarm;
  let client: Identity;
  const listAt = (directory: string) => new Revocations(farm, directory, farm.authority.certificate);
  const revoke = async (): Promise<Identity> => {
    const { identity } = await farm.join("client");
    const { member, enrolment } = identity.certificate;
    farm.authority.revocations.revoke(member, enrolment, "stolen");
    return identity;
  };
  const admitted = (revocations: Revocations, { certificate }: Identity) =>
    new Gate({ table: ROLE_TABLE, authority: farm.authority.certificate, revocations, clock: farm.clock }).admit(
      METHOD,
      {
        der: certificate.der,
        accepted: true,
      },
    );

  beforeEach(async () => {
    farm = await TestFarm.found();
    client = await revoke();
  });

  test("refuses whom the leader revoked, also in its next process", () => {
    const list = listAt("/rnode");
    expect(admitted(list, client)).toMatchObject({ admitted: true });
    list.take(farm.authority.revocations.documents(0).documents);
    for (const one of [list, listAt("/rnode")]) {
      expect(admitted(one, client)).toMatchObject({ admitted: false, code: "FARM_CERTIFICATE_REVOKED" });
    }
  });

  test("goes on with what it has, whatever of it is said again", async () => {
    const list = listAt("/rnode");
    list.take(farm.authority.revocations.documents(0).documents);
    const second = await revoke();
    const { count, documents } = farm.authority.revocations.documents(1);
    expect([count, documents.length]).toEqual([2, 1]);
    list.take(farm.authority.revocations.documents(0).documents);
    list.take(documents);
    expect(list.list().map(({ enrolment }) => enrolment)).toEqual(
      [client, second].map(({ certificate }) => certificate.enrolment),
    );
  });

  test("takes nothing that its farm's authority did not sign, and nothing out of turn", async () => {
    const other = await TestFarm.found({ seed: 2 });
    const stranger = (await other.join("client")).identity.certificate;
    other.authority.revocations.revoke(stranger.member, stranger.enrolment, "elsewhere");
    await revoke();
    const list = listAt("/rnode");
    for (const documents of [
      other.authority.revocations.documents(0).documents,
      farm.authority.revocations.documents(1).documents,
    ]) {
      expect(() => list.take(documents)).toThrow(expect.objectContaining({ code: "FARM_REVOCATIONS_TAMPERED" }));
    }
    expect(list.list()).toEqual([]);
    expect(admitted(list, client)).toMatchObject({ admitted: true });
  });
});
