import { expect, test } from "vitest";
import { createSourceProvider, type SourceRequest } from "../../src/hermetic/index.ts";
import { type FileTree, FileTreeError } from "../../src/ports/index.ts";
import { encodeTree } from "../../src/protocol/index.ts";
import { FakeProcessRunner } from "../support/fake-process-runner.ts";
import { MemoryBlobStore } from "../support/memory-blob-store.ts";
import { MemoryFileTree } from "../support/memory-file-tree.ts";
import { never, tarOf } from "./source-workspace.ts";

const REQUEST: SourceRequest = { name: "a", kind: "url", words: ["https://example.org/a.tar"] };

/** A file system that, from call `calls` on, answers nothing any more: what it holds then is what a crash leaves. */
function dyingAfter(calls: number, real: FileTree): FileTree {
  let left = calls;
  return new Proxy<FileTree>(real, {
    get(_target, name: keyof FileTree) {
      const method = real[name].bind(real) as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        if (left-- <= 0) throw new FileTreeError("FILE_IO", "the machine is gone");
        return method(...args);
      };
    },
  });
}

for (const found of ["nothing", "a lost tree", "a changed file"] as const) {
  test(`a crash at any call leaves what the next build sets right, having found ${found}`, async () => {
    const archive = await tarOf(["one", "1"], ["sub/two", "2"], ["sub/link", { link: "two" }]);
    let lock: string | undefined;
    for (let calls = 0, outcome = "crashed"; outcome === "crashed"; calls++) {
      const real = new MemoryFileTree();
      real.makeDirectory("/w");
      const blobs = new MemoryBlobStore(real);
      const provider = (fs: FileTree, offline = false) =>
        createSourceProvider({
          fs,
          fetcher: { fetch: async () => archive },
          blobs,
          runner: new FakeProcessRunner(),
          workspace: "/w",
          encodeTree,
          environment: {},
          offline,
        });
      if (found !== "nothing") await provider(real).provide([REQUEST], never);
      if (found === "a lost tree") real.remove("/w/.begat");
      if (found === "a changed file") real.replaceFile("/w/.begat/source/a/one", "changed");

      const attempt = provider(dyingAfter(calls, real)).provide([REQUEST], never);
      outcome = await attempt.then(
        () => "done",
        (error: unknown) => (error instanceof FileTreeError ? "crashed" : Promise.reject(error)),
      );

      await provider(real).provide([REQUEST], never);
      expect(real.readFile("/w/.begat/source/a/one").toString()).toBe("1");
      expect(real.readFile("/w/.begat/source/a/sub/link").toString()).toBe("2");
      lock ??= real.readFile("/w/begat.lock").toString();
      expect(real.readFile("/w/begat.lock").toString()).toBe(lock);
      const verified = await provider(real, true).verifySource("a", never);
      expect(verified).toMatchObject({ restored: [], ingested: false });
      expect(calls).toBeLessThan(200);
    }
  });
}
