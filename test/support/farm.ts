import { generateKeyPairSync, sign } from "node:crypto";
import {
  type Authority,
  createAuthority,
  type EnrolHandlers,
  enrolHandlers,
  enrolLeader,
} from "../../src/fulcrum/index.ts";
import {
  type FarmRole,
  type Identity,
  type Joined,
  type JoinOptions,
  type JoinWire,
  joinFarm,
  type Member,
  type MemberCertificate,
  makeNodeKey,
  type ServerAddresses,
  type SigningKey,
  spkiOfKey,
} from "../../src/fulcrum-client/index.ts";
import { ManualClock } from "./manual-clock.ts";
import { MemoryFileTree } from "./memory-file-tree.ts";
import { SeededRandom } from "./seeded-random.ts";

export const LEADER = "leader.test:7300";

/** A key an rnode could sign travails with. */
export function signingKey(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return {
    publicKey: publicKey.export({ format: "der", type: "spki" }).subarray(-32),
    sign: (bytes) => sign(null, bytes, privateKey),
  };
}

/** A farm in memory: the authority with its books, the leader's own membership, and the calls without a wire. */
export class TestFarm {
  readonly files = new MemoryFileTree();
  readonly clock: ManualClock;
  readonly random: SeededRandom;
  readonly authority: Authority;
  readonly leader: Identity;
  readonly handlers: EnrolHandlers;
  #next = 0;

  private constructor(parts: Pick<TestFarm, "clock" | "random" | "authority" | "leader">, files: MemoryFileTree) {
    this.clock = parts.clock;
    this.random = parts.random;
    this.authority = parts.authority;
    this.leader = parts.leader;
    this.files = files;
    this.handlers = enrolHandlers(parts.authority, "ledger-of-the-leader");
  }

  static async found(
    options: { wallMs?: number; seed?: number; addresses?: ServerAddresses; leader?: string } = {},
  ): Promise<TestFarm> {
    const files = new MemoryFileTree();
    const clock = new ManualClock(options.wallMs);
    const random = new SeededRandom(options.seed ?? 1);
    const authority = await createAuthority({ files, clock, random }, "/leader");
    const leader = await enrolLeader(authority, "/leader", {
      name: "leader",
      address: options.leader ?? LEADER,
      addresses: options.addresses ?? { dns: ["leader.test"], ip: [] },
      signingKey: signingKey(),
    });
    return new TestFarm({ clock, random, authority, leader }, files);
  }

  token(role: FarmRole, lifeMs = 3_600_000, uses = 1): string {
    return this.authority.tokens.create(role, lifeMs, uses).text;
  }

  /** A wire that is a function call; the chain shown is the leader's, or another. */
  wire(chain: readonly Uint8Array[] = this.chain()): JoinWire {
    const caller = { address: "10.0.0.1", certificate: undefined };
    return {
      presentedChain: async () => chain,
      connect: async () => ({
        calls: {
          authority: async () => this.handlers.authority(),
          join: (request) => this.handlers.join(request, caller),
          renew: (request) => this.handlers.renew(request, caller),
        },
        close() {},
      }),
    };
  }

  chain(): readonly Uint8Array[] {
    return [this.leader.certificate.der, this.authority.certificate.certificate.raw];
  }

  join(role: FarmRole, options: Partial<JoinOptions> & { clock?: ManualClock; wire?: JoinWire } = {}): Promise<Joined> {
    const { clock = this.clock, wire = this.wire(), ...given } = options;
    const number = ++this.#next;
    return joinFarm(
      {
        address: LEADER,
        token: given.token ?? this.token(role),
        name: `${role}-${number}`,
        stateHome: `/member-${number}`,
        signingKey: role === "rnode" ? signingKey() : undefined,
        ...given,
      },
      { files: this.files, random: this.random, clock, wire },
    );
  }

  /** A certificate without a join, as the authority would give it at `clock`'s time. */
  certificate(member: Omit<Member, "cluster">, addresses: ServerAddresses = { dns: [], ip: [] }) {
    const key = makeNodeKey(this.random);
    const { authority } = this;
    const issued: Promise<MemberCertificate> = authority.issue({
      member: { cluster: authority.cluster, ...member },
      enrolment: authority.newEnrolment(),
      publicKey: spkiOfKey(key),
      addresses,
    });
    return issued.then((certificate) => ({ key, certificate }));
  }
}
