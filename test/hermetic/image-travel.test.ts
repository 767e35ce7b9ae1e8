import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf, type Sha256 } from "../../src/base/index.ts";
import { FileBlobStreams } from "../../src/cache/index.ts";
import type { OciBlobs, ReadyImage } from "../../src/hermetic/index.ts";
import { NodeFileStreams } from "../../src/platform/index.ts";
import { fileIn, imageWorkspace, never, request, treeOf } from "./image-workspace.ts";

const here = imageWorkspace();
const there = imageWorkspace();
let image: ReadyImage;
let blobs: OciBlobs;

beforeAll(async () => {
  await here.apt.add({
    name: "a",
    files: [
      ["./usr/bin/a", "a", 0o755],
      ["./usr/lib/l", { link: "m" }],
    ],
  });
  const trees = [treeOf(fileIn(here, "/etc/x", "x"))];
  const wanted = request("tool", { deb: ["a"], env: ["A=b"] }, trees);
  const [resolved] = await here.provider().resolve([wanted], {}, never);
  if (resolved === undefined) throw new Error("the image was not resolved");
  image = await here.provider().build(resolved, wanted.trees[0]?.files ?? [], never);
  const found = here.provider().ociBlobs(image.configDigest);
  if (found === undefined) throw new Error("the image does not stand");
  blobs = found;
  const streams = new FileBlobStreams(there.blobs(), new NodeFileStreams());
  for (const digest of blobs.digests) await blobs.stand(digest, streams.begin(), never);
});
afterAll(() => {
  for (const workspace of [here, there]) workspace.fs.remove(workspace.base);
});

describe("an image that travels as OCI blobs", () => {
  test("stands elsewhere with the same identity and the same files", async () => {
    expect(there.provider().ociParts(blobs.manifest)).toEqual(blobs.digests.slice(1));
    const stood = await there.provider().standOci(blobs.manifest, image.configDigest, never);
    expect(stood.configDigest).toBe(image.configDigest);
    const listing = (root: string) =>
      execFileSync("find", [".", "-printf", "%P %y %l\\n"], { cwd: root, encoding: "utf8" }).split("\n").sort();
    expect(listing(stood.root)).toEqual(listing(image.root));
    // The second time nothing is unpacked.
    expect((await there.provider().standOci(blobs.manifest, image.configDigest, never)).cached).toBe(true);
  });

  test("is not taken for another one", async () => {
    const other = digestOf("another").hash as Sha256;
    await expect(there.provider().standOci(blobs.manifest, other, never)).rejects.toMatchObject({
      code: "IMAGE_BASE_UNUSABLE",
    });
    expect(here.provider().ociBlobs(other)).toBeUndefined();
  });
});
