import { describe, expect, test } from "vitest";
import { metricsText } from "../../src/daemons/fulcrum/metrics.ts";
import { span, statusPage } from "../../src/daemons/fulcrum/status-page.ts";
import type { FulcrumView } from "../../src/daemons/fulcrum/view.ts";
import { farm, timestampOf } from "../../src/protocol/index.ts";

const NOW = Date.UTC(2026, 0, 2);

const view = (parts: Partial<FulcrumView> = {}): FulcrumView => ({
  name: "boss",
  version: "0.1.0",
  cluster: "f".repeat(32),
  listen: "build.example:7300",
  insecureListen: undefined,
  leaderAddress: undefined,
  nowMs: NOW,
  startedAtMs: NOW - 90_500,
  certificateUntilMs: NOW + 43_200_000,
  memoirRecords: 1234,
  slots: 2,
  executor: "server, contained",
  rnode: {
    isConnected: true,
    isDraining: false,
    running: [{ lease: "L1", label: 'make("<b>")', sinceMs: NOW - 3_000 }],
    unacknowledged: 1,
    executed: 5,
    failed: 1,
    refused: 2,
    stopped: 3,
    fetchedBytes: 2_048,
    uploadedBytes: 5 * 1024 ** 3,
    cpuMs: 125_000,
    connections: 4,
  },
  leader: {
    submitted: 10,
    cacheHits: 3,
    executed: 6,
    failed: 1,
    cancelled: 5,
    untrusted: 1,
    queuedAgain: 2,
    queued: 4,
    executing: 2,
    rnodes: 2,
    slots: 4,
    busy: 2,
  },
  farm: farm.FarmStatus.fromPartial({
    leader: "boss",
    queued: 1,
    nodes: [
      {
        name: "boss",
        state: "ready",
        slots: 2,
        busy: 1,
        labels: { pool: "big" },
        executor: "server",
        version: "0.1.0",
      },
      { name: "old", state: "quarantined", reason: "disk is full; next probe in 7 s", slots: 2 },
    ],
    executions: [
      { chore: "link(<app>)", state: "queued", reason: "pending because all 2 slots are taken", who: "ann" },
      { chore: "cc(a.c)", state: "executing", nodes: ["boss"], startedAt: timestampOf(NOW - 61_000) },
    ],
  }),
  residentBytes: 80 * 1024 ** 2,
  ...parts,
});

describe("the status page", () => {
  test("says of a leader who works, what waits and why", () => {
    const page = statusPage(view());
    for (const text of [
      '<span class="badge quarantined">quarantined</span>',
      "disk is full; next probe in 7 s",
      "pending because all 2 slots are taken",
      "<code>pool=big</code>",
      "<dd>80.0 MiB</dd>",
      "<dd>1,234 records</dd>",
      "61 s",
    ]) {
      expect(page).toContain(text);
    }
  });

  test("takes no name for markup", () => {
    const page = statusPage(view({ name: "<script>" }));
    expect(page).not.toContain("<script>");
    expect(page).toContain("link(&#60;app&#62;)");
    expect(page).toContain("make(&#34;&#60;b&#62;&#34;)");
  });

  test("says of an idle rnode what it has done", () => {
    const idle = view({ leader: undefined, farm: undefined, leaderAddress: "build.example:7300" });
    const page = statusPage({ ...idle, rnode: idle.rnode && { ...idle.rnode, running: [] } });
    expect(page).toContain("rnode of build.example:7300");
    expect(page).toMatch(
      /It executed 5, 1 failed, 2 were refused and 3 stopped;\s+2\.0 KiB came in and 5\.0 GiB went out; recipes took 2 min/,
    );
  });

  const spans: readonly (readonly [ms: number, text: string])[] = [
    [-5, "0 s"],
    [119_000, "119 s"],
    [120_000, "2 min"],
    [7_200_000, "2 h"],
    [172_800_000, "2 days"],
  ];
  for (const [ms, text] of spans) test(`${ms} ms is ${text}`, () => expect(span(ms)).toBe(text));
});

describe("metrics", () => {
  test("have help and type once for each family, and nothing but samples else", () => {
    const lines = metricsText(view()).trimEnd().split("\n");
    const families = lines.filter((line) => line.startsWith("# TYPE ")).map((line) => line.split(" ")[2]);
    expect(new Set(families).size).toBe(families.length);
    for (const line of lines) {
      expect(line).toMatch(/^(# (HELP|TYPE) begat_\w+ .+|begat_\w+(\{(\w+="([^"\\\n]|\\.)*",?)+\})? -?[0-9.e+]+)$/);
      const name = /^begat_\w+/.exec(line)?.[0];
      if (name !== undefined) expect(families).toContain(name);
    }
    expect(lines).toContain('begat_rnode_executions_total{outcome="refused"} 2');
    expect(lines).toContain('begat_leader_rnode_states{state="quarantined"} 1');
    expect(lines).toContain("begat_fulcrum_uptime_seconds 90.5");
  });

  test("escape what stands in labels", () => {
    expect(metricsText(view({ name: 'a"b\\c\nd' }))).toContain('name="a\\"b\\\\c\\nd"');
  });

  test("of an rnode say nothing of a leader", () => {
    expect(metricsText(view({ leader: undefined, farm: undefined }))).not.toContain("begat_leader");
  });
});
