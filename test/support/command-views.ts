import type {
  CacheStats,
  CheckReport,
  CollectionReport,
  DoctorReport,
  ExecutionView,
  FormatReport,
  GraphView,
  LedgerVerdict,
  LogView,
  ProvNode,
  ProvView,
  WhyView,
} from "../../src/cli/index.ts";
import { REFUSED } from "./scripted-events.ts";

const hash = (digit: string) => digit.repeat(64);

export const DIAGNOSTICS = REFUSED.flatMap((event) => (event.type === "diagnostics" ? event.diagnostics : []));

export const EXECUTION: ExecutionView = {
  seq: 12,
  leaf: hash("e"),
  kind: "exec",
  build: "b7",
  chore: "link(prog)",
  action: hash("c"),
  image: "host:41d0",
  rnode: "frodo",
  level: "contained",
  exit: 0,
  detail: undefined,
  startedAt: "2026-11-22T19:42:59.123Z",
  durationMs: 420,
  why: "input changed: obj/a.o",
  on: undefined,
  outputs: [
    { path: "prog", hash: hash("1"), sizeBytes: 16_384, kind: "executable" },
    { path: "docs", hash: hash("2"), sizeBytes: 120, kind: "tree" },
    { path: "link.map", hash: hash("3"), sizeBytes: 900, kind: "file" },
  ],
  signature: "holds",
};

export const FAILED_EXECUTION: ExecutionView = {
  ...EXECUTION,
  kind: "fail",
  exit: 1,
  detail: "exit 1",
  outputs: [],
  signature: "broken",
};

export const WHY: WhyView = {
  execution: EXECUTION,
  kept: {
    record: 14,
    build: "00c0ffee00c0ffee",
    at: "2026-11-21T10:00:00.000Z",
    changes: [{ field: "input", name: "include/b.h", from: hash("5"), to: hash("6") }],
  },
  reason: "input changed: obj/a.o",
  previous: { seq: 7, leaf: hash("d"), startedAt: "2026-11-21T08:00:00.000Z" },
  changes: [
    { field: "input", name: "obj/a.o", from: hash("4"), to: hash("9") },
    { field: "input", name: "obj/new.o", from: undefined, to: hash("8") },
    { field: "variable", name: "LDFLAGS", from: "", to: "-s -static" },
    { field: "recipe", name: "", from: hash("5"), to: hash("6") },
  ],
  now: "up to date",
};

export const LOG: LogView = {
  lines: [
    {
      seq: 9,
      leaf: hash("a"),
      time: "2026-11-22T19:42:58.000Z",
      kind: "build.begin",
      subject: "all",
      detail: "40 chores planned",
    },
    {
      seq: 10,
      leaf: hash("b"),
      time: "2026-11-22T19:42:59.000Z",
      kind: "fail",
      subject: "compile(src/b.c)",
      detail: "exit 1 after 0.08s",
    },
    {
      seq: 11,
      leaf: hash("c"),
      time: "2026-11-22T19:43:00.000Z",
      kind: "build.end",
      subject: "",
      detail: "failed: 3 executed, 36 cached, 1 failed",
    },
  ],
  execution: undefined,
  printed: undefined,
  ledgerSize: 1234,
};

export const LOG_OF_ONE: LogView = {
  lines: [],
  execution: FAILED_EXECUTION,
  printed: { stdout: "", stderr: "ld: cannot find -lm\x1b[2J\n" },
  ledgerSize: 1234,
};

export const PROV: ProvView = {
  path: "prog",
  hash: hash("1"),
  checkout: "different",
  slsa: "SLSA_BUILD_LEVEL_1",
  witnesses: [],
  execution: EXECUTION,
  recipe: '\n    cc $in -o "$out"\n\tif true; then\n      strip "$out"\n    fi\n',
  argv: ["sh", "-eu"],
  env: [
    ["PATH", "/usr/bin:/bin"],
    ["in", `obj/${"a".repeat(80)}.o`],
  ],
  inputs: [
    { path: "obj/a.o", hash: hash("9"), madeBy: 10, used: true },
    { path: "src/link.ld", hash: hash("7"), madeBy: undefined, used: false },
  ],
};

