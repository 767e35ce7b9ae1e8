import type { GraphView } from "../services.ts";

/** The graph of chores in DOT: an arrow from what is made first to what needs it. */
export function dotText(view: GraphView): string {
  const lines = ["digraph begat {", '  rankdir="LR";', '  node [shape="box", fontname="sans-serif"];'];
  view.chores.forEach((chore, index) => {
    const outputs = chore.outputs.length > 0 ? chore.outputs.join(" ") : "no outputs";
    lines.push(`  c${index} [label=${quoted(chore.label)}, tooltip=${quoted(`${chore.at}: ${outputs}`)}];`);
  });
  view.chores.forEach((chore, index) => {
    for (const needed of chore.needs) lines.push(`  c${needed} -> c${index};`);
  });
  return `${lines.join("\n")}\n}\n`;
}

/** A DOT string: backslashes doubled, since DOT reads `\n`, `\l`, `\N` as commands; control characters taken out. */
function quoted(text: string): string {
  const safe = text.replace(/[\u0000-\u001f\u007f]/g, " ");
  return `"${safe.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
