import { askEngine } from "./engine/ask.ts";
import type { Host } from "./host.ts";
import { nodeOutput } from "./node-output.ts";
import { runCommand } from "./run.ts";

/** What begat-client leaves for whoever takes over from it: whether it asked the engine. Nobody's children's business. */
function askedBefore(): string | undefined {
  const asked = process.env.BEGAT_ASKED;
  delete process.env.BEGAT_ASKED;
  return asked;
}

/** Runs this process's command line, or has the warm engine answer it, and ends the process with the answer. */
export async function runProcess(version: Host["version"]): Promise<void> {
  const before = askedBefore();
  const stdout = nodeOutput(process.stdout);
  const stderr = nodeOutput(process.stderr);
  const alone: Host = {
    stdout,
    stderr,
    env: process.env,
    cwd: process.cwd(),
    version,
    engine: "unwanted",
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
  const argv = process.argv.slice(2);
  const asked = await askEngine(argv, alone, before);
  const host: Host = { ...alone, engine: asked.answered ? "there" : asked.engine };
  if (asked.answered) stdout.write(asked.stdout);
  const exitCode = asked.answered ? asked.exitCode : await runCommand(argv, host);
  await Promise.all([stdout.drained(), stderr.drained()]);
  // Whatever is still open (a launcher, a watcher) must not keep a finished command waiting.
  process.exit(stdout.closed() ? 141 : exitCode);
}
