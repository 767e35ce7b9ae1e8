import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Socket } from "node:net";
import { afterAll, expect, test } from "vitest";
import { AnswerReader } from "../../src/executor/server/answer.ts";
import { FRAME, OrderWriter } from "../../src/executor/server/order.ts";
import { HAS_COMPILER, WITHOUT_COMPILER } from "../support/native-program.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";
import { SeededRandom } from "../support/seeded-random.ts";

/** `BEGAT_FUZZ_SEED=N` plays other conversations, `BEGAT_FUZZ_RUNS=N` more of them. */
const SEED = Number(process.env.BEGAT_FUZZ_SEED ?? 1);
const RUNS = Number(process.env.BEGAT_FUZZ_RUNS ?? 30);

const scratch = scratchDirectory();
afterAll(() => scratch.dispose());

/** Made by what an order runs, if it ever runs outside of its sandbox: inside, this directory is not there. */
const mark = `${scratch.path}/outside`;
const program = HAS_COMPILER ? sanitised() : undefined;

/** With the compiler's own checks of every access, where it has them. @throws where it does not compile without them either. */
function sanitised(): string {
  const path = `${scratch.path}/server`;
  for (const checks of [["-fsanitize=address,undefined", "-fno-sanitize-recover=all"], []]) {
    const isLast = checks.length === 0;
    try {
      const words = ["-std=c11", "-O1", ...checks, "-o", path];
      execFileSync("sh", ["-c", 'cc "$@" native/*.c', "cc", ...words], { stdio: "ignore" });
      execFileSync(path, ["--version"], { stdio: "ignore" });
      return path;
    } catch (error) {
      if (isLast) throw error;
    }
  }
  return path;
}

function order(id: number): Buffer {
  const writer = new OrderWriter()
    .id(id)
    .namespaces(["mnt", "pid", "net", "ipc", "uts", "user"])
    .options(["newSession"])
    .hostName("build")
    .directory("/")
    .argument("/bin/touch")
    .argument(mark)
    .variable("PATH", "/usr/bin:/bin")
    .streams(`${scratch.path}/out`, `${scratch.path}/err`)
    .limit("core", 0)
    .patience(10)
    .mount({ kind: "empty-root", from: "", to: "/" });
  for (const place of ["/usr", "/lib", "/lib64", "/bin"])
    if (existsSync(place)) writer.mount({ kind: "read-only", from: place, to: place });
  return writer.mount({ kind: "proc", from: "", to: "/proc" }).frame(FRAME.run);
}

type Damage = (frame: Buffer, dice: SeededRandom) => Buffer;
const DAMAGES: readonly Damage[] = [
  (frame) => frame,
  (frame, dice) => frame.subarray(0, dice.below(frame.length)),
  // A length that lies: of the frame, then of any field.
  (frame, dice) => {
    frame.writeUInt32LE(dice.pick([0, 1, 4, frame.length, 8 << 20, (8 << 20) + 2, 0x7fffffff, 0xffffffff]), 0);
    return frame;
  },
  (frame, dice) => {
    frame.writeUInt32LE(dice.pick([0, 3, 5, 0x7fffffff, 0xfffffff0]), dice.below(frame.length - 4));
    return frame;
  },
  (frame, dice) => {
    for (let n = 1 + dice.below(4); n > 0; n--) frame[5 + dice.below(frame.length - 5)] = dice.below(256);
    return frame;
  },
  (frame, dice) => {
    frame[4] = dice.below(256);
    return frame;
  },
  // A piece twice, with the frame's length set right: fields that come again, or that are none.
  (frame, dice) => {
    const [from, size] = [5 + dice.below(frame.length - 5), dice.below(64)];
    const longer = Buffer.concat([frame, frame.subarray(from, from + size)]);
    longer.writeUInt32LE(longer.length - 4, 0);
    return longer;
  },
  (_, dice) => Buffer.from(dice.bytes(dice.below(200))),
];

/** What the server made of it: how it ended, and what it said on the way. The channel is closed when run 0 has ended. */
function converse(path: string, bytes: Buffer): Promise<{ code: number | null; signal: string | null; said: string }> {
  return new Promise((resolve) => {
    const server = spawn(path, [], {
      stdio: ["ignore", "ignore", "pipe", "pipe"],
      env: { ASAN_OPTIONS: "detect_leaks=0" },
    });
    const channel = server.stdio[3] as Socket;
    const reader = new AnswerReader();
    let said = "";
    server.stderr?.on("data", (chunk) => {
      said += chunk;
    });
    // What is no answer throws, and the test with it.
    channel.on("data", (chunk: Buffer) => {
      if (reader.feed(chunk).some((answer) => answer.type === "ended" && answer.id === 0)) channel.end();
    });
    channel.on("error", () => undefined);
    server.once("exit", (code, signal) => resolve({ code, signal, said }));
    channel.write(bytes);
  });
}

test.skipIf(program === undefined)(
  `whatever bytes come, the server neither crashes nor hangs nor leaves the sandbox${WITHOUT_COMPILER}`,
  async () => {
    const dice = new SeededRandom(SEED);
    execFileSync("mkfifo", [`${scratch.path}/out`, `${scratch.path}/err`]);
    for (let run = 0; run < RUNS; run++) {
      const frames = Array.from({ length: 1 + dice.below(3) }, (_, i) => {
        const whole = dice.chance(0.2) ? new OrderWriter().id(i).frame(FRAME.kill) : order(i + 1);
        return dice.pick(DAMAGES)(Buffer.from(whole), dice);
      });
      const { code, signal, said } = await converse(program as string, Buffer.concat([order(0), ...frames]));
      // 0: begat is gone. 2: it was no order. Anything else is a fault of the server.
      expect([0, 2], `run ${run} of seed ${SEED}: code ${code}, signal ${signal}\n${said}`).toContain(code);
      expect(existsSync(mark), `run ${run} of seed ${SEED} left the sandbox`).toBe(false);
    }
  },
  120_000,
);

test.skipIf(program === undefined)(
  `an order as it should be does run, so that the mark means something${WITHOUT_COMPILER}`,
  async () => {
    const free = new OrderWriter().id(0).namespaces([]).directory("/").argument("/bin/sh").argument("-c");
    free.argument(`echo ran > ${scratch.path}/ran`).streams("/dev/null", "/dev/null");
    await converse(program as string, free.frame(FRAME.run));
    expect(existsSync(`${scratch.path}/ran`)).toBe(true);
  },
);
