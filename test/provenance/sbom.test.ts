import { beforeAll, describe, expect, test } from "vitest";
import { type Sha256, sha256 } from "../../src/base/index.ts";
import {
  type Bill,
  billOfArtifact,
  billOfImage,
  cycloneDx,
  endorsedKeys,
  type History,
  type IngestBody,
  signExecution,
  spdx,
} from "../../src/provenance/index.ts";
import { imagePackage, packageName } from "../../src/provenance/sbom/purl.ts";
import { memoryProvIndex } from "../support/memory-index-source.ts";
import { MemoryLedger } from "../support/memory-ledger.ts";
import { type ChoreSketch, listAction, sketchChore } from "../support/recorded-chore.ts";

const CONFIG = sha256("config of the image");
const GCC = "the gcc package\n";
const LIBC = "the libc package\n";
const LUA = "lua.h";

let history: History;
let ledger: MemoryLedger;

const run = async (sketch: ChoreSketch, hermetic = true): Promise<number> => {
  const chore = sketchChore({ level: hermetic ? "hermetic" : "contained", ...sketch });
  const facts = { ...chore.facts, sandbox: { ...chore.facts.sandbox, network: "none" } };
  const body = signExecution(facts, chore.listing, ledger.origin, ledger.signer);
  const [added] = await ledger.append([{ body, manifests: chore.manifests }]);
  return added!.seq;
};

const ingest = async (body: Pick<IngestBody, "name" | "uri" | "version" | "files"> & { tree?: Sha256 }) =>
  ledger.append([{ body: { kind: "ingest", by: "test", ...body }, manifests: [] }]);

beforeAll(async () => {
  ledger = new MemoryLedger();
  await ingest({
    name: "gcc",
    uri: "deb:gcc:amd64",
    version: "4:12.2.0-3",
    files: [{ p: "gcc", d: sha256(GCC), n: 16 }],
  });
  await ingest({
    name: "lua",
    uri: "deb-src:lua5.4",
    version: "5.4.4-3+deb12u1",
    files: [
      { p: "lua.dsc", d: sha256("dsc"), n: 3 },
      { p: "lua.orig.tar.gz", d: sha256("orig"), n: 4 },
    ],
    tree: sha256("tree of lua"),
  });
  await run({
    chore: "image(cc)",
    image: "begat:hermetic",
    inputs: {
      ".begat/image/deb/gcc_4%3a12.2.0-3_amd64.deb": GCC,
      // Came in with another ledger: no record of this one brought it.
      ".begat/image/deb/libc6_2.36-9+deb12u14_amd64.deb": LIBC,
    },
    outputs: {},
    props: { "image cc": `sha256:${CONFIG}` },
  });
  const image = `sha256:${CONFIG}`;
  await run({
    chore: "compile(a.c)",
    image,
    inputs: { ".begat/recipe": "cc", "a.c": "int a;", ".begat/source/lua/src/lua.h": LUA },
    outputs: { "a.o": "object of a" },
  });
  await run({ chore: "link()", image, inputs: { "a.o": "object of a" }, outputs: { prog: "the program" } });
  await run({ chore: "note()", inputs: { prog: "the program" }, outputs: { note: "a note" } }, false);
  const index = await memoryProvIndex(ledger);
  history = { ledger, index, keys: endorsedKeys(ledger), lister: listAction };
});

const bill = (path: string): Bill => {
  const found = billOfArtifact(history, { path });
  if (!found.found) throw new Error(found.because);
  return found.answer;
};
const names = ({ parts }: Bill): string[] =>
  parts.map(({ kind, name, version }) => [kind, name, version].filter(Boolean).join(" "));

describe("a bill of materials", () => {
  test("has what an artifact was made from and in, and nothing of begat's own", () => {
    const found = bill("prog");
    expect(names(found)).toEqual([
      "file .begat/source/lua/src/lua.h",
      "file a.c",
      "file a.o",
      "file prog",
      "image cc",
      "package gcc 4:12.2.0-3",
      "package libc6 2.36-9+deb12u14",
      "package lua5.4 5.4.4-3+deb12u1",
    ]);
    expect(found.gaps).toEqual([]);
    expect(found.steps.map(({ chore }) => chore)).toEqual(["image(cc)", "compile(a.c)", "link()"]);
    const purls = found.parts.flatMap(({ purl }) => purl ?? []);
    expect(purls).toContain("pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64");
    expect(found.parts.find(({ name }) => name === "gcc")).toMatchObject({ sha256: sha256(GCC), record: { seq: 1 } });
    expect(found.parts.find(({ name }) => name === "libc6")).toMatchObject({ sha256: sha256(LIBC) });
    expect(found.parts.find(({ name }) => name === "libc6")?.record).toBeUndefined();
  });

  test("says what it cannot know", () => {
    const { gaps, parts } = bill("note");
    expect(gaps).toEqual([
      "record 6 (note()) may have seen more than it declared",
      "tools of the machine took part, which are known by one digest only",
    ]);
    expect(parts.filter(({ kind }) => kind === "host")).toHaveLength(1);
  });

  test("of an image has its packages, by name and by digest", () => {
    for (const name of ["cc", "image(cc)", CONFIG, `sha256:${CONFIG}`]) {
      const found = billOfImage(history, name);
      expect(found.found && names(found.answer), name).toEqual([
        "image cc",
        "package gcc 4:12.2.0-3",
        "package libc6 2.36-9+deb12u14",
      ]);
    }
    expect(billOfImage(history, "gcc")).toMatchObject({ found: false, because: "no record made an image gcc" });
  });
});

