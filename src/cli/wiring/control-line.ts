import type { LedgerRecord, Target } from "../../provenance/index.ts";

/** Digits of a key id that tell keys apart in a line. */
const SHORT = 12;

/** What a quarantine is about, in words: `image sha256:9f86d081...`, `records`. */
export function targetText({ t, is }: Target): string {
  if (is === undefined) return t;
  return `${t} ${/^[0-9a-f]{64}$/.test(is) ? is.slice(0, SHORT) : is}`;
}

/** Subject and detail of a record that tells of no build: decisions, and what the ledger says of itself. */
export function controlLine(record: LedgerRecord): { subject: string; detail: string } {
  switch (record.kind) {
    case "key.endorse":
      return { subject: keyText(record.subject), detail: `endorsed by ${record.by.slice(0, SHORT)}` };
    case "key.rotate": {
      const detail = `takes over from ${record.old.slice(0, SHORT)}, which counts until record ${record.until}`;
      return { subject: keyText(record.new), detail };
    }
    case "key.revoke":
      return {
        subject: `key ${record.id.slice(0, SHORT)}`,
        detail: `revoked from record ${record.fromSeq}: ${record.reason}`,
      };
    case "quarantine": {
      const to = record.toSeq === undefined ? "on" : `to ${record.toSeq}`;
      return {
        subject: targetText(record.target),
        detail: `quarantined from record ${record.fromSeq} ${to}: ${record.reason}`,
      };
    }
    case "release":
      return { subject: `record ${record.of}`, detail: `quarantine ended: ${record.reason}` };
    case "property":
      return { subject: record.subject, detail: `${record.name}=${record.value}` };
    case "restore":
      return {
        subject: `backup of ${record.size} records`,
        detail: `${record.lost.size} were remembered: ${record.reason}`,
      };
    case "recovery":
      return { subject: `${record.size} records kept`, detail: record.reason };
    case "rekor":
      return { subject: "attestation", detail: `${record.entry.kind} entry for verifiers of others` };
    default:
      return { subject: "", detail: record.kind };
  }
}

function keyText(entry: { readonly role: string; readonly id: string; readonly rnode?: string }): string {
  return `${entry.role} key ${entry.id.slice(0, SHORT)}${entry.rnode === undefined ? "" : ` of ${entry.rnode}`}`;
}
