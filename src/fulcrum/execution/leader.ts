import { controlService } from "./control-service.ts";
import { executionServices, PRIORITIES } from "./execution-service.ts";
import { Executions } from "./executions.ts";
import { Journal } from "./journal.ts";
import { leaseService } from "./lease-service.ts";
import type { Leader, LeaderOptions } from "./options.ts";
import { statusServices } from "./status-service.ts";

/** Begins to lead, going on with what an earlier leader of this directory left. One at a time may lead from it. */
export function createLeader(options: LeaderOptions): Leader {
  const journal = new Journal(options.ports, options.directory);
  const executions = new Executions(options, journal);
  executions.restore(journal.begin());
  return {
    services: [
      ...executionServices(executions, options),
      leaseService(executions, options),
      ...statusServices(executions, options),
      controlService(executions),
    ],
    priorities: PRIORITIES,
    figures: () => executions.figures(),
    stop: async () => executions.stop(),
  };
}
