import { compareUtf8, sha256 } from "../../base/index.ts";
import type { Bill, BillPart } from "./bill.ts";

/** What a component is in CycloneDX's words. */
const TYPES = { file: "file", host: "platform", image: "container", package: "library" } as const;

/**
 * A bill as CycloneDX 1.6 JSON. The same records give the same bytes: the time is the subject's, the serial number is made
 * from the contents.
 *
 * @param begat Version of begat.
 * @see https://cyclonedx.org/docs/1.6/json/
 */
export function cycloneDx(bill: Bill, begat: string): string {
  const subject = bill.parts.find(({ id }) => id === bill.subject) as BillPart;
  const body = {
    metadata: {
      timestamp: new Date(bill.atMs).toISOString(),
      lifecycles: [{ phase: "build" }],
      tools: { components: [{ type: "application", name: "begat", version: begat }] },
      component: component(subject),
      properties: [
        { name: "begat:ledger", value: bill.ledger },
        { name: "begat:origin", value: bill.origin },
        ...bill.gaps.map((value) => ({ name: "begat:gap", value })),
      ],
    },
    components: bill.parts.filter(({ id }) => id !== bill.subject).map(component),
    dependencies: dependencies(bill),
    compositions: [
      { aggregate: bill.gaps.length === 0 ? "complete" : "incomplete", dependencies: bill.parts.map(({ id }) => id) },
    ],
  };
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(body))}`,
    version: 1,
    ...body,
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}

function component(part: BillPart): object {
  const { id, kind, name, version, purl, sha256: hash, tree, files, from, record } = part;
  return {
    type: TYPES[kind],
    "bom-ref": id,
    name,
    ...(version === undefined ? {} : { version }),
    ...(hash === undefined ? {} : { hashes: [{ alg: "SHA-256", content: hash }] }),
    ...(purl === undefined ? {} : { purl }),
    ...(files.length === 0
      ? {}
      : {
          components: files.map((file) => ({
            type: "file",
            "bom-ref": `file:${file.sha256}:${id}/${file.name}`,
            name: file.name,
            hashes: [{ alg: "SHA-256", content: file.sha256 }],
          })),
        }),
    properties: [
      { name: "begat:from", value: from },
      ...(tree === undefined ? [] : [{ name: "begat:tree", value: tree }]),
      ...(record === undefined
        ? []
        : [
            { name: "begat:record", value: String(record.seq) },
            { name: "begat:leaf", value: record.leaf },
          ]),
    ],
  };
}

/** What each part was made from, and in which surroundings; a part with no entry would be one of unknown origin. */
function dependencies({ parts, steps }: Bill): object[] {
  const on = new Map<string, Set<string>>(parts.map(({ id }) => [id, new Set()]));
  for (const { inputs, outputs, surroundings } of steps) {
    for (const output of outputs) {
      const needs = on.get(output);
      for (const input of surroundings === undefined ? inputs : [...inputs, surroundings]) needs?.add(input);
      needs?.delete(output);
    }
  }
  return [...on].map(([ref, needs]) => ({ ref, dependsOn: [...needs].sort(compareUtf8) }));
}

/** RFC 9562, section 5.8: a UUID whose bits are those of a hash. */
function uuidOf(text: string): string {
  const hex = sha256(Buffer.from(text));
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
