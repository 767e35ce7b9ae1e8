import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { ReadyFulcrum } from "../../src/cli/fulcrum-services.ts";
import { type BegatHome, begatProgram } from "./begat.ts";

/** A port of the loopback interface that nobody has at this moment. */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, host, () => resolve((server.address() as { port: number }).port));
  });
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** How a fulcrum ended, and all it said on standard error. */
export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** `begat fulcrum serve` as a process of its own. */
export class FulcrumProcess {
  readonly child: ChildProcess;
  readonly ready: ReadyFulcrum;
  readonly ended: Promise<Ended>;

  private constructor(child: ChildProcess, ready: ReadyFulcrum, ended: Promise<Ended>) {
    this.child = child;
    this.ready = ready;
    this.ended = ended;
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** Resolves when it is ready; rejects with what it said when it ends before. @param before Words before the command. */
  static async start(
    home: BegatHome,
    args: readonly string[],
    before: readonly string[] = [],
  ): Promise<FulcrumProcess> {
    const words = [...before, process.execPath, begatProgram(), "fulcrum", "serve", "--json", ...args];
    const [program = "", ...rest] = words;
    const child = spawn(program, rest, {
      cwd: home.path,
      env: home.environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const ended = new Promise<Ended>((resolve) => {
      child.on("close", (status, signal) => resolve({ status, signal, stderr }));
    });
    const ready = new Promise<ReadyFulcrum>((resolve) => {
      child.stdout?.setEncoding("utf8").on("data", (text: string) => {
        stdout += text;
        const [line = "", more] = stdout.split("\n");
        const event = more === undefined ? undefined : (JSON.parse(line) as ReadyFulcrum & { readonly type: string });
        if (event?.type === "ready") resolve(event);
      });
    });
    const died = ended.then(({ status }) => {
      throw new Error(`the fulcrum ended with ${status} before it was ready\n${stdout}\n${stderr}`);
    });
    return new FulcrumProcess(child, await Promise.race([ready, died]), ended);
  }

  /** Sends the signal; that it has ended is another question. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<Ended> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** Processes whose command line has this word: what a recipe left would show here, whatever sandbox it was in. */
export function processesWith(word: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").includes(word);
      } catch {
        // It ended meanwhile.
        return false;
      }
    });
}

/** Looks again until it holds: what is waited for is another process, and there is nobody to be told by. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}
