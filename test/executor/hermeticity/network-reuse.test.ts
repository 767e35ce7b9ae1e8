import { afterAll, beforeAll, expect, test } from "vitest";
import type { ExecutionResult, Executor } from "../../../src/executor/index.ts";
import { executionRequest } from "../../support/execution-request.ts";
import { WITHOUT_COMPILER } from "../../support/native-program.ts";
import { skipReason } from "../../support/skip-reason.ts";
import { hasSpawnServer, realExecutors } from "../real-executors.ts";

/** Runs in one seat share a network namespace, one after another: what one does in it, the next must not meet. */
const [kind] = realExecutors().filter(({ name }) => name === "the server executor");
const isRoot = process.getuid?.() === 0;
let executor: Executor;
let looked: string;

beforeAll(async () => {
  if (kind === undefined) return;
  executor = kind.make({ slots: 2 }).executor;
  await executor.probe();
  looked = await look();
});

afterAll(async () => {
  await executor?.close();
  kind?.dispose();
});

function python(program: string): string {
  return `cat > p.py <<'END'\nimport array, os, socket, time\n${program}\nEND\npython3 p.py\nrm p.py`;
}

async function run(recipe: string, onOutput?: () => void, signal = new AbortController().signal) {
  const result = await executor.execute(executionRequest(recipe), { signal, ...(onOutput ? { onOutput } : {}) });
  return { ...result, said: result.stdout.toString() };
}

async function succeed(recipe: string): Promise<string> {
  const result: ExecutionResult & { said: string } = await run(recipe);
  expect([result.verdict, result.stderr.toString()]).toEqual(["ok", ""]);
  return result.said;
}

/** All that a recipe can read of its network. */
function look(): Promise<string> {
  return succeed('for f in dev unix snmp snmp6 netstat tcp tcp6 udp udp6 raw route; do cat "/proc/net/$f"; done');
}

const DIRTY: readonly (readonly [what: string, program: string])[] = [
  [
    "a datagram to itself",
    `s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 4711))
s.sendto(b"x", ("127.0.0.1", 4711))`,
  ],
  [
    "a datagram to itself over IPv6",
    // Where the kernel has it.
    `try:
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::1", 4711))
    s.sendto(b"x", ("::1", 4711))
except OSError:
    pass`,
  ],
  ["a connection that nobody takes", 'socket.socket().connect_ex(("127.0.0.1", 4711))'],
  [
    "a port that waits for late packets",
    `l = socket.create_server(("127.0.0.1", 4711))
c = socket.create_connection(("127.0.0.1", 4711))
l.accept()[0].close()
c.close()`,
  ],
  [
    "an abstract name, on its way in a message to itself",
    `l = socket.socket(socket.AF_UNIX)
l.bind("\\0left")
l.listen()
a, b = socket.socketpair()
fds = array.array("i", [l.fileno(), a.fileno(), b.fileno()])
a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])`,
  ],
];

test.skipIf(!hasSpawnServer).for(DIRTY)(`%s is not met by the next run${WITHOUT_COMPILER}`, async ([, program]) => {
  await succeed(python(program));
  expect(await look()).toBe(looked);
  await succeed(python(program));
  await succeed(
    python(`socket.socket().bind(("127.0.0.1", 4711))
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("127.0.0.1", 4711))
socket.socket(socket.AF_UNIX).bind("\\0left")`),
  );
});

// A user of its own that may not make a network namespace outside of the sandbox has one made for each.
test.skipIf(!hasSpawnServer || !isRoot)(
  `runs that leave it as it was have the same one${WITHOUT_COMPILER || skipReason(isRoot, "root", "run the tests as root")}`,
  async () => {
    const network = () => succeed("readlink /proc/self/ns/net");
    const first = await network();
    await succeed(python('socket.socket().bind(("127.0.0.1", 4711))'));
    expect(await network()).toBe(first);
  },
);

test.skipIf(!hasSpawnServer)(
  `two runs at once meet neither at a port nor by an abstract name${WITHOUT_COMPILER}`,
  async () => {
    const stop = new AbortController();
    let hasBegun = () => {};
    const begun = new Promise<void>((resolve) => {
      hasBegun = resolve;
    });
    const listening = run(
      python(`a = socket.socket(socket.AF_UNIX)
a.bind("\\0met")
a.listen()
t = socket.create_server(("127.0.0.1", 4712))
print("begun", flush=True)
time.sleep(600)`),
      hasBegun,
      stop.signal,
    ).catch(({ code }: { code: string }) => code);
    await Promise.race([begun, listening.then((ended) => expect(ended).toBe("begun"))]);
    const said = await succeed(
      python(`def tries(family, address):
    try:
        socket.socket(family).connect(address)
        return "met"
    except ConnectionRefusedError:
        return "refused"
print(tries(socket.AF_UNIX, "\\0met"), tries(socket.AF_INET, ("127.0.0.1", 4712)))`),
    );
    expect(said).toBe("refused refused\n");
    stop.abort();
    expect(await listening).toBe("EXECUTOR_CANCELLED");
  },
);
