import { millisecondsOf } from "../../protocol/index.ts";
import type { FulcrumView } from "./view.ts";

/** Executions shown; more are counted. */
const MOST_SHOWN = 200;

/** One page without scripts that says all there is; it loads itself again every few seconds. */
export function statusPage(view: FulcrumView): string {
  const { farm, rnode, leader } = view;
  const role = leader === undefined ? `rnode of ${view.leaderAddress ?? "no leader"}` : "leader";
  const facts: (readonly [string, string])[] = [
    ["farm", view.cluster],
    ["version", view.version],
    [
      "listens",
      view.insecureListen === undefined ? view.listen : `${view.listen}, plain text at ${view.insecureListen}`,
    ],
    ["up", span(view.nowMs - view.startedAtMs)],
    ["executor", view.executor ?? "executes nothing"],
    ["memoir", `${view.memoirRecords.toLocaleString("en")} records`],
    ["certificate", `renews itself, good for ${span(view.certificateUntilMs - view.nowMs)}`],
    ["memory", size(view.residentBytes)],
  ];
  const sections: string[] = [];
  if (leader !== undefined && farm !== undefined) {
    const states = farm.nodes.filter(({ state }) => state === "ready").length;
    sections.push(
      tiles([
        ["rnodes ready", `${states}`, `of ${farm.nodes.length}`],
        ["slots busy", `${leader.busy}`, `of ${leader.slots}`],
        ["queued", `${leader.queued}`, ""],
        ["executing", `${leader.executing}`, ""],
        ["executed", `${leader.executed}`, `${leader.cacheHits} from the cache`],
        ["failed", `${leader.failed}`, `${leader.queuedAgain} queued again`],
      ]),
      table(
        "Rnodes",
        ["", "name", "slots", "executor", "labels", "last heard"],
        farm.nodes.map((node) => [
          badge(node.state),
          html(node.name),
          html(`${node.busy} / ${node.slots}`),
          html(`${node.executor}, begat ${node.version}`),
          Object.entries(node.labels)
            .map(([name, value]) => `<code>${html(`${name}=${value}`)}</code>`)
            .join(" "),
          html(
            node.reason !== ""
              ? node.reason
              : node.lastHeard === undefined
                ? "never"
                : `${span(view.nowMs - millisecondsOf(node.lastHeard))} ago`,
          ),
        ]),
        "No rnode has joined yet: <code>begat farm token --role rnode</code> makes a token for one.",
      ),
      table(
        "Executions",
        ["", "chore", "where, or why not yet", "since", "for"],
        farm.executions.slice(0, MOST_SHOWN).map((execution) => {
          const since = execution.startedAt ?? execution.queuedAt;
          return [
            badge(execution.state),
            `<span title="${html(execution.actionDigest?.hash ?? "")}">${html(execution.chore)}</span>`,
            html(execution.nodes.length > 0 ? execution.nodes.join(", ") : execution.reason),
            html(since === undefined ? "" : span(view.nowMs - millisecondsOf(since))),
            html(execution.who),
          ];
        }),
        "Nothing is queued and nothing runs.",
      ),
    );
  }
  if (rnode !== undefined) {
    const state = rnode.isDraining ? "draining" : rnode.isConnected ? "ready" : "away";
    sections.push(
      table(
        `This rnode ${badge(state)}`,
        ["lease", "chore", "since"],
        rnode.running.map(({ lease, label, sinceMs }) => [
          `<code>${html(lease)}</code>`,
          html(label),
          html(sinceMs === undefined ? "being prepared" : span(view.nowMs - sinceMs)),
        ]),
        `Idle. It executed ${rnode.executed}, ${rnode.failed} failed, ${rnode.refused} were refused and ${rnode.stopped} stopped;
        ${size(rnode.fetchedBytes)} came in and ${size(rnode.uploadedBytes)} went out; recipes took ${span(rnode.cpuMs)} of processor time.`,
      ),
    );
  }
  return page(
    `${view.name} - fulcrum`,
    `<header><h1>${html(view.name)}</h1><p>${html(role)}</p></header>
<dl>${facts.map(([name, text]) => `<div><dt>${html(name)}</dt><dd>${html(text)}</dd></div>`).join("")}</dl>
${sections.join("\n")}
<footer>as of ${new Date(view.nowMs).toISOString().slice(0, 19)}Z &middot; <a href="/metrics">metrics</a></footer>`,
  );
}

function tiles(rows: readonly (readonly [name: string, value: string, more: string])[]): string {
  const one = rows.map(
    ([name, value, more]) =>
      `<div class="tile"><b>${html(value)}</b><span>${html(name)}</span><small>${html(more)}</small></div>`,
  );
  return `<div class="tiles">${one.join("")}</div>`;
}

/** Cells are HTML already. */
function table(title: string, heads: readonly string[], rows: readonly (readonly string[])[], empty: string): string {
  if (rows.length === 0) return `<section><h2>${title}</h2><p class="empty">${empty}</p></section>`;
  const head = heads.map((name) => `<th>${html(name)}</th>`).join("");
  const body = rows.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`).join("\n");
  return `<section><h2>${title}</h2><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></section>`;
}

const badge = (state: string): string => `<span class="badge ${html(state)}">${html(state)}</span>`;

const html = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>${html(title)}</title><style>${STYLE}</style></head>
<body>${body}</body></html>
`;
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1c1e21; --dim: #667; --line: #d9dde3; --back: #f6f7f9; --card: #fff;
  --good: #1a7f4b; --wait: #8a6100; --bad: #b3261e; --run: #1f5fbf; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --dim: #9aa3ad; --line: #333941; --back: #16191d; --card: #1e2227;
  --good: #5cc98e; --wait: #e0b24c; --bad: #f2877f; --run: #82b1f5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem; max-width: 70rem; font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--back); }
header { display: flex; align-items: baseline; gap: .8rem; } h1 { margin: 0; font-size: 1.6rem; } header p { margin: 0; color: var(--dim); }
h2 { font-size: 1.05rem; margin: 1.8rem 0 .5rem; }
dl { display: flex; flex-wrap: wrap; gap: .4rem 1.6rem; margin: .8rem 0 0; } dl div { display: flex; gap: .4rem; } dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem; margin-top: 1.4rem; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem; display: grid; }
.tile b { font-size: 1.5rem; font-variant-numeric: tabular-nums; } .tile small { color: var(--dim); min-height: 1.2em; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
th { text-align: left; font-weight: 500; color: var(--dim); font-size: .85rem; } th, td { padding: .45rem .8rem; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody tr:last-child td { border-bottom: 0; } td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
code { font: .85em ui-monospace, monospace; color: var(--dim); white-space: nowrap; }
.badge { font-size: .8rem; font-weight: 500; border: 1px solid currentColor; border-radius: 99px; padding: 0 .55rem; white-space: nowrap; color: var(--dim); }
.ready { color: var(--good); } .executing { color: var(--run); } .queued, .draining { color: var(--wait); } .away, .quarantined { color: var(--bad); }
.empty { color: var(--dim); margin: 0; } footer { margin-top: 2rem; color: var(--dim); font-size: .85rem; } a { color: inherit; }
`;
