import type { FulcrumView } from "./view.ts";

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** Names and meanings: docs/formats.md, "Metrics". */
export function metricsText(view: FulcrumView): string {
  const { leader, rnode, farm } = view;
  const pieces = [
    family("begat_fulcrum_info", "gauge", "Which fulcrum this is; always 1.", [
      [
        { name: view.name, version: view.version, farm: view.cluster, role: leader === undefined ? "rnode" : "leader" },
        1,
      ],
    ]),
    one("begat_fulcrum_uptime_seconds", "gauge", "Since it was started.", (view.nowMs - view.startedAtMs) / 1000),
    one("begat_fulcrum_resident_bytes", "gauge", "Memory of the process.", view.residentBytes),
    one(
      "begat_fulcrum_certificate_expires_seconds",
      "gauge",
      "Unix time at which the certificate ends.",
      view.certificateUntilMs / 1000,
    ),
    one("begat_fulcrum_memoir_records", "counter", "Records in its own ledger.", view.memoirRecords),
  ];
  if (rnode !== undefined) {
    pieces.push(
      one("begat_rnode_connected", "gauge", "Whether the leader answers.", Number(rnode.isConnected)),
      one("begat_rnode_slots", "gauge", "Executions at once.", view.slots),
      one("begat_rnode_running", "gauge", "Executions under way.", rnode.running.length),
      one("begat_rnode_unacknowledged", "gauge", "Results that the leader has not confirmed.", rnode.unacknowledged),
      family("begat_rnode_executions_total", "counter", "Executions by how they ended.", [
        [{ outcome: "ok" }, rnode.executed],
        [{ outcome: "failed" }, rnode.failed],
        [{ outcome: "refused" }, rnode.refused],
        [{ outcome: "stopped" }, rnode.stopped],
      ]),
      one("begat_rnode_fetched_bytes_total", "counter", "Inputs fetched from the leader.", rnode.fetchedBytes),
      one("begat_rnode_uploaded_bytes_total", "counter", "Outputs brought to the leader.", rnode.uploadedBytes),
      one("begat_rnode_cpu_seconds_total", "counter", "Processor time of what it executed.", rnode.cpuMs / 1000),
      one("begat_rnode_connections_total", "counter", "Times it connected to the leader.", rnode.connections),
    );
  }
  if (leader !== undefined) {
    pieces.push(
      one("begat_leader_submitted_total", "counter", "Executions asked for.", leader.submitted),
      one("begat_leader_cache_hits_total", "counter", "Executions answered from the action cache.", leader.cacheHits),
      family("begat_leader_results_total", "counter", "Results by what became of them.", [
        [{ outcome: "executed" }, leader.executed],
        [{ outcome: "failed" }, leader.failed],
        [{ outcome: "cancelled" }, leader.cancelled],
        [{ outcome: "untrusted" }, leader.untrusted],
      ]),
      one("begat_leader_queued_again_total", "counter", "Executions that had to be queued again.", leader.queuedAgain),
      one("begat_leader_queued", "gauge", "Executions that wait.", leader.queued),
      one("begat_leader_executing", "gauge", "Executions on rnodes.", leader.executing),
      one("begat_leader_rnodes", "gauge", "Rnodes that are connected.", leader.rnodes),
      one("begat_leader_slots", "gauge", "Slots of all of them.", leader.slots),
      one("begat_leader_busy", "gauge", "Slots that are taken.", leader.busy),
    );
  }
  if (farm !== undefined) {
    const state = (name: string) => farm.nodes.filter((node) => node.state === name).length;
    pieces.push(
      family(
        "begat_leader_rnode_states",
        "gauge",
        "Rnodes by state.",
        ["ready", "draining", "quarantined", "away"].map((name) => [{ state: name }, state(name)]),
      ),
    );
  }
  return pieces.join("");
}

function one(name: string, type: string, help: string, value: number): string {
  return family(name, type, help, [[{}, value]]);
}

/** @see Prometheus text exposition format 0.0.4 */
function family(name: string, type: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
    return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

const escaped = (text: string): string => text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n");
