import { existsSync, statfsSync } from "node:fs";
import { explain, hintOf, isAtLeast, type Sha256 } from "../../base/index.ts";
import { cacheStatistics, collectGarbage, verifyCache } from "../../cache/index.ts";
import {
  type Capabilities,
  createBubblewrapExecutor,
  createDockerExecutor,
  createProcessExecutor,
  createServerExecutor,
  type Executor,
  pruneAction,
} from "../../executor/index.ts";
import {
  keyFileProblems,
  memories,
  otherPins,
  readLastSigned,
  readPin,
  type LedgerVerdict as Verdict,
  verdictOfFailure,
  verifyLedger,
  verifyTiles,
} from "../../provenance/index.ts";
import type {
  CacheStats,
  CacheVerdict,
  CollectionReport,
  DoctorReport,
  Finding,
  LedgerVerdict,
  LedgerVerifyRequest,
} from "../services.ts";
import { engineFinding } from "./daemon-service.ts";
import type { Machine } from "./machine.ts";
import { lister, openUserLedger } from "./records.ts";
import { spawnServerProgram } from "./spawn-server-program.ts";

/** Signing takes two syncs of the disk; a slow one needs 100 ms for each. */
const SIGNING_MS = 500;

async function verifyOnce(machine: Machine, signatures: boolean): Promise<Verdict> {
  const { stateHome, cacheHome } = machine.directories;
  // Before the ledger is opened: it may grow in between.
  const pin = readPin(machine.fs, stateHome);
  const lastSigned = readLastSigned(machine.fs, stateHome);
  try {
    const ledger = await openUserLedger(machine, false);
    return await verifyLedger(ledger, {
      signatures,
      lister,
      pruner: pruneAction,
      pin,
      memory: { pins: otherPins(machine.fs, stateHome, cacheHome, ledger.identity), lastSigned },
      keyFiles: (history) => keyFileProblems(machine.fs, stateHome, history),
      subtrees: () => ledger.keptSubtrees(),
      storage: () => ledger.checkStorage(),
    });
  } catch (error) {
    return verdictOfFailure(error);
  }
}

/** Of an exported ledger: what this machine remembers of it counts, where it knows it. */
function verifyExported(machine: Machine, directory: string): Verdict {
  const { stateHome, cacheHome } = machine.directories;
  return verifyTiles(machine.fs, directory, (identity) =>
    memories(machine.fs, { stateHome, cacheHome }, { identity, origin: "" }).filter(
      ({ read }) => read.state === "present" && read.pin.ledger === identity && read.pin.log !== "",
    ),
  );
}

export async function ledgerVerify(
  machine: Machine,
  { signatures, tiles }: LedgerVerifyRequest,
): Promise<LedgerVerdict> {
  const started = machine.clock.monotonicMs();
  let verdict = tiles === undefined ? await verifyOnce(machine, signatures) : verifyExported(machine, tiles);
  if (verdict.unsigned) {
    // Another process may have ended its build a moment ago, and be about to sign for it.
    await machine.clock.sleep(SIGNING_MS);
    verdict = await verifyOnce(machine, signatures);
  }
  return {
    verdict: verdict.verdict,
    path: tiles ?? machine.ledgerFile,
    identity: verdict.identity,
    size: verdict.size,
    executions: verdict.executions,
    signatures: verdict.signatures,
    root: verdict.root,
    checkpoints: verdict.checkpoints,
    witnessed: verdict.witnessed,
    problems: verdict.findings.map(({ seq, message }) => ({ seq, message })),
    notes: verdict.notes,
    durationMs: machine.clock.monotonicMs() - started,
  };
}

export async function cacheStats(machine: Machine): Promise<CacheStats> {
  const { cacheHome } = machine.directories;
  const found = cacheStatistics(machine.fs, cacheHome, await machine.index());
  return {
    directory: cacheHome,
    blobs: found.blobs,
    sizeBytes: found.blobBytes,
    quarantined: found.quarantined,
    executions: found.executions,
    indexSizeBytes: found.indexBytes,
    leases: found.leases,
  };
}

export async function cacheVerify(machine: Machine): Promise<CacheVerdict> {
  const started = machine.clock.monotonicMs();
  const { fs, clock, processes, random, bulk } = machine;
  const { cacheHome } = machine.directories;
  const index = await machine.index();
  const found = await verifyCache({ fs, clock, processes, random, bulk, cacheHome, index });
  return {
    blobs: found.checked,
    sizeBytes: found.checkedBytes,
    bad: found.corrupt.map(({ digest, found: hash, movedTo }) => ({ hash: digest.hash, found: hash, movedTo })),
    durationMs: machine.clock.monotonicMs() - started,
  };
}

export async function cacheGc(
  machine: Machine,
  options: { readonly maxSizeBytes: number; readonly dryRun: boolean },
): Promise<CollectionReport> {
  const { fs, clock, processes } = machine;
  const result = await collectGarbage({
    fs,
    clock,
    processes,
    cacheHome: machine.directories.cacheHome,
    index: await machine.index(),
    maxSizeBytes: options.maxSizeBytes,
    dryRun: options.dryRun,
    // What a travail needs to be verified stands in the ledger itself, as manifests; no blob is needed for it.
    isRequired: (_hash: Sha256) => false,
  });
  return { ...result, dryRun: options.dryRun };
}

