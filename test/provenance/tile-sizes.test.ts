import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Sha256 } from "../../src/base/index.ts";
import {
  entriesOfBundle,
  entriesPath,
  exportTiles,
  Frontier,
  foldHashes,
  formatVkey,
  leafHashOf,
  logVerifiers,
  NOTE_KEY,
  noteVerifier,
  openNote,
  parseCheckpoint,
  signCheckpoint,
  signerFromSeed,
  subtreesFromTiles,
  TILE_WIDTH,
  type TileSource,
  tilePath,
  vkeyOf,
} from "../../src/provenance/index.ts";
import { fastPlace } from "../support/scratch-directory.ts";
import { files } from "./state-home.ts";

const SIZES = [1, 2, 255, 256, 257, 65_535, 65_536, 65_537];
const directory = mkdtempSync(join(fastPlace(), "begat-tiles-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Longest first, so that every smaller ledger is its beginning. */
const LEAVES = Array.from({ length: 65_537 }, (_, i) => leafHashOf(entryOf(i)));
function entryOf(i: number): Buffer {
  return Buffer.from(`record ${i}`);
}

const log = signerFromSeed(Buffer.alloc(32, 1), "log");
const origin = "tiles.test/ledger/1";
const verifiers = logVerifiers(origin, [log.entry]);

/** A ledger of that many records that is nothing but them. */
function sourceOf(size: number): TileSource {
  const hashes = (level: number, first: number, count: number): Uint8Array[] =>
    Array.from({ length: count }, (_, i) =>
      level === 0 ? LEAVES[first + i]! : foldHashes(hashes(level - 1, (first + i) * TILE_WIDTH, TILE_WIDTH)),
    );
  return {
    origin,
    *read(from: number, to: number) {
      for (let seq = from; seq < Math.min(to, size); seq++) {
        yield { seq, bytes: entryOf(seq), leaf: Buffer.from(LEAVES[seq]!).toString("hex") as Sha256 };
      }
    },
    root: (at = size) => rootAt(at),
    tileHashes: hashes,
  };
}

const roots = new Map<number, Sha256>();
function rootAt(size: number): Sha256 {
  let root = roots.get(size);
  if (root === undefined) {
    const frontier = Frontier.empty();
    for (const leaf of LEAVES.slice(0, size)) frontier.append(leaf);
    root = Buffer.from(frontier.root()).toString("hex") as Sha256;
    roots.set(size, root);
  }
  return root;
}

/** As a stranger reads what is served: the signed size, its entries by their bundles, and the root its tiles come to. */
function served(place: string): { size: number; root: string; entries: number; tiles: string } {
  const { text } = openNote(readFileSync(join(place, "checkpoint"), "utf8"), verifiers);
  const { size, root } = parseCheckpoint(text);
  const frontier = Frontier.empty();
  for (let first = 0; first < size; first += TILE_WIDTH) {
    const width = Math.min(TILE_WIDTH, size - first);
    const bundle = readFileSync(join(place, entriesPath(first / TILE_WIDTH, width)));
    for (const entry of entriesOfBundle(bundle) ?? []) frontier.append(leafHashOf(entry));
  }
  const reader = subtreesFromTiles((level, first, count) => {
    const index = Math.floor(first / TILE_WIDTH);
    const there = Math.floor(size / TILE_WIDTH ** level);
    const width = Math.min(TILE_WIDTH, there - index * TILE_WIDTH);
    const tile = readFileSync(join(place, tilePath({ level, index, width })));
    const at = (first - index * TILE_WIDTH) * 32;
    return Array.from({ length: count }, (_, i) => tile.subarray(at + i * 32, at + i * 32 + 32));
  });
  expect(Buffer.from(frontier.root())).toEqual(Buffer.from(root));
  return {
    size,
    root: Buffer.from(root).toString("hex"),
    entries: frontier.size,
    tiles: Buffer.from(Frontier.of(size, reader).root()).toString("hex"),
  };
}

describe("a ledger served as tiles", () => {
  test("of no records is not: there is nothing to serve", () => {
    const empty = { size: 0, root: rootAt(0), note: "" };
    expect(() => exportTiles(sourceOf(0), empty, files, join(directory, "none"), verifiers)).toThrow(
      expect.objectContaining({ code: "EXPORT_EMPTY" }),
    );
    expect(existsSync(join(directory, "none"))).toBe(false);
  });

  test("of each size around a full tile comes to the root that was signed, by its entries and by its tiles", () => {
    for (const size of SIZES) {
      const place = join(directory, `size-${size}`);
      const checkpoint = signCheckpoint(origin, size, rootAt(size), [log]);
      const made = exportTiles(sourceOf(size), checkpoint, files, place, verifiers);
      expect([made.size, made.had]).toEqual([size, 0]);
      const root = rootAt(size);
      expect(served(place)).toEqual({ size, root, entries: size, tiles: root });
    }
  }, 120_000);

  test("that grows is brought to each next size with what is new alone", () => {
    const place = join(directory, "growing");
    let had = 0;
    for (const size of SIZES) {
      const made = exportTiles(
        sourceOf(size),
        signCheckpoint(origin, size, rootAt(size), [log]),
        files,
        place,
        verifiers,
      );
      expect([size, made.had]).toEqual([size, had]);
      // From 65,536 on one bundle, one tile of each of three levels, and the checkpoint are new.
      if (size === 65_537) expect(made.files).toBe(3);
      expect(served(place).tiles).toBe(rootAt(size));
      had = size;
    }
  }, 120_000);

  test("with any byte of a tile, bundle or checkpoint altered does not come to it", () => {
    const place = join(directory, "size-257");
    exportTiles(sourceOf(257), signCheckpoint(origin, 257, rootAt(257), [log]), files, place, verifiers);
    const holds = (): boolean => {
      try {
        const { root, tiles } = served(place);
        return root === rootAt(257) && tiles === root;
      } catch {
        return false;
      }
    };
    expect(holds()).toBe(true);
    const parts = [
      "checkpoint",
      tilePath({ level: 0, index: 1, width: 1 }),
      tilePath({ level: 1, index: 0, width: 1 }),
      entriesPath(1, 1),
    ];
    let altered = 0;
    for (const name of parts) {
      const path = join(place, name);
      const good = readFileSync(path);
      for (let at = 0; at < good.length; at++) {
        const other = Buffer.from(good);
        other[at] = good[at]! ^ (1 << (at % 8));
        writeFileSync(path, other);
        if (holds()) expect.fail(`${name}, byte ${at}`);
        altered++;
      }
      writeFileSync(path, good);
    }
    expect(altered).toBeGreaterThan(250);
  }, 120_000);
});

const GO = "/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog";
const missing =
  spawnSync("sh", ["-c", "command -v go"]).status === 0 && existsSync(GO)
    ? ""
    : " (skipped: no Go with golang.org/x/mod)";

/** Opens the note and proves records from tiles that it fetches itself, checking each against the signed tree. */
const PROGRAM = `package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type reader string

func (r reader) Height() int { return 8 }

func (r reader) SaveTiles([]tlog.Tile, [][]byte) {}

func (r reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		bytes, err := os.ReadFile(filepath.Join(string(r), path))
		if err != nil {
			return nil, err
		}
		out = append(out, bytes)
	}
	return out, nil
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	for _, dir := range os.Args[2:] {
		verifier, err := note.NewVerifier(os.Args[1])
		must(err)
		text, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
		must(err)
		opened, err := note.Open(text, note.VerifierList(verifier))
		must(err)
		var size int64
		var root string
		lines := strings.Split(opened.Text, "\\n")
		_, err = fmt.Sscan(lines[1], &size)
		must(err)
		root = lines[2]
		hash, err := tlog.ParseHash(root)
		must(err)
		tree := tlog.Tree{N: size, Hash: hash}
		hashes := tlog.TileHashReader(tree, reader(dir))
		whole, err := tlog.TreeHash(size, hashes)
		must(err)
		if whole != hash {
			fmt.Println("another root", dir)
			os.Exit(1)
		}
		for _, n := range []int64{0, size / 2, size - 1} {
			proof, err := tlog.ProveRecord(size, n, hashes)
			must(err)
			must(tlog.CheckRecord(proof, size, hash, n, tlog.RecordHash([]byte(fmt.Sprintf("record %d", n)))))
		}
		fmt.Println("ok", size)
	}
}
`;

test.skipIf(missing !== "")(
  `Go's own sumdb reads a ledger of each size from its tiles${missing}`,
  () => {
    const places = SIZES.map((size) => {
      const place = join(directory, `go-${size}`);
      exportTiles(sourceOf(size), signCheckpoint(origin, size, rootAt(size), [log]), files, place, verifiers);
      return place;
    });
    const program = join(directory, "tiles.go");
    writeFileSync(program, PROGRAM);
    const vkey = formatVkey(vkeyOf(origin, NOTE_KEY.ed25519, Buffer.from(log.entry.pub, "base64")));
    expect(noteVerifier(vkeyOf(origin, NOTE_KEY.ed25519, Buffer.from(log.entry.pub, "base64"))).keyId).toBe(
      verifiers[0]!.keyId,
    );
    const env = {
      PATH: process.env.PATH ?? "",
      HOME: directory,
      GO111MODULE: "off",
      GOPATH: "/usr/share/gocode",
      GOCACHE: join(directory, "go-cache"),
      GOFLAGS: "",
    };
    const { stdout, stderr } = spawnSync("go", ["run", program, vkey, ...places], { encoding: "utf8", env });
    expect(stdout + stderr).toBe(SIZES.map((size) => `ok ${size}\n`).join(""));
  },
  180_000,
);
