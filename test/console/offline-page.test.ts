import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Chromium, chromiumMissing } from "../support/chromium.ts";
import { artifactBytes, exported } from "../support/proven-chore.ts";

const root = join(import.meta.dirname, "../..");
const { offlinePage } = (await import(pathToFileURL(join(root, "tools/offline-page.mjs")).href)) as {
  offlinePage(version: string): Promise<string>;
};
const home = mkdtempSync(join(tmpdir(), "begat-page-"));
const at = (name: string): string => join(home, name);
const page = pathToFileURL(at("offline.html")).href;

/** What the page says, as somebody reads it. */
interface Said {
  readonly verdict: string;
  readonly headline: string;
  readonly meaning: string;
  readonly problems: readonly string[];
  readonly facts: Readonly<Record<string, string>>;
  readonly title: string;
}

const SAID = `(() => {
  const text = (id) => document.getElementById(id).textContent;
  const all = (selector) => [...document.querySelectorAll(selector)].map((one) => one.textContent);
  const names = all("#facts dt"), values = all("#facts dd");
  return {
    verdict: document.getElementById("verdict").dataset.verdict,
    headline: text("headline"), meaning: text("meaning"), problems: all("#problems li"),
    facts: Object.fromEntries(names.map((name, i) => [name, values[i]])), title: document.title,
  };
})()`;

let browser: Chromium;
let outside: Server;
let asked = 0;
let identity = "";

beforeAll(async () => {
  if (chromiumMissing !== undefined) return;
  writeFileSync(at("offline.html"), await offlinePage("0.1.0"));
  const put = (name: string, bytes: Uint8Array | string) => writeFileSync(at(name), bytes);
  const one = await exported({ challenges: ["match"] });
  const proof = Buffer.from(one.proof);
  const policy = Buffer.from(one.files.get("begat.policy") ?? "").toString();
  identity = /^ledger (.*)$/m.exec(policy)?.[1] ?? "";
  put("a.o.proof", proof);
  put("a.o", artifactBytes);
  put("begat.policy", policy);
  put("prog.proof", (await exported({ chore: "link()", outputs: { "bin/prog": "another program\n" } })).proof);
  put("prog", "another program\n");
  put("altered.o", `${artifactBytes}\n`);
  put("altered.proof", proof.toString().replace('"exit":0', '"exit":1'));
  put("cut.proof", proof.subarray(0, proof.length - 40));
  put("strict.policy", policy.replace(/^level .*$/m, "level hermetic"));
  put("other.policy", policy.replace(/^ledger .*$/m, `ledger ${"0".repeat(64)}`));
  put("broken.policy", `${policy}maximum-age 3\n`);
  put("note.txt", "no proof at all\n");
  // Two pieces of what is read at a time, and a bit.
  put("large.bin", Buffer.alloc(2 * (4 << 20) + 5, "x"));
  outside = createServer((_, response) => {
    asked++;
    response.end("reached");
  });
  await new Promise<void>((resolve) => outside.listen(0, "127.0.0.1", resolve));
  browser = await Chromium.open(page);
}, 60_000);

afterAll(async () => {
  await browser?.close();
  outside?.close();
  rmSync(home, { recursive: true, force: true });
});

const said = (): Promise<Said> => browser.value(SAID);
const paths = (...names: string[]): string[] => names.map(at);

async function verdict(): Promise<Said> {
  await browser.becomes('document.getElementById("verdict").dataset.verdict !== "waiting"');
  return said();
}

