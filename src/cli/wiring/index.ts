import type { Host } from "../host.ts";
import type { BuildOptions, Services } from "../services.ts";
import { Machine } from "./machine.ts";

/** Puts the rooms together for one command. Each service loads what it needs when it is asked. */
export async function openServices(host: Host): Promise<Services> {
  const machine = new Machine(host);
  const begatfiles = () => import("./begatfile-service.ts");
  const history = () => import("./history-service.ts");
  const upkeep = () => import("./upkeep-service.ts");
  const ledger = () => import("./ledger-service.ts");
  const images = () => import("./image-service.ts");
  const farms = () => import("./farm-service.ts");
  const farmStatuses = () => import("./farm-status-service.ts");
  const daemons = () => import("./daemon-service.ts");
  return {
    async build(options, listener, signal) {
      if (options.daemon && !options.dryRun) {
        // Closed last of all: whatever the build has to put down comes first.
        machine.onClose(async () => (await import("../engine/start.ts")).startEngineQuietly(host));
      }
      const workspace = machine.workspace(options.directory, options.begatfiles);
      const { quickly, WarmBuild } = await import("./quick-service.ts");
      const warm = new WarmBuild();
      const quick = quickly(machine, workspace, options, listener, warm);
      if (quick !== undefined) return quick;
      if (options.daemon && isOrdinary(options)) {
        const { startBuilderQuietly } = await import("../engine/start.ts");
        machine.onClose(() => startBuilderQuietly(host, workspace.root));
      }
      const { runBuild } = await import("./build-service.ts");
      return runBuild(machine, workspace, options, listener, signal, warm);
    },
    watch: async (options, observer, signal) =>
      (await import("./watch-service.ts")).watch(machine, options, observer, signal),
    format: async (request) => (await begatfiles()).format(machine, request),
    check: async (options) => (await begatfiles()).check(machine, options),
    graph: async (request) => (await begatfiles()).graph(machine, request),
    why: async (options, about) => (await history()).why(machine, options, about),
    unused: async (options, about, signal) =>
      (await import("./unused-service.ts")).unused(machine, options, about, signal),
    log: async (request) => (await history()).log(machine, request),
    provShow: async (request) => (await history()).provShow(machine, request),
    provTree: async (request) => (await history()).provTree(machine, request),
    prove: async (request) => (await import("./proof-service.ts")).prove(machine, request),
    sbom: async (request) => (await import("./sbom-service.ts")).sbom(machine, request),
    verifyPage: async (output) => (await import("./proof-service.ts")).verifyPage(machine, output),
    verify: async (request) => (await import("./proof-service.ts")).verify(machine, request),
    ask: async (request) => (await import("./question-service.ts")).ask(machine, request),
    ledgerReindex: async () => (await import("./question-service.ts")).ledgerReindex(machine),
    ledgerKeys: async () => (await import("./control-service.ts")).ledgerKeys(machine),
    decide: async (request) => (await import("./control-service.ts")).decide(machine, request),
    ledgerVerify: async (options) => (await upkeep()).ledgerVerify(machine, options),
    ledgerCheckpoint: async () => (await ledger()).ledgerCheckpoint(machine),
    ledgerPin: async (request) => (await ledger()).ledgerPin(machine, request),
    ledgerCompare: async (request) => (await ledger()).ledgerCompare(machine, request),
    ledgerForkProof: async (request) => (await ledger()).ledgerForkProof(machine, request),
    ledgerExport: async (request) => (await ledger()).ledgerExport(machine, request),
    cacheStats: async () => (await upkeep()).cacheStats(machine),
    cacheVerify: async () => (await upkeep()).cacheVerify(machine),
    cacheGc: async (options) => (await upkeep()).cacheGc(machine, options),
    doctor: async (options) => (await upkeep()).doctor(machine, options),
    imageLock: async (request, onFetching, signal) => (await images()).imageLock(machine, request, onFetching, signal),
    imagesDeclared: async (options, names) => (await images()).imagesDeclared(machine, options, names),
    imageStand: async (request) => (await images()).imageStand(machine, request),
    imageList: async () => (await images()).imageList(machine),
    imageExport: async (request, onFetching, signal) =>
      (await images()).imageExport(machine, request, onFetching, signal),
    imagePush: async (request, onFetching, signal) => (await images()).imagePush(machine, request, onFetching, signal),
    farmInit: async (request) => (await farms()).farmInit(machine, request),
    farmToken: async (request) => (await farms()).farmToken(machine, request),
    farmJoin: async (request) => (await farms()).farmJoin(machine, request),
    farmNodes: async (cluster) => (await farms()).farmNodes(machine, cluster),
    farmStatus: async (cluster) => (await farmStatuses()).farmStatus(machine, cluster),
    farmDescribe: async (request) => (await farmStatuses()).farmDescribe(machine, request),
    farmKill: async (request) => (await farmStatuses()).farmKill(machine, request),
    farmRevoke: async (request) => (await farms()).farmRevoke(machine, request),
    farmRenew: async (cluster) => (await farms()).farmRenew(machine, cluster),
    fulcrumServe: async (request, hooks) =>
      (await import("./fulcrum-service.ts")).fulcrumServe(machine, request, hooks),
    daemonStatus: async () => (await daemons()).daemonStatus(machine),
    daemonStart: async (request) => (await daemons()).daemonStart(machine, request),
    daemonStop: async () => (await daemons()).daemonStop(machine),
    daemonServe: async (idleMs, signal) => (await daemons()).daemonServe(machine, idleMs, signal),
    builderServe: async (directory, idleMs, signal) =>
      (await import("./builder-service.ts")).builderServe(machine, directory, idleMs, signal),
    close: () => machine.close(),
  };
}

/** Whether a builder would do as well. */
const isOrdinary = ({ dryRun, check, farm, cache }: BuildOptions): boolean =>
  !dryRun && check === undefined && farm === undefined && cache === undefined;
