import type { Digest } from "../../base/index.ts";
import { decodeEntry, EXECUTION_HINTS_KEY, RpcError } from "../../fulcrum-client/index.ts";
import { type Any, farm, type longrunning, millisecondsOf, reapi } from "../../protocol/index.ts";
import { PRIORITY_CLASSES, type PriorityClass } from "../leader/index.ts";
import { checkDigestFunction, checkInstance, digestFrom, missingOfResult } from "../services/index.ts";
import { type BoundService, bindService, type CallContext } from "../wire/index.ts";
import { missingStatus } from "./answers.ts";
import type { Executions } from "./executions.ts";
import { HitResponses } from "./hit-responses.ts";
import { type ReadyAction, takeIn } from "./intake.ts";
import { type Operation, type OperationRequest, operationMessage } from "./operation.ts";
import type { LeaderOptions } from "./options.ts";

const { COMPLETED } = reapi.ExecutionStage_Value;

/** REAPI: lower goes first. */
export const PRIORITIES = { minPriority: -1, maxPriority: 1 } as const;

/** Who asks for an execution, and what is known of it beforehand. */
interface Asked {
  readonly metadata: reapi.RequestMetadata | undefined;
  readonly context: farm.TravailContext | undefined;
  readonly hints: farm.ExecutionHints | undefined;
}

/** Execution of the Remote Execution API, and begat's own form of it. */
export function executionServices(executions: Executions, options: LeaderOptions): BoundService[] {
  const { blobs, instances, results, ports } = options;
  // Unique for ever by the dice thrown at the start: 20 random bytes for each would be a tenth of what a hit costs.
  const prefix = `executions/${Buffer.from(ports.random.bytes(10)).toString("hex")}`;
  let numbers = 0;
  const hits = new HitResponses(blobs);
  const newName = () => prefix + (++numbers).toString(16).padStart(20, "0");

  const execution = bindService(reapi.ExecutionDefinition, {
    async *execute(request, context) {
      const hints = decodeEntry(context.metadata(EXECUTION_HINTS_KEY), farm.ExecutionHints);
      yield* execute(
        request,
        { metadata: context.requestMetadata(), context: context.travailContext(), hints },
        context,
      );
    },

    async *waitExecution({ name }, context) {
      const operation = executions.operations.get(name);
      if (operation === undefined) {
        throw new RpcError("NOT_FOUND", `no operation ${JSON.stringify(name)} is known; ask for the execution again`);
      }
      yield* follow(operation, context);
    },
  });
  const chores = bindService(farm.ChoresDefinition, {
    async *execute({ execute: request, metadata, context: travail, hints, blobs: brought }, context) {
      if (request === undefined) throw new RpcError("INVALID_ARGUMENT", "the call brings no request");
      for (const bytes of brought) blobs.write(bytes);
      yield* execute(request, { metadata, context: travail, hints }, context, true);
    },
  });
  return [execution, chores];

  async function* execute(
    request: reapi.ExecuteRequest,
    asked: Asked,
    context: CallContext,
    isEndAlone = false,
  ): AsyncGenerator<longrunning.Operation, void> {
    checkInstance(instances, request.instanceName);
    checkDigestFunction(request.digestFunction);
    const action = digestFrom(request.actionDigest, "the action");
    const done = (response: reapi.ExecuteResponse | Any) => operationMessage(newName(), action, COMPLETED, response);
    if (!request.skipCacheLookup) {
      const result = await results.get(request.instanceName, action, context);
      if (result !== undefined && missingOfResult(blobs, result).length === 0) {
        executions.countHit();
        yield done(hits.response(result, request));
        return;
      }
    }
    const intake = takeIn(blobs, action);
    if (intake.kind === "missing") {
      const status = missingStatus(intake.digests.map(({ hash, sizeBytes }) => `${hash}/${sizeBytes}`));
      yield done({ ...reapi.ExecuteResponse.create(), status, message: status.message });
      return;
    }
    const operation = executions.submit(operationRequest(newName(), action, request, intake, asked), intake.inputs);
    yield* follow(operation, context, isEndAlone);
  }

  async function* follow(
    operation: Operation,
    { signal }: CallContext,
    isEndAlone = false,
  ): AsyncGenerator<longrunning.Operation, void> {
    executions.followed(operation);
    try {
      yield* operation.follow(signal, isEndAlone);
    } finally {
      executions.left(operation);
    }
  }

  function operationRequest(
    name: string,
    action: Digest,
    request: reapi.ExecuteRequest,
    intake: ReadyAction,
    { metadata, context, hints }: Asked,
  ): OperationRequest {
    const invocation = metadata?.toolInvocationId || name;
    const travail = travailContext(context, metadata, invocation, action);
    return {
      name,
      instance: request.instanceName,
      action: { hash: action.hash, sizeBytes: action.sizeBytes },
      context: travail,
      inlineStdout: request.inlineStdout,
      inlineStderr: request.inlineStderr,
      inlineOutputFiles: request.inlineOutputFiles,
      queuedAtMs: executions.wallMs,
      submission: {
        execution: name,
        // Of its own, so that one stream that breaks takes nothing else along.
        client: name,
        invocation,
        weight: hints !== undefined && hints.weight > 0 ? hints.weight : 1,
        class: classOf(hints?.priorityClass, request.executionPolicy?.priority ?? 0),
        action: `${action.hash}/${action.sizeBytes}`,
        scope: `${request.instanceName}\n${options.defaultImage ?? ""}`,
        platform: intake.platform,
        historyKey: hints?.historyKey || historyKeyOf(travail, intake),
        expectedMs: hints?.expected === undefined ? undefined : millisecondsOf(hints.expected),
        rankMs: hints?.rank === undefined ? undefined : millisecondsOf(hints.rank),
        skipCache: request.skipCacheLookup,
        doNotCache: intake.doNotCache,
      },
    };
  }

  /** What the rnode signs, where the client says nothing of a ledger of its own. */
  function travailContext(
    given: farm.TravailContext | undefined,
    metadata: reapi.RequestMetadata | undefined,
    invocation: string,
    action: Digest,
  ): farm.TravailContext {
    const made = given ?? farm.TravailContext.create();
    return {
      ...made,
      log: made.log || options.ledgerOrigin,
      build: made.build || invocation,
      chore: made.chore || metadata?.targetId || `action ${action.hash.slice(0, 12)}`,
      dictum: made.dictum || metadata?.actionMnemonic || "action",
      attempt: made.attempt || 1,
      version: made.version || options.version,
      who: made.who || toolOf(metadata),
    };
  }
}

function toolOf(metadata: reapi.RequestMetadata | undefined): string {
  const { toolName = "", toolVersion = "" } = metadata?.toolDetails ?? {};
  return [toolName, toolVersion].filter((text) => text !== "").join(" ");
}

function classOf(hint: string | undefined, priority: number): PriorityClass {
  const named = PRIORITY_CLASSES.find((name) => name === hint);
  return named ?? (priority < 0 ? "interactive" : priority > 0 ? "background" : "ci");
}

/** A chore's label; of others what they make, which stays the same while their inputs change. */
function historyKeyOf({ chore, dictum }: farm.TravailContext, { firstOutput }: ReadyAction): string {
  return firstOutput === undefined ? `${dictum} ${chore}` : `${dictum} ${chore} ${firstOutput}`;
}
