import type { DoctorReport } from "../services.ts";
import type { Palette } from "./colour.ts";
import { oneLine } from "./sanitise.ts";

/** What works, what is weaker than it could be, what is broken; every hint is under what it is about. */
export function doctorText(report: DoctorReport, paint: Palette): string {
  const subjects = [...report.findings.map((f) => f.subject), ...report.executors.map((e) => e.name)];
  const width = Math.max(0, ...subjects.map((subject) => subject.length));
  const states = { ok: paint.green("ok  "), weak: paint.yellow("weak"), bad: paint.red("bad ") } as const;
  const line = (subject: string, state: keyof typeof states, text: string) =>
    `${oneLine(subject).padEnd(width)}  ${states[state]}  ${oneLine(text)}\n`;
  const below = (title: string, text: string) => `${" ".repeat(width + 8)}${title}: ${oneLine(text)}\n`;

  let text = "";
  for (const { subject, state, text: said, hint } of report.findings) {
    text += line(subject, state, said);
    if (hint !== undefined) text += below(paint.cyan("hint"), hint);
  }
  for (const { name, capabilities } of report.executors) {
    const { usable, isolation, canaries, findings } = capabilities;
    const held = canaries.filter((canary) => canary.held).length;
    const lost = canaries.filter((canary) => !canary.held).map((canary) => canary.name);
    const weak = usable && (lost.length > 0 || isolation.level === "none");
    const version = isolation.backendVersion === "" ? "" : ` ${isolation.backendVersion}`;
    const said = usable
      ? `${isolation.backend}${version}, level ${isolation.level}, ${held} of ${canaries.length} canaries held`
      : "not usable";
    text += line(name, usable ? (weak ? "weak" : "ok") : "bad", said);
    if (lost.length > 0) text += below("not held", lost.join(", "));
    for (const finding of findings) text += below("finding", finding);
    if (usable && isolation.knownLeaks.length > 0) text += below("open", isolation.knownLeaks.join(", "));
  }
  const bad = report.findings.filter(({ state }) => state === "bad").length;
  const weak = report.findings.filter(({ state }) => state === "weak").length;
  if (bad > 0) return `${text}${paint.red(`${bad} of ${report.findings.length} checks failed`)}\n`;
  return `${text}${weak > 0 ? paint.yellow("begat works here, with the weaknesses above") : paint.green("all is well")}\n`;
}
