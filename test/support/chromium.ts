import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-default-apps",
  "--disable-extensions",
  "--hide-scrollbars",
  "--remote-debugging-pipe",
];

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** Why Chromium cannot be used here; `undefined` where it can. */
export const chromiumMissing: string | undefined =
  spawnSync("sh", ["-c", "command -v chromium"]).status === 0 ? undefined : "no chromium";

/**
 * One page in a headless Chromium of its own, driven by the DevTools protocol over a pipe: messages of JSON, each ended by
 * a zero byte, in on descriptor 3 and out on 4.
 */
export class Chromium {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  #next = 1;
  #session: string | undefined;
  /** Events of the page, oldest first. */
  readonly events: Answer[] = [];

  private constructor(profile: string) {
    this.#profile = profile;
    this.#child = spawn("chromium", [...FLAGS, `--user-data-dir=${profile}`], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
      // Debian's launcher is a shell script: its Chromium ends with its group.
      detached: true,
    });
    let unread = "";
    (this.#child.stdio[4] as Readable).setEncoding("utf8").on("data", (text: string) => {
      const messages = (unread + text).split("\0");
      unread = messages.pop() ?? "";
      for (const message of messages) this.#take(JSON.parse(message) as Answer);
    });
    this.#child.on("close", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("chromium ended"));
      this.#waiting.clear();
    });
    (this.#child.stdio[3] as Writable).on("error", () => {});
  }

  static async open(url: string): Promise<Chromium> {
    const browser = new Chromium(mkdtempSync(join(tmpdir(), "begat-chromium-")));
    const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
    browser.#session = sessionId as string;
    for (const domain of ["Page", "Runtime", "DOM", "Network", "Log"]) await browser.send(`${domain}.enable`);
    await browser.goTo(url);
    return browser;
  }

  async goTo(url: string): Promise<void> {
    const before = this.events.length;
    await this.send("Page.navigate", { url });
    await this.until(() => this.events.slice(before).some(({ method }) => method === "Page.loadEventFired"));
  }

  send(method: string, params: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const id = this.#next++;
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    const answered = new Promise<Record<string, unknown>>((resolve, reject) => {
      this.#waiting.set(id, {
        reject,
        resolve: ({ result, error }) =>
          error === undefined ? resolve(result ?? {}) : reject(new Error(`${method}: ${error.message}`)),
      });
    });
    (this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    return answered;
  }

  /** The value of an expression in the page; a promise is awaited. */
  async value<T>(expression: string): Promise<T> {
    const answer = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    const { result, exceptionDetails } = answer as { result: { value: T }; exceptionDetails?: { text: string } };
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  }

  /** Resolves once an expression in the page is true; the page says when to look, at each change of its document. */
  async becomes(expression: string): Promise<void> {
    await this.value(`new Promise((resolve) => {
      const look = () => (${expression}) && (observer.disconnect(), resolve(true));
      const observer = new MutationObserver(look);
      observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
      look();
    })`);
  }

  /** Gives files to an `<input type="file">`, as its chooser would. */
  async choose(selector: string, files: readonly string[]): Promise<void> {
    const { root } = (await this.send("DOM.getDocument")) as { root: { nodeId: number } };
    const { nodeId } = await this.send("DOM.querySelector", { nodeId: root.nodeId, selector });
    await this.send("DOM.setFileInputFiles", { nodeId, files });
  }

  async drop(files: readonly string[], x = 400, y = 300): Promise<void> {
    const data = { items: [], files, dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) {
      await this.send("Input.dispatchDragEvent", { type, x, y, data });
    }
  }

  async press(key: string, code: string, keyCode: number, text?: string): Promise<void> {
    const common = { key, code, windowsVirtualKeyCode: keyCode };
    await this.send("Input.dispatchKeyEvent", { type: text === undefined ? "rawKeyDown" : "keyDown", text, ...common });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...common });
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.send("Page.captureScreenshot", { captureBeyondViewport: true });
    return Buffer.from(data as string, "base64");
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    if (this.#child.exitCode === null && this.#child.pid !== undefined) {
      process.kill(-this.#child.pid, "SIGKILL");
      await ended;
    }
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  readonly #looking: { fits: () => boolean; resolve: () => void }[] = [];

  private until(fits: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      if (fits()) resolve();
      else this.#looking.push({ fits, resolve });
    });
  }

  #take(answer: Answer): void {
    if (answer.id === undefined) this.events.push(answer);
    else {
      this.#waiting.get(answer.id)?.resolve(answer);
      this.#waiting.delete(answer.id);
    }
    for (const looking of [...this.#looking]) {
      if (!looking.fits()) continue;
      this.#looking.splice(this.#looking.indexOf(looking), 1);
      looking.resolve();
    }
  }
}
