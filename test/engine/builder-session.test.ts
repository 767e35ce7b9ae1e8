import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { Conversation } from "../../src/engine/builder-session.ts";
import { type AskOrder, decodeAnswer, FrameReader } from "../../src/engine/index.ts";

test("a long text goes out in frames that a client takes, and arrives whole", () => {
  const reader = new FrameReader();
  const arrived: string[] = [];
  const write = (bytes: Buffer): void => {
    expect(bytes.length).toBeLessThan(16 * 1024 * 1024);
    for (let frame = reader.feed(bytes); frame !== undefined; frame = reader.feed()) {
      const answer = frame === "broken" ? undefined : decodeAnswer(frame.kind, frame.content);
      expect(answer).toMatchObject({ kind: "output", stream: 1 });
      arrived.push((answer as { text: string }).text);
    }
  };
  const session = new Conversation({ write } as unknown as Socket, {} as AskOrder, () => {});
  const text = `x${"😀".repeat(3_000_000)}\n`;
  session.print(1, text);
  session.print(1, "");
  expect(arrived.length).toBeGreaterThan(4);
  expect(arrived.join("") === text).toBe(true);
});

test("words for a command that is over reach nobody, and those of a session that is closed are not sent", () => {
  let sent = 0;
  const session = new Conversation({ write: () => sent++ } as unknown as Socket, {} as AskOrder, () => {});
  const heard: string[] = [];
  const undo = session.onSignal(2, () => heard.push("once"));
  session.hear({ kind: "signal", signal: 2 });
  undo();
  session.hear({ kind: "signal", signal: 2 });
  session.onClosed(() => heard.push("closed"));
  session.hear({ kind: "closed" });
  session.close();
  session.print(1, "late");
  expect({ heard, sent, isClosed: session.isClosed }).toEqual({ heard: ["once", "closed"], sent: 0, isClosed: true });
});

test("a signal that comes before the command listens ends it, as it would end a process", () => {
  const ended: unknown[] = [];
  const reader = new FrameReader();
  const end = (bytes: Buffer): void => {
    const frame = reader.feed(bytes);
    if (frame !== undefined && frame !== "broken") ended.push(decodeAnswer(frame.kind, frame.content));
  };
  const session = new Conversation({ end } as unknown as Socket, {} as AskOrder, () => {});
  session.hear({ kind: "signal", signal: 15 });
  session.hear({ kind: "signal", signal: 15 });
  expect(ended).toEqual([{ kind: "done", exitCode: 143, stdout: "" }]);
  expect(session.isClosed).toBe(true);
});
