import type { BackEnd, SlotPlaces } from "../back-end.ts";
import type { Capabilities, Executor, Isolation } from "../executor.ts";
import { ExecutorError } from "../executor.ts";
import { shellWord, shellWords } from "../launcher/shell-word.ts";
import { commandWithEnvironment } from "../shell-command.ts";
import { StagedExecutor, type StagedExecutorOptions } from "../staged-executor.ts";
import { withOneProcessor, withOtherProcessIds } from "../variation.ts";

const backEnd: BackEnd = {
  name: "process",
  containments: ["pid-namespace", "scan"],
  bindsInputs: false,
  sandbox: undefined,
  prepare: () => undefined,
  setup: () => "",
  placesOf: (slot) => ({ build: slot.build, home: `${slot.directory}/home`, tmp: `${slot.directory}/tmp` }),
  command({ request, environment, slot, variation, tracer = [] }) {
    const [variables, command] = commandWithEnvironment(request.argv, environment);
    const varied = variation === undefined ? command : withOtherProcessIds(command, variation);
    const argv = [...(variation === undefined ? [] : withOneProcessor(variation)), ...tracer, ...varied];
    const before = variables.map(([name, value]) => `${name}=${shellWord(value)} `).join("");
    const enter = `cd ${shellWord(workingDirectory(slot, request.directory))}; unset PWD OLDPWD; `;
    // The launcher's report is not for recipes to write.
    const run = `${before}${shellWords(argv)} </dev/null 3>&-`;
    const limits = limitsOf(request.resources);
    return limits === "" ? enter + run : `${enter}( ${limits}${run} )`;
  },
  interactiveCommand({ request, environment, slot }) {
    // Through env(1), since the shell in between would drop some names.
    const variables = environment.map(([name, value]) => `${name}=${value}`);
    return {
      argv: ["/usr/bin/env", "-i", ...variables, ...request.argv],
      env: {},
      cwd: workingDirectory(slot, request.directory),
    };
  },
};

function workingDirectory(slot: SlotPlaces, directory: string): string {
  return directory === "" ? slot.build : `${slot.build}/${directory}`;
}

/** Shell text that sets what a recipe declared it needs as what it may have. */
export function limitsOf(resources: Readonly<Record<string, number>>): string {
  // Of data, not of address space: V8, Go and sanitisers reserve far more of that than they use.
  const memory = resources.memory;
  const pids = resources.pids;
  return (
    (memory === undefined ? "" : `ulimit -d ${Math.ceil(memory / 1024)}; `) +
    (pids === undefined ? "" : `ulimit -u ${pids} 2>/dev/null || ulimit -p ${pids}; `)
  );
}

class ProcessExecutor extends StagedExecutor {
  constructor(options: StagedExecutorOptions) {
    super(options, backEnd);
  }

  protected async look(): Promise<Capabilities> {
    const isolation: Isolation = {
      level: "none",
      backend: "process",
      backendVersion: "1",
      namespaces: [],
      network: "host",
      uidDropped: this.dropsUser,
      knownLeaks: ["clock", "filesystem", "host-tools", "network", "proc", "random"],
    };
    try {
      await this.warm();
    } catch (error) {
      if (!(error instanceof ExecutorError)) throw error;
      return { usable: false, findings: [error.message], isolation, canaries: [] };
    }
    const containment = this.containment();
    const findings: string[] = [];
    if (containment === "scan") {
      findings.push(
        this.dropsUser
          ? "no PID namespace: leftover processes are found by their user id"
          : "no PID namespace and no user of its own: a leftover process that hides cannot be found",
      );
    }
    const namespaces = containment === "pid-namespace" ? ["mnt", "pid"] : [];
    return {
      usable: true,
      findings,
      isolation: { ...isolation, namespaces },
      canaries: [{ name: "uid-dropped", held: this.dropsUser }],
    };
  }
}

/** Runs recipes in a staged directory with a scrubbed environment, and no more: level `none`. */
export function createProcessExecutor(options: StagedExecutorOptions): Executor {
  return new ProcessExecutor(options);
}
