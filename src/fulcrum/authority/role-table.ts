import { FARM_ROLES, type FarmRole } from "../../fulcrum-client/index.ts";

/** Who may call a method: `anyone` needs no certificate, the others one of these roles. */
export type Allowed = "anyone" | readonly FarmRole[];

/** By the path of the call, `/package.Service/Method`. What is not in it is refused. */
export type RoleTable = ReadonlyMap<string, Allowed>;

const MEMBERS: Allowed = FARM_ROLES;
const READS_RECORDS: Allowed = ["auditor", "operator"];
const BRINGS_BLOBS: Allowed = ["rnode", "client"];
const EXECUTES: Allowed = ["client"];

const REAPI = "build.bazel.remote.execution.v2";
const FARM = "radix.farm.v1";

const SERVICES: Readonly<Record<string, Readonly<Record<string, Allowed>>>> = {
  // The one way in: a joiner has a token instead of a certificate, and must learn the time before it shows that.
  [`${FARM}.Enrol`]: { Join: "anyone", Authority: "anyone", Renew: MEMBERS },
  [`${FARM}.Lease`]: { Work: ["rnode"] },
  [`${FARM}.Chores`]: { Execute: EXECUTES },
  [`${FARM}.Status`]: { Get: MEMBERS, Watch: MEMBERS },
  [`${FARM}.Resources`]: { Get: MEMBERS },
  // A client may ask whether what it was given is in the leader's ledger; all of it is for those who look after it.
  [`${FARM}.Memoir`]: { Checkpoint: MEMBERS, Proof: MEMBERS, Read: READS_RECORDS },
  [`${FARM}.Control`]: {
    List: ["client", "auditor", "operator"],
    Describe: ["client", "auditor", "operator"],
    Kill: ["operator"],
    // Ends only what nobody waits for: whose it is need not be asked.
    Leave: EXECUTES,
  },
  [`${REAPI}.Capabilities`]: { GetCapabilities: MEMBERS },
  [`${REAPI}.ContentAddressableStorage`]: {
    FindMissingBlobs: MEMBERS,
    BatchReadBlobs: MEMBERS,
    GetTree: MEMBERS,
    BatchUpdateBlobs: BRINGS_BLOBS,
  },
  "google.bytestream.ByteStream": { Read: MEMBERS, Write: BRINGS_BLOBS, QueryWriteStatus: BRINGS_BLOBS },
  // Results come from executions; whether clients may write them at all is the service's own switch.
  [`${REAPI}.ActionCache`]: { GetActionResult: MEMBERS, UpdateActionResult: EXECUTES },
  [`${REAPI}.Execution`]: { Execute: EXECUTES, WaitExecution: EXECUTES },
  "grpc.health.v1.Health": { Check: MEMBERS, Watch: MEMBERS },
  "grpc.reflection.v1.ServerReflection": { ServerReflectionInfo: MEMBERS },
  "grpc.reflection.v1alpha.ServerReflection": { ServerReflectionInfo: MEMBERS },
};

export const ROLE_TABLE: RoleTable = new Map(
  Object.entries(SERVICES).flatMap(([service, methods]) =>
    Object.entries(methods).map(([method, allowed]): [string, Allowed] => [`/${service}/${method}`, allowed]),
  ),
);
