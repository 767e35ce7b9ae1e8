import { existsSync } from "node:fs";
import { join } from "node:path/posix";
import {
  type AskOrder,
  builderSocket,
  type EngineAnswer,
  NOT_A_BUILD,
  type Question,
  type WarmAnswers,
} from "../../engine/index.ts";
import { parseArguments } from "../arguments.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import { runCommand } from "../run.ts";
import type { Services } from "../services.ts";
import { Machine } from "../wiring/machine.ts";
import { glanceNames, quickRequest, quickSummary } from "../wiring/quick-service.ts";

/** The command needs more than the engine has. */
class Declined extends Error {}

type Answered = { readonly answer: EngineAnswer; readonly after?: () => Promise<void> };

/**
 * Runs a build's command line as a process of its own would, with what the client said of itself in the place of this
 * process's arguments, environment, directory and terminal, up to the question whether there is anything to do. If there
 * is, or it cannot be told, nothing has been done, and the client does it all, or has the checkout's builder do it.
 *
 * @param directory Where builders' sockets are.
 */
export async function answerCommand(ask: AskOrder, warm: WarmAnswers, directory: string, own: Host): Promise<Answered> {
  const decline = (because: string): Answered => ({ answer: { kind: "declined", because } });
  if (!isPlainBuild(ask.args)) return decline(NOT_A_BUILD);
  let printed = "";
  let because: string | undefined;
  let question: Question | undefined;
  let builder: string | undefined;
  const host: Host = {
    ...own,
    env: ask.env,
    cwd: ask.directory,
    engine: "there",
    stdout: output(ask.stdoutIsTerminal, ask, (text) => {
      printed += text;
    }),
    // Whatever calls for standard error is no good news, and its order with standard output matters to a terminal.
    stderr: output(ask.stderrIsTerminal, ask, () => {
      because ??= "something to complain about";
    }),
    every: () => () => {},
    onSignal: () => () => {},
    onOutputClosed: () => {},
    outputClosed: () => false,
    abandon: () => {},
    openFiles: () => Promise.reject(new Declined()),
    loadLive: () => Promise.reject(new Declined()),
    openServices: async () => {
      const machine = new Machine(host);
      const build: Services["build"] = async (options, listener) => {
        const started = machine.clock.monotonicMs();
        const workspace = machine.workspace(options.directory, options.begatfiles);
        const socket = builderSocket(workspace.root);
        if (ask.takesBuilder && existsSync(join(directory, socket))) builder = socket;
        const request = quickRequest(machine, workspace, options);
        if (request === undefined) throw new Declined();
        const glances = glanceNames(workspace, options, host, ask.args);
        question = { root: workspace.root, ledger: machine.ledgerFile, request, glances };
        // Finding out is then the builder's, which has to know the checkout anyway.
        if (builder !== undefined && !warm.has(question)) throw new Declined();
        const answer = await warm.ask(question);
        if (!answer.upToDate) because = answer.because;
        if (!answer.upToDate) throw new Declined();
        return quickSummary(answer, listener, machine.clock.monotonicMs() - started);
      };
      return { build, close: async () => {} } as Partial<Services> as Services;
    },
  };
  const exitCode = await runCommand(ask.args, host);
  if (because === undefined && exitCode === 0) return { answer: { kind: "done", exitCode, stdout: printed } };
  if (builder !== undefined) return { answer: { kind: "builder", socket: builder } };
  const cold = because === "warming" ? question : undefined;
  return { ...decline(because ?? `exit code ${exitCode}`), ...(cold && { after: () => warm.warm(cold) }) };
}

function isPlainBuild(argv: readonly string[]): boolean {
  try {
    const { verb, flags } = parseArguments(argv);
    return verb === "build" && !["help", "watch", "no-daemon"].some((name) => flags.has(name));
  } catch {
    return false;
  }
}

function output(isTerminal: boolean, { columns, rows }: AskOrder, write: (text: string) => void): Output {
  return {
    isTerminal,
    columns: () => columns || 80,
    rows: () => rows || 24,
    write: (text) => {
      if (text !== "") write(text);
    },
    onResize: () => () => {},
  };
}
