import { FRAME } from "./order.ts";

/** How one order ended. */
export interface Ended {
  readonly type: "ended";
  readonly id: number;
  /** `lost`: what kept the recipe together was killed, and not by begat. */
  readonly how: "itself" | "killed" | "lost" | "not-started";
  /** The sandbox was set up and the recipe begun. */
  readonly begun: boolean;
  /** As a shell has it: 128 and the signal's number for what a signal ended. */
  readonly status: number;
  readonly leftCount: number;
  readonly leftNames: readonly string[];
  /** Microseconds. */
  readonly userUs: number;
  readonly systemUs: number;
  readonly wallUs: number;
  readonly maxRssKib: number;
  /** Something was printed that nobody had read when it ended. */
  readonly hasUnread: boolean;
  /** Why it was not started. */
  readonly problem: string;
}

export type Answer =
  | Ended
  | { readonly type: "ready"; readonly version: number }
  | { readonly type: "made"; readonly id: number; readonly problem: string };

const HOW: readonly Ended["how"][] = ["itself", "killed", "lost", "not-started"];
const HEAD_BYTES = 4;
/** No answer is larger; more means that this is not the spawn server. */
const LARGEST_ANSWER = 4096;

/** Takes answers out of a stream, wherever it was cut. @throws {RangeError} for what no spawn server says. */
export class AnswerReader {
  #rest: Buffer = Buffer.alloc(0);

  feed(chunk: Buffer): Answer[] {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const answers: Answer[] = [];
    while (bytes.length >= HEAD_BYTES) {
      const length = bytes.readUInt32LE(0);
      if (length === 0 || length > LARGEST_ANSWER) throw new RangeError(`answer of ${length} bytes`);
      if (bytes.length < HEAD_BYTES + length) break;
      answers.push(readAnswer(bytes.subarray(HEAD_BYTES, HEAD_BYTES + length)));
      bytes = bytes.subarray(HEAD_BYTES + length);
    }
    this.#rest = bytes;
    return answers;
  }
}

function readAnswer(bytes: Buffer): Answer {
  const body = bytes.subarray(1);
  switch (bytes[0]) {
    case FRAME.ready:
      return { type: "ready", version: body.readUInt32LE(0) };
    case FRAME.made:
      return { type: "made", id: body.readUInt32LE(0), problem: textAt(body, 4)[0] };
    case FRAME.ended:
      return readEnded(body);
    default:
      throw new RangeError(`answer of kind ${bytes[0]}`);
  }
}

function readEnded(body: Buffer): Ended {
  const how = HOW[body.readUInt8(4)];
  if (how === undefined) throw new RangeError(`end of kind ${body[4]}`);
  const waited = body.readUInt32LE(6);
  const signal = waited & 0x7f;
  const [problem, next] = textAt(body, 54);
  const [names] = textAt(body, next);
  return {
    type: "ended",
    id: body.readUInt32LE(0),
    how,
    begun: body.readUInt8(5) !== 0,
    status: signal === 0 ? (waited >> 8) & 0xff : 128 + signal,
    leftCount: body.readUInt32LE(10),
    leftNames: names === "" ? [] : names.split(" "),
    userUs: Number(body.readBigUInt64LE(14)),
    systemUs: Number(body.readBigUInt64LE(22)),
    wallUs: Number(body.readBigUInt64LE(30)),
    maxRssKib: Number(body.readBigUInt64LE(38)),
    hasUnread: body.readUInt32LE(46) + body.readUInt32LE(50) > 0,
    problem,
  };
}

function textAt(bytes: Buffer, at: number): readonly [text: string, next: number] {
  const end = bytes.indexOf(0, at);
  if (end < 0) throw new RangeError("text without an end");
  return [bytes.toString("latin1", at, end), end + 1];
}
