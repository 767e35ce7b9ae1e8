// The import table: the one place where it is written which room may know which.
// Read by tools/check-layers.mjs (which enforces it) and described in docs/architecture.md.

/**
 * What each room may import besides itself. `"*"` is everything; a room that is not listed may not exist.
 *
 * `packages` names the third-party packages it may import. A missing list is an empty one.
 */
export const rooms = {
  base: { imports: [] },
  ports: { imports: ["base"] },
  protocol: { imports: ["base"], packages: ["@bufbuild/protobuf"] },
  "dictum-parser": { imports: ["base"] },
  cache: { imports: ["base", "ports", "protocol"], packages: ["better-sqlite3"] },
  provenance: { imports: ["base", "ports", "cache"], packages: ["better-sqlite3"] },
  hermetic: { imports: ["base", "ports", "cache"], packages: ["tar-stream", "xz-decompress"] },
  executor: { imports: ["base", "ports", "protocol", "cache", "hermetic"], packages: ["dockerode"] },
  // `ports`: the engine asks for the time, stats files and logs like every other room, through what it is handed.
  scheduler: { imports: ["base", "ports", "dictum-parser", "cache", "executor", "provenance", "hermetic"] },
  "fulcrum-client": {
    imports: ["base", "ports", "protocol", "cache", "executor"],
    packages: ["@grpc/grpc-js", "@peculiar/x509", "reflect-metadata"],
  },
  fulcrum: {
    imports: ["base", "ports", "protocol", "cache", "executor", "provenance", "hermetic", "fulcrum-client"],
    packages: ["@grpc/grpc-js", "@peculiar/x509"],
  },
  console: { imports: ["base", "ports", "protocol", "provenance"], packages: ["@noble/hashes"] },
  platform: { imports: ["base", "ports"], packages: ["chokidar"] },
  // `scheduler`: the shapes of a question and its answer; the engine is asked before anything heavy may be loaded.
  engine: { imports: ["base", "ports", "scheduler"] },
  cli: { imports: "*", packages: ["ink", "react"] },
  daemons: { imports: "*" },
};

/** Rooms under `src/radix/`, one by one. No room of begat may import any of them. */
export const radixRooms = {};

/** Rooms that nobody imports: they wire the others together. `daemons` is started by `cli`, which may import everything. */
export const topRooms = ["cli"];

/** Where clock, randomness, files, processes and sockets may be touched: whole rooms, or folders inside one. */
export const edges = [
  "src/platform/",
  "src/cli/",
  "src/daemons/",
  "src/engine/",
  "src/executor/",
  // Where gRPC opens its sockets.
  "src/fulcrum/wire/",
  "src/fulcrum-client/wire/",
];

/** What stays free of them all the same: the part of `executor` that says what a chore is, apart from its back ends. */
export const pureInsideEdges = [
  "src/executor/action/",
  "src/executor/executor.ts",
  "src/executor/host-identity.ts",
  "src/executor/limits.ts",
  "src/executor/recipe-environment.ts",
];

/** Node modules that compute and touch nothing outside; every other one is for `edges` only. */
export const pureModules = [
  "node:assert",
  "node:assert/strict",
  "node:buffer",
  "node:crypto",
  "node:events",
  "node:path",
  "node:path/posix",
  "node:stream",
  "node:stream/promises",
  "node:string_decoder",
  "node:url",
  "node:util",
  "node:zlib",
];

/** Names from pure modules that are dice all the same. */
export const impureNames = {
  "node:crypto": [
    "getRandomValues",
    "randomBytes",
    "randomFill",
    "randomFillSync",
    "randomInt",
    "randomUUID",
    "webcrypto",
  ],
};

/** Globals for `edges` only, and what to use instead. `a.b` is a member, a bare name any mention of the global. */
export const impureGlobals = {
  "Date.now": "the Clock port",
  "Math.random": "the Random port",
  "crypto.getRandomValues": "the Random port",
  "crypto.randomUUID": "the Random port",
  fetch: "the Fetcher port",
  performance: "the Clock port",
  process: "a value handed in by cli",
  setImmediate: "the Clock port",
  setInterval: "the Clock port",
  setTimeout: "the Clock port",
  WebSocket: "a port of its own",
};

/** Folder and file names that say nothing about what is inside. */
export const forbiddenNames = [
  "common",
  "helper",
  "helpers",
  "lib",
  "manager",
  "managers",
  "misc",
  "shared",
  "util",
  "utils",
];

/** Lines: no file is longer, whatever it holds. Generated code is exempt. */
export const maxFileLines = 500;

/** Lines of a room's README: fewer promise nothing, more belong into docs/. */
export const readmeLines = { min: 10, max: 30 };

export const isGenerated = (path) => path.includes("/generated/");
