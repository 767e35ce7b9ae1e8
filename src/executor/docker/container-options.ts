import type Docker from "dockerode";
import type { SlotPlaces } from "../back-end.ts";
import type { ExecutionRequest } from "../executor.ts";
import type { ExecutorLimits } from "../limits.ts";
import { allowedProcessors, visibleProcessors } from "../sandbox/processors.ts";
import type { SeccompProfile } from "./seccomp-profile.ts";

export const CONTAINER_PLACES = { build: "/build", home: "/home/build", tmp: "/tmp" } as const;
/** Where the first process writes what the recipe left behind. */
export const REPORT = "/begat-report";

/** /proc files that runc lets be mounted over; the others it refuses. */
export const MASKABLE: readonly string[] = ["cpuinfo", "loadavg", "meminfo", "stat", "uptime"];

export interface ContainerFacts {
  readonly slot: SlotPlaces;
  readonly limits: ExecutorLimits;
  readonly profile: SeccompProfile;
  /** Directory with the files of `MASKABLE`, an empty resolv.conf and the report. */
  readonly shared: string;
  readonly report: string;
  /** As in `RecipeRun`; a container that stays has those of its seat. */
  readonly processors?: readonly number[] | undefined;
}

/** What holds for every container, whatever runs in it. */
export function hostConfig(
  { slot, limits, profile, shared, report, processors }: ContainerFacts,
  request: Pick<ExecutionRequest, "network" | "resources">,
): Docker.HostConfig {
  const count = visibleProcessors(request.resources);
  const all = allowedProcessors();
  const ofSeat = Array.from({ length: Math.min(count, all.length) }, (_, n) => all[(slot.index + n) % all.length]);
  const { memory } = request.resources;
  const openFiles = { Name: "nofile", Soft: limits.openFiles, Hard: limits.openFiles * 4 };
  const fileBytes = limits.outputBytes + 1024 ** 3;
  return {
    NetworkMode: request.network === "none" ? "none" : "host",
    ReadonlyRootfs: true,
    CapDrop: ["ALL"],
    SecurityOpt: ["no-new-privileges:true", `seccomp=${JSON.stringify(profile)}`],
    PidsLimit: request.resources.pids ?? limits.processes,
    ...(memory === undefined ? {} : { Memory: memory, MemorySwap: memory }),
    CpusetCpus: (processors ?? ofSeat).join(","),
    IpcMode: "private",
    LogConfig: { Type: "none", Config: {} },
    Ulimits: [openFiles, { Name: "core", Soft: 0, Hard: 0 }, { Name: "fsize", Soft: fileBytes, Hard: fileBytes }],
    Binds: [
      `${slot.build}:${CONTAINER_PLACES.build}:rw`,
      `${slot.directory}/home:${CONTAINER_PLACES.home}:rw`,
      `${slot.directory}/tmp:${CONTAINER_PLACES.tmp}:rw`,
      `${report}:${REPORT}:rw`,
      ...MASKABLE.map((name) => `${shared}/${name}:/proc/${name}:ro`),
      // The engine writes the host's into every container.
      ...(request.network === "none" ? [`${shared}/resolv.conf:/etc/resolv.conf:ro`] : []),
    ],
  };
}
