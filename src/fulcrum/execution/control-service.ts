import { RpcError } from "../../fulcrum-client/index.ts";
import { farm, timestampOf } from "../../protocol/index.ts";
import { type BoundService, bindService } from "../wire/index.ts";
import type { Executions } from "./executions.ts";
import { executionStatus } from "./status-service.ts";

/** `radix.farm.v1.Control`: what is executed, why there or why not yet, and its end. */
export const controlService = (executions: Executions): BoundService =>
  bindService(farm.ControlDefinition, {
    async list() {
      return { executions: [...executions.operations.active()].map((one) => executionStatus(executions, one)) };
    },

    async describe({ name }) {
      const operation = executions.operations.get(name);
      if (operation === undefined) throw unknown(name);
      const decisions = executions.log.of(name).map(({ atMs, text }) => ({ at: timestampOf(atMs), text }));
      return { execution: executionStatus(executions, operation), decisions };
    },

    async leave({ name }) {
      executions.leave(name);
      return {};
    },

    async kill({ name, reason }) {
      if (executions.operations.get(name) === undefined) throw unknown(name);
      return { killed: executions.kill(name, reason === "" ? "no reason given" : reason) };
    },
  });

const unknown = (name: string): RpcError => new RpcError("NOT_FOUND", `no operation ${JSON.stringify(name)} is known`);