describe.skipIf(chromiumMissing !== undefined)(
  `the offline page in Chromium${chromiumMissing === undefined ? "" : ` (${chromiumMissing})`}`,
  () => {
    beforeEach(() => browser.goTo(page));

    test("says that the artifact of a proof holds, for a policy that accepts it", async () => {
      await browser.drop(paths("a.o.proof", "a.o", "begat.policy"));
      const holds = await verdict();
      expect(holds).toMatchObject({ verdict: "holds", headline: "HOLDS", problems: [], title: "HOLDS - begat" });
      expect(holds.meaning).toBe("a.o is obj/a.o as compile(src/a.c) made it, recorded by a ledger you believe.");
      expect(holds.facts).toMatchObject({
        chore: "compile(src/a.c)",
        results: "2 executions gave these bytes",
        believed: "because the policy accepts it",
      });
      expect(holds.facts.ledger).toMatch(new RegExp(`^${identity}, record 4 of \\d+$`));
    });

    test.each<[what: string, files: string[], verdict: string, problem: RegExp | undefined]>([
      ["another artifact", ["a.o.proof", "altered.o", "begat.policy"], "not proven", /^the artifact has digest/],
      [
        "the artifact of another proof",
        ["a.o.proof", "prog", "begat.policy"],
        "not proven",
        /^the artifact has digest/,
      ],
      [
        "the proof of another artifact",
        ["prog.proof", "a.o", "begat.policy"],
        "not proven",
        /^the artifact has digest/,
      ],
      ["a proof with one digit changed", ["altered.proof", "a.o", "begat.policy"], "tampered", /is not in the ledger/],
      ["a proof that was cut short", ["cut.proof", "a.o", "begat.policy"], "could not check", /^not a proof: /],
      ["a policy that asks for more", ["a.o.proof", "a.o", "strict.policy"], "not proven", /hermetic is asked for/],
      ["a policy for another ledger", ["a.o.proof", "a.o", "other.policy"], "not proven", /is not accepted$/],
      ["no policy", ["a.o.proof", "a.o"], "not proven", /^nobody vouches for the keys/],
    ])("does not say so of %s", async (_what, files, expected, problem) => {
      await browser.drop(paths(...files));
      const { verdict: found, problems, headline } = await verdict();
      expect(found).toBe(expected);
      expect(headline).toBe(expected.toUpperCase());
      expect(problems[0]).toMatch(problem as RegExp);
    });

    test("checks nothing by a policy it does not understand", async () => {
      await browser.drop(paths("a.o.proof", "a.o", "broken.policy"));
      await browser.becomes('document.getElementById("headline").textContent.startsWith("Waiting: ")');
      expect((await said()).headline).toMatch(/^Waiting: the policy cannot be used, line \d+: "maximum-age 3" is not/);
    });

    test("takes files one by one from their choosers, and the last one counts", async () => {
      await browser.choose("#proof-file", paths("prog.proof"));
      await browser.becomes('document.getElementById("headline").textContent === "Waiting for the file"');
      await browser.choose("#artifact-file", paths("a.o"));
      expect((await verdict()).problems[0]).toMatch(/^the artifact has digest/);
      await browser.choose("#proof-file", paths("a.o.proof"));
      await browser.becomes('document.getElementById("problems").children.length === 1');
      await browser.becomes('document.getElementById("problems").textContent.startsWith("nobody vouches")');
      await browser.choose("#policy-file", paths("begat.policy"));
      await browser.becomes('document.getElementById("verdict").dataset.verdict === "holds"');
      await browser.choose("#proof-file", paths("note.txt"));
      await browser.becomes('document.getElementById("verdict").dataset.verdict === "could not check"');
    });

    test("is worked by the keyboard alone, and says the answer to who cannot see it", async () => {
      await browser.drop(paths("a.o.proof", "a.o"));
      await verdict();
      const focused = () => browser.value<string>("document.activeElement.id");
      const tab = () => browser.press("Tab", "Tab", 9);
      const met: string[] = [];
      for (let i = 0; i < 3; i++) {
        await tab();
        met.push(await focused());
      }
      expect(met).toEqual(["proof-file", "artifact-file", "trust-nobody"]);
      for (let i = 0; i < 2; i++) await browser.press("ArrowDown", "ArrowDown", 40);
      expect(await focused()).toBe("trust-ledger");
      expect((await said()).headline).toMatch(/^Waiting: enter the identity/);
      await tab();
      expect(await focused()).toBe("identity");
      await browser.send("Input.insertText", { text: "0".repeat(63) });
      expect((await said()).headline).toMatch(/63 characters were entered$/);
      await browser.send("Input.insertText", { text: "0" });
      expect((await verdict()).problems[0]).toMatch(/^nobody vouches/);
      await browser.value('document.getElementById("identity").select()');
      await browser.send("Input.insertText", { text: ` ${identity.toUpperCase()} ` });
      await browser.becomes('document.getElementById("verdict").dataset.verdict === "holds"');
      expect((await said()).facts.believed).toBe("because its ledger is the one you entered");
      const role = await browser.value('document.getElementById("verdict").getAttribute("role")');
      expect(role).toBe("status");
    });

    test("believes the keys in the proof when asked to, and says so", async () => {
      await browser.drop(paths("a.o.proof", "a.o"));
      await verdict();
      await browser.value('document.getElementById("trust-keys").click()');
      await browser.becomes('document.getElementById("verdict").dataset.verdict === "holds"');
      expect((await said()).facts.believed).toBe("because you asked to trust the keys in the proof");
    });

    test("hashes a file larger than what it reads at once", async () => {
      await browser.drop(paths("a.o.proof", "large.bin"));
      const { problems } = await verdict();
      const { createHash } = await import("node:crypto");
      const digest = createHash("sha256")
        .update(readFileSync(at("large.bin")))
        .digest("hex");
      expect(problems[0]).toContain(`the artifact has digest ${digest.slice(0, 12)}`);
    });

    test("asks which file is meant where several could be", async () => {
      await browser.drop(paths("a.o.proof", "a.o", "prog"));
      await browser.becomes('document.getElementById("artifact-name").textContent.includes("2 files could be meant")');
      expect((await said()).headline).toBe("Waiting for the file");
    });

    test("names every control, and has enough contrast to be read in light and dark", async () => {
      const { nodes } = (await browser.send("Accessibility.getFullAXTree")) as {
        nodes: { ignored: boolean; role?: { value: string }; name?: { value: string } }[];
      };
      const controls = nodes.filter(({ ignored, role }) => !ignored && /button|radio|textbox/.test(role?.value ?? ""));
      expect(controls.map(({ name }) => name?.value ?? "")).toEqual(
        expect.arrayContaining(["Choose the proof", "Choose the file to check", "Nobody yet"]),
      );
      expect(controls.filter(({ name }) => (name?.value ?? "") === "")).toEqual([]);
      for (const value of ["light", "dark"]) {
        await browser.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });
        await browser.drop(paths("a.o.proof", "altered.o", "begat.policy"));
        await browser.becomes('document.getElementById("verdict").dataset.verdict === "not proven"');
        for (const selector of ["header p", "#headline", "#meaning", "dt", "dd", ".slot label", "footer p", ".hint"]) {
          expect(
            await browser.value<number>(`(${contrast})(${JSON.stringify(selector)})`),
            `${value} ${selector}`,
          ).toBeGreaterThan(4.5);
        }
      }
      await browser.send("Emulation.setEmulatedMedia", { features: [] });
    });

    test("says so where the browser has no Ed25519, and checks nothing by halves", async () => {
      const source = 'Object.defineProperty(Crypto.prototype, "subtle", { value: undefined })';
      const { identifier } = await browser.send("Page.addScriptToEvaluateOnNewDocument", { source });
      await browser.goTo(page);
      await browser.send("Page.removeScriptToEvaluateOnNewDocument", { identifier });
      await browser.drop(paths("a.o.proof", "a.o", "begat.policy"));
      const { verdict: found, meaning, facts } = await verdict();
      expect(found).toBe("could not check");
      expect(meaning).toContain("no way to check Ed25519 signatures");
      expect(facts).toEqual({});
    });

    test("asks the network for nothing, and may not", async () => {
      const before = browser.events.length;
      await browser.drop(paths("a.o.proof", "a.o", "begat.policy"));
      await verdict();
      const url = `http://127.0.0.1:${(outside.address() as AddressInfo).port}/`;
      const refused = await browser.value<string[]>(`(async () => {
        const said = [];
        const refusal = (name, make) => Promise.resolve().then(make).then(() => said.push(name + " got through"), () => said.push(name));
        const loaded = (tag, name) => new Promise((resolve, reject) => {
          const one = document.createElement(tag);
          one.onload = resolve; one.onerror = reject; one[name] = ${JSON.stringify(url)};
          document.body.append(one);
        });
        await refusal("fetch", () => fetch(${JSON.stringify(url)}));
        await refusal("image", () => loaded("img", "src"));
        await refusal("script", () => loaded("script", "src"));
        await refusal("socket", () => new Promise((resolve, reject) => {
          const socket = new WebSocket(${JSON.stringify(url.replace("http", "ws"))});
          socket.onopen = resolve; socket.onerror = reject;
        }));
        return said;
      })()`);
      expect(refused).toEqual(["fetch", "image", "script", "socket"]);
      expect(asked).toBe(0);
      const requests = browser.events
        .slice(before)
        .filter(({ method }) => method === "Network.responseReceived")
        .map(({ params }) => (params as { response: { url: string } }).response.url)
        .filter((requested) => !requested.startsWith("file:"));
      expect(requests).toEqual([]);
    });
  },
);

/** Contrast of a text with what is behind it, as WCAG 2 reckons it. */
const contrast = `(selector) => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b]
    .map((one) => one / 255)
    .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, i) => sum + one * [0.2126, 0.7152, 0.0722][i], 0);
  const text = document.querySelector(selector);
  let behind = text;
  while (channels(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
  const a = luminance(channels(getComputedStyle(text).color));
  const b = luminance(channels(getComputedStyle(behind).backgroundColor));
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}`;
