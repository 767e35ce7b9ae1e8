import type { Host } from "./host.ts";
import { nodeOutput } from "./node-output.ts";
import { runCommand } from "./run.ts";

/** Runs this process's command line and ends the process with the answer. */
export async function runProcess(version: Host["version"]): Promise<void> {
  const stdout = nodeOutput(process.stdout);
  const stderr = nodeOutput(process.stderr);
  const host: Host = {
    stdout,
    stderr,
    env: process.env,
    cwd: process.cwd(),
    version,
    now: () => performance.now(),
    every(ms, work) {
      const timer = setInterval(work, ms);
      timer.unref();
      return () => clearInterval(timer);
    },
    onSignal(signal, listener) {
      process.on(signal, listener);
      return () => process.off(signal, listener);
    },
    onOutputClosed: (listener) => stdout.onClosed(listener),
    outputClosed: () => stdout.closed(),
    abandon: (exitCode) => process.exit(exitCode),
    async openFiles() {
      const { NodeFileTree } = await import("../platform/index.ts");
      return new NodeFileTree();
    },
    async openServices() {
      const { openServices } = await import("./wiring/index.ts");
      return openServices(host);
    },
    loadLive: () => import("./render/live.tsx"),
  };
  const exitCode = await runCommand(process.argv.slice(2), host);
  await Promise.all([stdout.drained(), stderr.drained()]);
  // Whatever is still open (a launcher, a watcher) must not keep a finished command waiting.
  process.exit(stdout.closed() ? 141 : exitCode);
}
