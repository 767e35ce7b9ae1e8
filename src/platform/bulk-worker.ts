/**
 * What a worker of `NodeBulkFiles` runs, as source text: a bundle of one file has no second entry to point a worker at.
 * CommonJS, because `eval: true` is. One message in (`{id, from, to, mode, seal, durable, known}`), one out
 * (`{id, hash, sizeBytes}` or `{id, message, code}`).
 */
export const BULK_WORKER_SOURCE = `
const fs = require("node:fs");
const { createHash } = require("node:crypto");
const { parentPort } = require("node:worker_threads");
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NONBLOCK, O_NOFOLLOW } = fs.constants;
const CHUNK = 1 << 20;
const buffer = Buffer.allocUnsafeSlow(CHUNK);
const zeros = Buffer.alloc(CHUNK);

// Shares the blocks where the file system can; what is hashed afterwards is the source, whose bytes are the same ones.
// So does what is known already: without a pass of ours the kernel copies it, and holes with it, as zeros.
function clone(job, stat) {
  const isWhole = job.known !== undefined && !job.durable && stat.blocks * 512 >= stat.size;
  const how = isWhole ? fs.constants.COPYFILE_FICLONE : fs.constants.COPYFILE_FICLONE_FORCE;
  try {
    fs.copyFileSync(job.from, job.to, fs.constants.COPYFILE_EXCL | how);
  } catch (error) {
    if (error.code === "EEXIST") throw error;
    return false;
  }
  fs.chmodSync(job.to, job.mode & ~process.umask());
  return true;
}

function pass(job) {
  const input = fs.openSync(job.from, O_RDONLY | O_NONBLOCK | (job.seal ? O_NOFOLLOW : 0));
  let output;
  try {
    const stat = fs.fstatSync(input);
    if (!stat.isFile()) throw Object.assign(new Error(job.from + " is no file"), { code: stat.isDirectory() ? "EISDIR" : "EINVAL" });
    if (job.seal) {
      if (stat.uid !== process.geteuid()) fs.fchownSync(input, process.geteuid(), process.getegid());
      fs.fchmodSync(input, 0o444);
    }
    const cloned = job.to !== undefined && clone(job, stat);
    if (cloned && job.known !== undefined) return { id: job.id, hash: job.known.hash, sizeBytes: job.known.sizeBytes };
    if (job.to !== undefined && !cloned) output = fs.openSync(job.to, O_WRONLY | O_CREAT | O_EXCL, job.mode);
    const hash = createHash("sha256");
    let size = 0;
    let hole = false;
    for (;;) {
      const length = fs.readSync(input, buffer, 0, CHUNK, null);
      if (length === 0) break;
      const chunk = length === CHUNK ? buffer : buffer.subarray(0, length);
      hash.update(chunk);
      if (output !== undefined) {
        hole = length === CHUNK && buffer.equals(zeros);
        if (!hole) for (let at = 0; at < length; ) at += fs.writeSync(output, buffer, at, length - at, size + at);
      }
      size += length;
    }
    if (hole) fs.ftruncateSync(output, size);
    if (job.durable && output !== undefined) fs.fsyncSync(output);
    return { id: job.id, hash: hash.digest("hex"), sizeBytes: size };
  } catch (error) {
    if (output !== undefined) fs.rmSync(job.to, { force: true });
    throw error;
  } finally {
    if (output !== undefined) fs.closeSync(output);
    fs.closeSync(input);
  }
}

parentPort.on("message", (job) => {
  let answer;
  try {
    answer = pass(job);
  } catch (error) {
    answer = { id: job.id, message: String(error && error.message), code: error && error.code };
  }
  parentPort.postMessage(answer);
});
`;