export async function doctor(machine: Machine, options: { readonly directory: string }): Promise<DoctorReport> {
  const findings: Finding[] = [
    { subject: "begat", state: "ok", text: machine.host.version.version, hint: undefined },
    { subject: "node", state: "ok", text: process.versions.node, hint: undefined },
  ];
  const { stateHome, cacheHome } = machine.directories;
  findings.push(homeFinding(machine, "state home", stateHome, "BEGAT_STATE_HOME"));
  findings.push(homeFinding(machine, "cache home", cacheHome, "BEGAT_CACHE_HOME"));
  findings.push(await ledgerFinding(machine));
  findings.push(diskFinding("disk", existing(machine, cacheHome)));
  findings.push(diskFinding("memory staging", "/dev/shm"));
  const found = await executors(machine, options.directory);
  findings.push(executorFinding(found));
  findings.push(await engineFinding(machine));
  return { findings, executors: found };
}

/** Which one runs chores that name none, and why not one before it. */
function executorFinding(found: DoctorReport["executors"]): Finding {
  const passed: string[] = [];
  for (const { name, capabilities } of found.filter(({ name }) => name === "server" || name === "bubblewrap")) {
    const { usable, isolation, findings } = capabilities;
    if (usable && isAtLeast(isolation.level, "contained")) {
      const why = passed.length === 0 ? "the first choice, and its canaries hold" : `not ${passed.join("; not ")}`;
      return { subject: "executor", state: "ok", text: `${name}: ${why}`, hint: undefined };
    }
    passed.push(`${name}: ${findings.join(", ") || `level ${isolation.level}`}`);
  }
  // Where both are there and neither may make a sandbox, installing helps nothing.
  const isBuilt = existsSync(spawnServerProgram());
  const hint = isBuilt ? undefined : "install bubblewrap, or a C compiler for the spawn server and run `npm rebuild`";
  return { subject: "executor", state: "weak", text: `no sandbox: not ${passed.join("; not ")}`, hint };
}

async function executors(machine: Machine, directory: string): Promise<DoctorReport["executors"]> {
  const common = {
    blobs: machine.blobs(undefined),
    clock: machine.clock,
    slots: 1,
    inputRoots: [directory, machine.layout.cas],
    diskStaging: `${machine.directories.cacheHome}/staging`,
  };
  const found: { name: string; capabilities: Capabilities }[] = [];
  const makers: readonly (() => Executor)[] = [
    () => createServerExecutor({ ...common, server: spawnServerProgram() }),
    () => createBubblewrapExecutor(common),
    () => createProcessExecutor(common),
  ];
  for (const make of makers) {
    const executor = make();
    const { withImage, ...capabilities } = await executor.probe();
    found.push({ name: executor.name, capabilities });
    if (withImage !== undefined) found.push({ name: `${executor.name} in images`, capabilities: withImage });
    await executor.close();
  }
  // Its own level is none, since it runs nothing outside of images; a machine without an engine lacks nothing.
  const docker = createDockerExecutor({ ...common, imageOf: async () => undefined });
  const { usable, withImage } = await docker.probe();
  if (usable && withImage !== undefined) found.push({ name: "docker in images", capabilities: withImage });
  await docker.close();
  return found;
}

/** The nearest directory on the way that is there. */
function existing(machine: Machine, path: string): string {
  let at = path;
  while (at !== "/" && machine.fs.stat(at) === undefined) at = at.slice(0, Math.max(1, at.lastIndexOf("/")));
  return at;
}

function homeFinding(machine: Machine, subject: string, path: string, variable: string): Finding {
  const probe = `${existing(machine, path)}/.begat-probe-${process.pid}`;
  try {
    machine.fs.writeFile(probe, "");
    machine.fs.remove(probe);
    return { subject, state: "ok", text: `${path}, writable`, hint: undefined };
  } catch (error) {
    const hint = `set ${variable} to a directory begat may write to`;
    return { subject, state: "bad", text: `${path}: ${explain(error)}`, hint };
  }
}

async function ledgerFinding(machine: Machine): Promise<Finding> {
  const path = machine.ledgerFile;
  if (machine.fs.stat(path) === undefined) {
    return { subject: "ledger", state: "ok", text: "none yet; the first build makes it", hint: undefined };
  }
  try {
    const ledger = await openUserLedger(machine, false);
    const text = `${ledger.size()} records, identity ${ledger.identity.slice(0, 12)}, unwitnessed: only this machine remembers it`;
    return { subject: "ledger", state: "ok", text, hint: undefined };
  } catch (error) {
    return { subject: "ledger", state: "bad", text: explain(error), hint: hintOf(error) };
  }
}

const LOW_BYTES = 1024 ** 3;

function diskFinding(subject: string, path: string): Finding {
  try {
    const { bavail, bsize } = statfsSync(path);
    const free = bavail * bsize;
    const text = `${(free / 1024 ** 3).toFixed(1)} GiB free at ${path}`;
    return { subject, state: free < LOW_BYTES ? "weak" : "ok", text, hint: undefined };
  } catch (error) {
    return { subject, state: "weak", text: explain(error), hint: undefined };
  }
}