const made = (path: string, seq: number, chore: string, inputs: readonly ProvNode[], repeated = false): ProvNode => ({
  path,
  hash: hash(String(seq % 10)),
  origin: { kind: "execution", seq, chore, level: "contained" },
  inputs,
  repeated,
});
const source = (path: string): ProvNode => ({
  path,
  hash: hash("7"),
  origin: { kind: "source" },
  inputs: [],
  repeated: false,
});
export const TREE: ProvNode = made("prog", 12, "link(prog)", [
  made("obj/a.o", 10, "compile(src/a.c)", [source("src/a.c"), made("gen/x.h", 9, "generate()", [source("x.def")])]),
  made("obj/b.o", 11, "compile(src/b.c)", [made("gen/x.h", 9, "generate()", [], true), source("src/b.c")]),
  {
    path: ".begat/source/lua",
    hash: hash("3"),
    origin: { kind: "ingest", seq: 4, name: "lua" },
    inputs: [],
    repeated: false,
  },
]);

export const GRAPH: GraphView = {
  diagnostics: [],
  chores: [
    {
      label: 'compile("src/a b.c")',
      dictum: "compile",
      at: "begatfile:14:1",
      inputs: ["src/a b.c"],
      outputs: ["obj/a b.o"],
      imports: [],
      up: [],
      needs: [],
    },
    {
      label: "link(prog)",
      dictum: "link",
      at: "begatfile:20:1",
      inputs: ["obj/a b.o"],
      outputs: ["prog"],
      imports: ["VERSION"],
      up: [],
      needs: [0],
    },
  ],
};

export const CHECK: CheckReport = { diagnostics: [], begatfiles: 2, chores: 41, images: 0, sources: 1 };

export const FORMAT: FormatReport = {
  files: [
    { path: "begatfile", state: "formatted" },
    { path: "lua.begat", state: "same" },
  ],
  diagnostics: [],
};

export const VERDICT: LedgerVerdict = {
  verdict: "holds",
  path: "/home/user/.local/state/begat/ledger.db",
  identity: hash("f"),
  size: 1234,
  executions: 1100,
  signatures: 1100,
  root: hash("e"),
  checkpoints: 12,
  witnessed: false,
  problems: [],
  notes: ["build b3 never ended"],
  durationMs: 310,
};

export const STATS: CacheStats = {
  directory: "/home/user/.cache/begat",
  blobs: 12_345,
  sizeBytes: 3_400_000_000,
  quarantined: 1,
  executions: 1100,
  indexSizeBytes: 4_000_000,
  leases: 2,
};

export const COLLECTION: CollectionReport = {
  removed: 100,
  freedBytes: 5_000_000,
  kept: 900,
  keptBytes: 45_000_000,
  leased: 3,
  dryRun: false,
};

export const DOCTOR: DoctorReport = {
  findings: [
    { subject: "node", state: "ok", text: "20.20.2", hint: undefined },
    { subject: "state home", state: "ok", text: "/home/user/.local/state/begat, writable", hint: undefined },
    { subject: "disk", state: "weak", text: "1.2 GiB free in the cache home", hint: "begat cache gc --max-size 10G" },
  ],
  executors: [
    {
      name: "bubblewrap",
      capabilities: {
        usable: true,
        findings: ["no seccomp filter"],
        isolation: {
          level: "contained",
          backend: "bubblewrap",
          backendVersion: "0.8.0",
          namespaces: ["user", "net"],
          network: "none",
          uidDropped: true,
          knownLeaks: ["clock", "host-tools"],
        },
        canaries: [
          { name: "network", held: true },
          { name: "checkout", held: true },
        ],
      },
    },
    {
      name: "process",
      capabilities: {
        usable: true,
        findings: [],
        isolation: {
          level: "none",
          backend: "process",
          backendVersion: "",
          namespaces: [],
          network: "host",
          uidDropped: false,
          knownLeaks: ["filesystem", "network"],
        },
        canaries: [{ name: "network", held: false }],
      },
    },
  ],
};
