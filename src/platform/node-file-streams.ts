import * as fs from "node:fs";
import { type FileSink, type FileSource, type FileStreams, FileTreeError } from "../ports/index.ts";
import { fileTreeFailure } from "./file-tree-failure.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;

/** Files of the machine's file system, piece by piece. */
export class NodeFileStreams implements FileStreams {
  create(path: string, mode: number): FileSink {
    return during("create", path, () => {
      const fd = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL, mode);
      fs.fchmodSync(fd, mode);
      return {
        // A full disk shows as a short write first and as ENOSPC on the next.
        write: (bytes) =>
          during("write", path, () => {
            for (let at = 0; at < bytes.length; ) at += fs.writeSync(fd, bytes, at, bytes.length - at);
          }),
        close: () => during("close", path, () => fs.closeSync(fd)),
      };
    });
  }

  open(path: string): FileSource {
    return during("read", path, () => {
      const fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      const stat = fs.fstatSync(fd);
      if (!stat.isFile()) {
        fs.closeSync(fd);
        throw new FileTreeError("FILE_IO", `${path} is no regular file`);
      }
      return {
        sizeBytes: stat.size,
        read: (into, position) => during("read", path, () => fs.readSync(fd, into, 0, into.length, position)),
        close: () => during("close", path, () => fs.closeSync(fd)),
      };
    });
  }
}

function during<T>(verb: string, path: string, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    throw fileTreeFailure(cause, verb, path);
  }
}
