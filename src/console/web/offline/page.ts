import { verifyProof } from "../../../provenance/index.ts";
import { browserCurve } from "./browser-curve.ts";
import { sha256Bytes } from "./browser-hash.ts";
import { digestOfFile, kindOf, wholeOf } from "./dropped-file.ts";
import { readTrust, type TrustChoice } from "./trust-choice.ts";
import { type FileAtHand, type VerdictView, verdictView } from "./verdict-view.ts";

const SIGNS = { holds: "✓", "not proven": "!", tampered: "✗", "could not check": "?" } as const;

function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
}

const NO_CURVE: VerdictView = {
  verdict: "could not check",
  headline: "COULD NOT CHECK",
  meaning: "This browser gives this page no way to check Ed25519 signatures, so nothing is known.",
  problems: [
    "use a current browser, and open the page from a file or over https: a page that came over plain http has none",
  ],
  facts: [],
};

const curve = browserCurve(globalThis.crypto?.subtle);

/** What was given so far. */
let proof: Uint8Array | undefined;
let artifact: FileAtHand | undefined;
let policy: string | undefined;
/** Each file that is given counts these up, so that what an earlier one comes to is dropped. */
const given = { proof: 0, artifact: 0, policy: 0 };
let checks = 0;

function choice(): TrustChoice {
  const by = document.querySelector<HTMLInputElement>('input[name="trust"]:checked')?.value;
  if (by === "policy") return { by, text: policy };
  if (by === "ledger") return { by, identity: element<HTMLInputElement>("identity").value };
  return { by: by === "keys" ? "keys" : "nobody" };
}

async function check(): Promise<void> {
  const mine = ++checks;
  if (proof === undefined || artifact === undefined) {
    const missing = [...(proof === undefined ? ["the proof"] : []), ...(artifact === undefined ? ["the file"] : [])];
    return wait(`Waiting for ${missing.join(" and ")}`);
  }
  const read = readTrust(choice());
  if (!read.ok) return wait(`Waiting: ${read.because}`);
  const verifyEd25519 = await curve;
  if (verifyEd25519 === undefined) return show(NO_CURVE);
  const crypto = { sha256: sha256Bytes, verifyEd25519 };
  const verdict = await verifyProof({ proof, artifact: artifact.sha256, crypto, ...read.trust });
  if (mine === checks) show(verdictView(verdict, artifact));
}

function wait(text: string): void {
  element("verdict").dataset.verdict = "waiting";
  element("mark").replaceChildren();
  element("headline").textContent = text;
  element("meaning").textContent = "";
  element("problems").replaceChildren();
  element("shown").hidden = true;
  document.title = "Check a proof - begat";
}

function show({ verdict, headline, meaning, problems, facts }: VerdictView): void {
  element("verdict").dataset.verdict = verdict;
  const mark = element("mark");
  mark.dataset.sign = SIGNS[verdict];
  // The sign itself is drawn by the style sheet; a space makes the mark one that is there.
  mark.textContent = " ";
  element("headline").textContent = headline;
  element("meaning").textContent = meaning;
  element("problems").replaceChildren(...problems.map((problem) => withText("li", problem)));
  element("facts").replaceChildren(...facts.flatMap(([name, value]) => [withText("dt", name), withText("dd", value)]));
  element("shown").hidden = facts.length === 0;
  document.title = `${headline} - begat`;
}

function withText(tag: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function describe(kind: "artifact" | "policy" | "proof", name: string, detail: string): void {
  const line = element(`${kind}-name`);
  const digest = withText("span", detail);
  digest.className = "digest";
  line.replaceChildren(name, digest);
  line.parentElement?.classList.add("filled");
}

async function takeProof(file: File): Promise<void> {
  const mine = ++given.proof;
  proof = undefined;
  const bytes = await wholeOf(file);
  if (mine !== given.proof) return;
  proof = bytes;
  describe("proof", file.name, `${bytes.length} bytes`);
}

async function takePolicy(file: File): Promise<void> {
  const mine = ++given.policy;
  policy = undefined;
  const text = new TextDecoder().decode(await wholeOf(file));
  if (mine !== given.policy) return;
  policy = text;
  describe("policy", file.name, `${file.size} bytes`);
  element<HTMLInputElement>("trust-policy").checked = true;
}

async function takeArtifact(file: File): Promise<void> {
  const mine = ++given.artifact;
  artifact = undefined;
  wait(`Reading ${file.name}`);
  const sha256 = await digestOfFile(
    file,
    (share) => describe("artifact", file.name, `SHA-256: ${Math.floor(100 * share)} %`),
    () => mine === given.artifact,
  );
  if (sha256 === undefined) return;
  artifact = { name: file.name, sha256 };
  describe("artifact", file.name, sha256);
}

const TAKE = { proof: takeProof, policy: takePolicy, artifact: takeArtifact };

async function take(kind: keyof typeof TAKE, file: File): Promise<void> {
  try {
    await TAKE[kind](file);
  } catch (error) {
    // A directory, or a file that went away: browsers say so only when it is read.
    describe(kind, file.name, `cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  await check();
  element("verdict").scrollIntoView({ block: "nearest" });
}

async function takeDropped(files: readonly File[]): Promise<void> {
  const kinds = await Promise.all(files.map((file) => kindOf(file).catch((): "artifact" => "artifact")));
  for (const kind of ["proof", "policy", "artifact"] as const) {
    const fitting = files.filter((_, i) => kinds[i] === kind);
    const [file] = fitting;
    if (file !== undefined && fitting.length === 1) await take(kind, file);
    else if (fitting.length > 1) {
      const names = fitting.slice(0, 5).map(({ name }) => name);
      describe(kind, `${fitting.length} files could be meant; choose one`, names.join(", "));
    }
  }
}

function start(): void {
  for (const kind of ["proof", "policy", "artifact"] as const) {
    const input = element<HTMLInputElement>(`${kind}-file`);
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      if (file !== undefined) void take(kind, file);
    });
  }
  for (const radio of document.querySelectorAll('input[name="trust"]')) {
    radio.addEventListener("change", () => void check());
  }
  element("identity").addEventListener("input", () => void check());
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dragging");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    void takeDropped([...(event.dataTransfer?.files ?? [])]);
  });
}

start();
