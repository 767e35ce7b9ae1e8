import { basename, dirname } from "node:path/posix";
import { sha256 } from "../../base/index.ts";
import type { Signer } from "../keys.ts";
import type { PublicKeyEntry } from "../record.ts";

/** Layout and link metadata of in-toto 1.0, which `in-toto-verify` checks: older than statements, and still everywhere. */

type Olpc = string | number | boolean | readonly Olpc[] | { readonly [member: string]: Olpc };

/** OLPC canonical JSON: only `"` and `\` are escaped, members sorted by code points. */
function olpc(value: Olpc): string {
  if (typeof value === "string") return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map(olpc).join(",")}]`;
  const members = Object.entries(value as { readonly [member: string]: Olpc });
  members.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `{${members.map(([name, member]) => `${olpc(name)}:${olpc(member)}`).join(",")}}`;
}

/** A public key as in-toto writes it, without its id. */
function keyObject(entry: PublicKeyEntry): { readonly [member: string]: Olpc } {
  return {
    keyid_hash_algorithms: ["sha256", "sha512"],
    keytype: "ed25519",
    keyval: { public: Buffer.from(entry.pub, "base64").toString("hex") },
    scheme: "ed25519",
  };
}

/** The file `in-toto-verify --layout-keys` reads. */
export const inTotoKey = (entry: PublicKeyEntry): string => `${JSON.stringify(keyObject(entry))}\n`;

/** in-toto's own id of a key: the hash of the above, not of its SPKI DER. */
export const inTotoKeyId = (entry: PublicKeyEntry): string => sha256(olpc(keyObject(entry)));

function metablock(signed: { readonly [member: string]: Olpc }, signer: Signer): string {
  const sig = signer.sign(Buffer.from(olpc(signed))).toString("hex");
  return `${JSON.stringify({ signatures: [{ keyid: inTotoKeyId(signer.entry), sig }], signed })}\n`;
}

export interface ClassicStep {
  readonly command: readonly string[];
  readonly materials: readonly { readonly path: string; readonly sha256: string }[];
  readonly products: readonly { readonly path: string; readonly sha256: string }[];
  readonly exit: number;
  /** Of the products, the one somebody will hold. */
  readonly artifact: string;
  /** When the layout ends to count, milliseconds since 1970. */
  readonly expiresMs: number;
}

const STEP = "execute";

/** in-toto matches rules by shell patterns; a class of one character takes each of these for itself. */
const literal = (path: string): string => path.replace(/[[*?]/g, (character) => `[${character}]`);

const artifacts = (files: ClassicStep["materials"]): { readonly [path: string]: Olpc } =>
  Object.fromEntries(files.map(({ path, sha256 }) => [path, { sha256 }]));

/**
 * The layout, signed by `owner`, and the link, signed by the rnode that executed.
 *
 * The last rule of the inspection disallows whatever is left: without it an artifact that nothing matched would pass.
 */
export function classicMetadata(
  step: ClassicStep,
  owner: Signer,
  rnode: Signer,
): { readonly layout: string; readonly link: string; readonly linkName: string } {
  const keyid = inTotoKeyId(rnode.entry);
  const name = basename(step.artifact);
  const folder = dirname(step.artifact);
  const from = folder === "." ? [] : ["IN", folder];
  const layout = {
    _type: "layout",
    expires: `${new Date(step.expiresMs).toISOString().slice(0, 19)}Z`,
    inspect: [
      {
        _type: "inspection",
        name: "artifact",
        expected_materials: [
          ["REQUIRE", name],
          ["MATCH", literal(name), "WITH", "PRODUCTS", ...from, "FROM", STEP],
          ["DISALLOW", "*"],
        ],
        expected_products: [["ALLOW", "*"]],
        run: ["true"],
      },
    ],
    keys: { [keyid]: { ...keyObject(rnode.entry), keyid } },
    readme: "",
    steps: [
      {
        _type: "step",
        name: STEP,
        expected_command: step.command,
        expected_materials: [["ALLOW", "*"]],
        expected_products: [...step.products.map(({ path }) => ["ALLOW", literal(path)]), ["DISALLOW", "*"]],
        pubkeys: [keyid],
        threshold: 1,
      },
    ],
  };
  const link = {
    _type: "link",
    name: STEP,
    byproducts: { "return-value": step.exit },
    command: step.command,
    environment: {},
    materials: artifacts(step.materials),
    products: artifacts(step.products),
  };
  return {
    layout: metablock(layout, owner),
    link: metablock(link, rnode),
    linkName: `${STEP}.${keyid.slice(0, 8)}.link`,
  };
}
