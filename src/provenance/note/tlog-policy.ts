import { NoteError } from "./note.ts";
import { formatVkey, parseVkey, type Vkey } from "./vkey.ts";

/** Policies of C2SP tlog-policy: whose log, and how many of which witnesses make a checkpoint good. */

export interface PolicyWitness {
  readonly name: string;
  readonly vkey: Vkey;
  readonly url?: string;
}

export interface PolicyGroup {
  readonly name: string;
  /** How many members must agree. */
  readonly threshold: number;
  /** Names of witnesses and of groups above it. */
  readonly members: readonly string[];
}

export interface TlogPolicy {
  readonly logs: readonly Vkey[];
  readonly witnesses: readonly PolicyWitness[];
  readonly groups: readonly PolicyGroup[];
  /** Name of a witness or group; `none` asks for no witness. */
  readonly quorum: string;
}

/** @throws {NoteError} `NOTE_MALFORMED`, with the number of the line. */
export function parseTlogPolicy(text: string): TlogPolicy {
  const logs: Vkey[] = [];
  const witnesses: PolicyWitness[] = [];
  const groups: PolicyGroup[] = [];
  let quorum: string | undefined;
  const names = new Set<string>(["none"]);
  for (const [i, line] of text.split("\n").entries()) {
    const malformed = (what: string) => new NoteError("NOTE_MALFORMED", `policy, line ${i + 1}: ${what}`);
    const words = line.trim().split(/[ \t]+/);
    const [keyword = "", first = "", second = "", ...rest] = words;
    if (keyword === "" || keyword.startsWith("#")) continue;
    const claim = (name: string) => {
      if (name === "" || names.has(name)) throw malformed(`name ${JSON.stringify(name)} is missing or taken`);
      names.add(name);
    };
    if (keyword === "log" && words.length >= 2 && words.length <= 3) logs.push(parseVkey(first));
    else if (keyword === "witness" && words.length >= 3 && words.length <= 4) {
      claim(first);
      witnesses.push({ name: first, vkey: parseVkey(second), ...(rest[0] === undefined ? {} : { url: rest[0] }) });
    } else if (keyword === "group" && rest.length > 0) {
      for (const member of rest) if (!names.has(member) || member === "none") throw malformed(`no witness ${member}`);
      if (new Set(rest).size !== rest.length) throw malformed("a member is named twice");
      const count = second === "any" ? 1 : second === "all" ? rest.length : /^[1-9]\d{0,3}$/.test(second) ? +second : 0;
      if (count < 1 || count > rest.length) throw malformed(`${JSON.stringify(second)} of ${rest.length} members`);
      claim(first);
      groups.push({ name: first, threshold: count, members: rest });
    } else if (keyword === "quorum" && words.length === 2 && quorum === undefined) {
      if (!names.has(first)) throw malformed(`no witness or group ${first}`);
      quorum = first;
    } else throw malformed(`${JSON.stringify(line.slice(0, 80))} is not understood`);
  }
  if (logs.length === 0) throw new NoteError("NOTE_MALFORMED", "policy: no log is named");
  if (quorum === undefined) throw new NoteError("NOTE_MALFORMED", "policy: no quorum is named");
  return { logs, witnesses, groups, quorum };
}

export function formatTlogPolicy({ logs, witnesses, groups, quorum }: TlogPolicy): string {
  const lines = logs.map((log) => `log ${formatVkey(log)}`);
  for (const { name, vkey, url } of witnesses) {
    lines.push(["witness", name, formatVkey(vkey), ...(url === undefined ? [] : [url])].join(" "));
  }
  for (const { name, threshold, members } of groups) lines.push(`group ${name} ${threshold} ${members.join(" ")}`);
  return `${[...lines, `quorum ${quorum}`].join("\n")}\n`;
}

/** Whether the witnesses in `cosigned`, by their names in the policy, are a quorum. */
export function quorumMet(policy: TlogPolicy, cosigned: ReadonlySet<string>): boolean {
  if (policy.quorum === "none") return true;
  const groups = new Map(policy.groups.map((group) => [group.name, group]));
  const met = (name: string): boolean => {
    const group = groups.get(name);
    return group === undefined ? cosigned.has(name) : group.members.filter(met).length >= group.threshold;
  };
  return met(policy.quorum);
}
