// What limits begat where it misses a goal, by row; found by profiling, and to be found again when the figure changes.

/** @type {Readonly<Record<string, string>>} */
export const limits = {
  "null-10k":
    "one stat for every source and output, 20,000 of them: 18 ms in C, 38 ms in Node 20, which makes four dates for each; the rest is Node's own start",
  "null-100k": "as for 10,000 chores: 200,000 stats, each with an object and four dates of Node's",
  "engine-10k":
    "starting the launcher's shell and begat-client, which looks at each of begat's own sources (600 stats)",
  "engine-100k": "as for 10,000 chores; nothing of it grows with the checkout",
  "watch-begin":
    "the 8 ms that a burst may pause, a stat for each file beside the saved one, and on a busy machine V8's collection of what the build before has left",
  "cold-process":
    "begat's one JavaScript thread has some 1.5 to 2 ms of work for each chore (staging, storing, signing, recording, some 100 system calls), a third of which no recipe runs beside",
  "cold-bubblewrap": "bwrap's own 2.5 to 3.3 ms for each sandbox, and the same thread",
  "cold-server":
    "begat's one JavaScript thread: a third of begat's CPU, half of it code that V8 has not come to optimise; then a shell that starts cp, where ninja's becomes it",
  "large-graph-memory":
    "the plan itself, its strings above all, the text and its calls, and the hash tables while it is laid out",
  "large-graph-engine": "as for 10,000 chores; nothing of it grows with the graph",
  "chain-bubblewrap":
    "with nothing to run beside, each step is the sandbox (5 to 6 ms) and then begat's work on it (3 to 4 ms)",
  "c-project": "a second of starting up, then begat's thread beside two compilers on two processors",
  "c-project-image": "half a second of starting up, then begat's thread beside two compilers on two processors",
  "c-project-image-header-builder":
    "some 2 ms of begat's thread for each chore that did not use the header: its record is found, checked, and said to stand",
  "large-cold-process":
    "each byte is written three times (staging area, store, checkout) and hashed twice, where ninja writes it once",
  "large-cold-bubblewrap":
    "each byte is written three times (staging area, store, checkout) and hashed twice, where ninja writes it once",
  "large-restored": "each byte is copied from store to checkout and hashed on the way; the file system has no reflinks",
  "restored-builder":
    "14 system calls for each file, of which six make it, and its row in the state; of one thread, as all of begat's own work is",
  "large-graph-builder-null":
    "the launcher's shell and begat-client's look at begat's own sources, as with the engine; then a look at what begatfiles rest on",
  "restored-1000":
    "CPU of one thread: Node's start and begat's (a third), then 17 system calls for each file, of which six make it",
  "leaf-process":
    "opening ledger and index (25 ms), starting a launcher, one recipe and one sync, beside a null build of 80 ms that is mostly Node's own start",
  "leaf-usual": "as without a sandbox, and trying the canaries before the first one (20 to 35 ms)",
  "schedule-unknown":
    "without durations the longest chores begin as late as any; the last of them, and what waits for it, run while slots are idle",
  "schedule-interactive-16":
    "what runs for CI is not ended for somebody else's sake: on 16 slots the first of the 50 chores wait until others' have ended",
  "farm-throughput":
    "two rnodes on the loopback add no processor, and a remote chore costs client, leader and rnode 28 ms of CPU on a busy machine (docs/benchmarks.md); those that would take less than 25 ms on an idle machine are kept at home",
  "leader-hits": "a stream of grpc-js on both sides, which the client needs more CPU for than the leader",
  "stream-write": "the receiver's one thread: frames of 16 KiB put together, hashed, written",
  record:
    "Ed25519 (0.06 ms), rendering statement and record, and six small manifests a chore in random places of one B-tree",
  durable:
    "a check of Ed25519 (0.11 ms), the statement written again from its manifests, and the record: one thread's work but for the check; then the disk's syncs",
  "show-cold":
    "Node's own start, opening ledger and index, and the signature of the execution and of each that made an input",
  "show-warm": "a signature checked for each input that an execution made: ten of them where ten were linked",
  closure: "two queries an execution, each some look-ups in B-trees of 48-bit keys",
  "closure-all": "two queries an execution, each some look-ups in B-trees of 48-bit keys",
  reindex: "each record scanned and its pairs sorted, then each Directory decoded, on one thread",
  "verify-all":
    "Ed25519 (0.11 ms) and, beside it, three to five manifests looked up, hashed and decoded, and the statement written again",
  "verify-chain":
    "the Action of each execution is looked up by its hash and hashed again, and each record is parsed, compared with its canonical form and its members checked",
  "proof-verify-cold": "Node's own start; the proof itself is read and checked in some milliseconds",
  evaluate: "parsing and evaluation are one thread's work of 10 microseconds a dictum",
  startup: "Node's own start, and mapping the bundle with its code cache",
  "sandbox-cpu":
    "bubblewrap's own start, some 25 mounts and the namespaces' teardown; a server that forks with them in place would not pay again",
  "docker-create":
    "the engine's own create, start, wait and remove: four requests, and containerd and runc started for each container",
};