describe.each([
  ["prog", true],
  ["note", false],
])("of %s", (path, complete) => {
  test("CycloneDX 1.6 is well formed, and the same each time", () => {
    const text = cycloneDx(bill(path), "1.2.3");
    expect(cycloneDx(bill(path), "1.2.3")).toBe(text);
    const document = JSON.parse(text);
    expect(document).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6", version: 1 });
    // Formats that the schema asks for.
    expect(document.serialNumber).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(new Date(document.metadata.timestamp).toISOString()).toBe(document.metadata.timestamp);
    const all = [document.metadata.component, ...document.components];
    const nested = all.flatMap((component) => component.components ?? []);
    const refs = [...all, ...nested].map((component) => component["bom-ref"]);
    expect(new Set(refs).size).toBe(refs.length);
    for (const component of [...all, ...nested]) {
      expect(["file", "library", "container", "platform"]).toContain(component.type);
      expect(component.name).not.toBe("");
      for (const { alg, content } of component.hashes ?? []) {
        expect(alg).toBe("SHA-256");
        expect(content).toMatch(/^[0-9a-f]{64}$/);
      }
    }
    // Each part says once what it depends on, and only on parts.
    const top = all.map((component) => component["bom-ref"]).sort();
    expect(document.dependencies.map(({ ref }: { ref: string }) => ref).sort()).toEqual(top);
    for (const { ref, dependsOn } of document.dependencies) {
      expect(new Set(dependsOn).size).toBe(dependsOn.length);
      expect(dependsOn).not.toContain(ref);
      for (const on of dependsOn) expect(refs).toContain(on);
    }
    expect(document.compositions).toMatchObject([{ aggregate: complete ? "complete" : "incomplete" }]);
  });

  test("SPDX 3.0.1 is well formed, and the same each time", () => {
    const text = spdx(bill(path), "1.2.3");
    expect(spdx(bill(path), "1.2.3")).toBe(text);
    const document = JSON.parse(text);
    expect(document["@context"]).toBe("https://spdx.org/rdf/3.0.1/spdx-context.jsonld");
    const graph = document["@graph"] as Record<string, string & string[]>[];
    const creation = graph.filter(({ type }) => type === "CreationInfo");
    expect(creation).toHaveLength(1);
    expect(creation[0]).toMatchObject({ "@id": "_:creation", specVersion: "3.0.1" });
    expect(creation[0]!.created).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const elements = graph.filter(({ type }) => type !== "CreationInfo");
    const ids = elements.map(({ spdxId }) => spdxId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const element of elements) {
      expect(element.creationInfo).toBe("_:creation");
      for (const id of [...(element.to ?? []), ...(element.rootElement ?? []), ...(element.element ?? [])]) {
        expect(ids).toContain(id);
      }
      if (element.from !== undefined) expect(ids).toContain(element.from);
    }
    expect(ids).toContain(creation[0]!.createdBy![0]);
    const types = (type: string) => elements.filter((element) => element.type === type);
    expect(types("SpdxDocument")).toHaveLength(1);
    expect(types("software_Sbom")).toHaveLength(1);
    expect(types("build_Build")).toHaveLength(bill(path).steps.length);
    for (const { relationshipType, completeness } of types("Relationship")) {
      expect(["hasInput", "hasOutput", "contains"]).toContain(relationshipType);
      if (relationshipType === "hasInput") expect(completeness).toBe(complete ? "complete" : "incomplete");
    }
    for (const file of types("software_Package"))
      expect(["library", "container", "platform"]).toContain(file.software_primaryPurpose);
  });
});

test.each([
  ["deb:zlib1g:amd64", "1:1.2.13.dfsg-1", "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64"],
  ["deb:libstdc++6:amd64", "12~rc1", "pkg:deb/debian/libstdc%2B%2B6@12~rc1?arch=amd64"],
  ["deb:gcc:amd64", "4:13.2.0-7ubuntu1", "pkg:deb/ubuntu/gcc@4:13.2.0-7ubuntu1?arch=amd64"],
  ["deb-src:lua5.4", "5.4.4-3", "pkg:deb/debian/lua5.4@5.4.4-3?arch=source"],
  ["npm:esbuild@0.28.2", "esbuild@0.28.2", "pkg:npm/esbuild@0.28.2"],
  ["npm:@noble/hashes@2.4.0", "@noble/hashes@2.4.0", "pkg:npm/%40noble/hashes@2.4.0"],
  ["npm:@noble/hashes", "2.4.0", "pkg:npm/%40noble/hashes@2.4.0"],
  [
    "url:https://example.org/x y",
    "1",
    "pkg:generic/x?checksum=sha256:ab&download_url=https%3A%2F%2Fexample.org%2Fx%20y",
  ],
])("%s %s is %s", (uri, version, purl) => {
  expect(packageName(uri, version, "x", "ab").purl).toBe(purl);
});

test.each([
  [".begat/image/deb/gcc_4%3a12.2.0-3_amd64.deb", "pkg:deb/debian/gcc@4:12.2.0-3?arch=amd64"],
  [".begat/image/base/image/deb/dash_0.5.12-2_amd64.deb", "pkg:deb/debian/dash@0.5.12-2?arch=amd64"],
  [".begat/image/npm/@noble+hashes@2.4.0", "pkg:npm/%40noble/hashes@2.4.0"],
  [".begat/image/npm/a+node_modules+b@1.0.0", "pkg:npm/b@1.0.0"],
  [".begat/image/file/usr/bin/lua", undefined],
  ["src/deb/x_1_all.deb", undefined],
])("%s is %s", (path, purl) => {
  expect(imagePackage(path)?.purl).toBe(purl);
});
