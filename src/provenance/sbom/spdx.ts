import { sha256 } from "../../base/index.ts";
import { TYPE_BASE } from "../type-base.ts";
import type { Bill, BillPart, BillStep } from "./bill.ts";

type Element = Readonly<Record<string, unknown>>;

/** Blank node of what every element says of its making. */
const CREATION = "_:creation";

/**
 * A bill as SPDX 3.0.1 JSON-LD, profiles core, software and build: parts are files and packages, executions are builds with
 * what went in and what came out. The same records give the same bytes.
 *
 * @param begat Version of begat.
 * @see https://spdx.github.io/spdx-spec/v3.0.1/
 */
export function spdx(bill: Bill, begat: string): string {
  const base = `${TYPE_BASE}/spdx/${sha256(Buffer.from(JSON.stringify(bill)))}`;
  const ids = new Map(bill.parts.map(({ id }) => [id, `${base}#part-${sha256(Buffer.from(id)).slice(0, 32)}`]));
  const idOf = (part: string): string => ids.get(part) as string;
  const complete = bill.gaps.length === 0 ? "complete" : "incomplete";
  const element = (type: string, name: string, rest: Element): Element => ({
    type,
    spdxId: `${base}#${name}`,
    creationInfo: CREATION,
    ...rest,
  });
  const relations = (step: BillStep): Element[] => {
    const build = `${base}#build-${step.seq}`;
    const relation = (name: string, type: string, to: readonly string[], more: Element = {}) =>
      to.length === 0
        ? []
        : [
            element("scope" in more ? "LifecycleScopedRelationship" : "Relationship", `${name}-${step.seq}`, {
              from: build,
              relationshipType: type,
              to: to.map(idOf),
              completeness: name === "output" ? "complete" : complete,
              ...more,
            }),
          ];
    return [
      ...relation("input", "hasInput", step.inputs),
      ...relation("output", "hasOutput", step.outputs),
      ...(step.surroundings === undefined
        ? []
        : relation("surroundings", "usesTool", [step.surroundings], { scope: "build" })),
    ];
  };
  const contents: Element[] = [
    ...bill.parts.flatMap((part) => partElements(part, idOf(part.id))),
    ...bill.steps.map((step) =>
      element("build_Build", `build-${step.seq}`, {
        name: step.chore,
        comment: recordComment(step),
        build_buildType: `${TYPE_BASE}/buildtypes/dictum/v1`,
        build_buildId: step.action,
        build_buildStartTime: seconds(step.startMs),
        build_buildEndTime: seconds(step.endMs),
      }),
    ),
    ...bill.steps.flatMap(relations),
  ];
  const profiles = ["core", "software", "build"];
  const inside = contents.map(({ spdxId }) => spdxId);
  const graph: Element[] = [
    {
      type: "CreationInfo",
      "@id": CREATION,
      specVersion: "3.0.1",
      created: seconds(bill.atMs),
      createdBy: [`${base}#begat`],
    },
    element("SoftwareAgent", "begat", { name: `begat ${begat}` }),
    element("SpdxDocument", "document", {
      name: nameOf(bill),
      profileConformance: profiles,
      rootElement: [`${base}#bill`],
      element: [`${base}#begat`, `${base}#bill`, ...inside],
    }),
    element("software_Sbom", "bill", {
      name: nameOf(bill),
      comment: [`ledger ${bill.ledger} (${bill.origin})`, ...bill.gaps].join("; "),
      profileConformance: profiles,
      software_sbomType: ["build"],
      rootElement: [idOf(bill.subject)],
      element: inside,
    }),
    ...contents,
  ];
  const document = { "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": graph };
  return `${JSON.stringify(document, null, 1)}\n`;
}

const nameOf = ({ parts, subject }: Bill): string => (parts.find(({ id }) => id === subject) as BillPart).name;

const recordComment = ({ seq, leaf }: { readonly seq: number; readonly leaf: string }): string =>
  `record ${seq}, leaf ${leaf}`;

const hash = (digest: string): Element => ({ type: "Hash", algorithm: "sha256", hashValue: digest });

/** SPDX counts whole seconds. */
const seconds = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** A part; of a package received as several files these too, and that it contains them. */
function partElements(part: BillPart, spdxId: string): Element[] {
  const { kind, name, version, purl, sha256: digest, tree, files, from, record } = part;
  const common = {
    spdxId,
    creationInfo: CREATION,
    name,
    comment: [from, ...(tree === undefined ? [] : [`tree ${tree}`]), ...(record ? [recordComment(record)] : [])].join(
      ", ",
    ),
    ...(digest === undefined ? {} : { verifiedUsing: [hash(digest)] }),
  };
  if (kind === "file") {
    const purpose = from === "source" ? { software_primaryPurpose: "source" } : {};
    return [
      { type: "software_File", ...common, ...purpose, software_fileKind: tree === undefined ? "file" : "directory" },
    ];
  }
  const purpose = { image: "container", host: "platform", package: "library" }[kind];
  const received = files.map((file, i) => ({
    type: "software_File",
    spdxId: `${spdxId}-file-${i}`,
    creationInfo: CREATION,
    name: file.name,
    verifiedUsing: [hash(file.sha256)],
    software_fileKind: "file",
  }));
  const contains = {
    type: "Relationship",
    spdxId: `${spdxId}-files`,
    creationInfo: CREATION,
    from: spdxId,
    relationshipType: "contains",
    to: received.map((file) => file.spdxId),
    completeness: "complete",
  };
  return [
    {
      type: "software_Package",
      ...common,
      ...(version === undefined ? {} : { software_packageVersion: version }),
      ...(purl === undefined ? {} : { software_packageUrl: purl }),
      software_primaryPurpose: purpose,
    },
    ...(received.length === 0 ? [] : [...received, contains]),
  ];
}
