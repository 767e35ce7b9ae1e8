import { readFileSync, writeFileSync } from "node:fs";
import { Writable } from "node:stream";
import type Docker from "dockerode";
import type { OutputListener } from "../executor.ts";
import type { LaunchedCommand } from "../launcher/launcher.ts";
import { OutputCapture } from "../launcher/output-capture.ts";
import type { DockerClient } from "./docker-client.ts";

export interface ContainerRun {
  readonly client: DockerClient;
  readonly report: string;
  readonly keepBytes: number;
  readonly onOutput: OutputListener | undefined;
  readonly signal: AbortSignal;
}

/** Creates a container, runs it to its end, removes it. When this answers or throws, nothing of it is left. */
export async function runContainer(
  options: Docker.ContainerCreateOptions,
  { client, report, keepBytes, onOutput, signal }: ContainerRun,
): Promise<LaunchedCommand> {
  writeFileSync(report, "");
  const container = await client.docker.createContainer(options);
  // The engine has no way to kill one process: the whole container goes.
  const kill = () => void container.kill().catch(() => undefined);
  try {
    if (signal.aborted) return ended(undefined, captures(keepBytes, onOutput), "");
    const streams = captures(keepBytes, onOutput);
    // Attached before it starts, or the first lines would be lost.
    const attached = await container.attach({ stream: true, stdout: true, stderr: true });
    const delivered = demultiplex(client, attached, streams);
    await container.start();
    signal.addEventListener("abort", kill, { once: true });
    if (signal.aborted) kill();
    const { StatusCode: status } = (await container.wait()) as { StatusCode: number };
    // wait() answers before all of the output has come.
    await delivered;
    return ended(signal.aborted ? undefined : status, streams, readFileSync(report, "latin1"));
  } finally {
    signal.removeEventListener("abort", kill);
    await client.remove(container);
  }
}

/**
 * The same in a container that stays: a third of the time, but what it has in /dev/shm and in System V memory stays, too.
 */
export async function runInContainer(
  container: Docker.Container,
  options: Docker.ExecCreateOptions,
  { client, report, keepBytes, onOutput, signal }: ContainerRun,
): Promise<LaunchedCommand> {
  writeFileSync(report, "");
  const kill = () => void container.kill().catch(() => undefined);
  signal.addEventListener("abort", kill, { once: true });
  try {
    const exec = await container.exec({ ...options, AttachStdout: true, AttachStderr: true });
    const streams = captures(keepBytes, onOutput);
    const attached = await exec.start({ hijack: true, stdin: false });
    await demultiplex(client, attached, streams);
    const { ExitCode: status } = await exec.inspect();
    return ended(signal.aborted ? undefined : (status ?? undefined), streams, readFileSync(report, "latin1"));
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

function captures(keepBytes: number, onOutput: OutputListener | undefined): [OutputCapture, OutputCapture] {
  const of = (name: "stdout" | "stderr") =>
    OutputCapture.unmarked(keepBytes, onOutput && ((bytes) => onOutput(name, bytes)));
  return [of("stdout"), of("stderr")];
}

function demultiplex(
  client: DockerClient,
  attached: NodeJS.ReadWriteStream,
  streams: readonly [OutputCapture, OutputCapture],
): Promise<void> {
  const [out, err] = streams.map(
    (capture) =>
      new Writable({
        write(bytes: Buffer, _encoding, done) {
          capture.feed(bytes);
          done();
        },
      }),
  ) as [Writable, Writable];
  client.docker.modem.demuxStream(attached, out, err);
  return new Promise((resolve) => {
    const finish = () => {
      for (const capture of streams) capture.end();
      resolve();
    };
    attached.once("end", finish);
    attached.once("error", finish);
    attached.once("close", finish);
  });
}

function ended(
  status: number | undefined,
  [stdout, stderr]: readonly [OutputCapture, OutputCapture],
  report: string,
): LaunchedCommand {
  const lines = report.split("\n");
  const left =
    lines
      .findLast((line) => line.startsWith("left "))
      ?.slice(5)
      .split(" ") ?? [];
  const [count = "0", ...leftNames] = left;
  return {
    status,
    lost: false,
    leftCount: Number(count),
    leftNames,
    begun: lines.includes("begun"),
    stdout,
    stderr,
  };
}
