import { compareUtf8, parseSha256, type Sha256 } from "../../base/index.ts";
import { parseDebWord } from "../debian/closure.ts";
import type { ImageRequest } from "../image.ts";
import { ImageError } from "../image-error.ts";
import { parsePlace } from "./place.ts";

/** What the words of an image come down to. */
export interface ImageWords {
  readonly name: string;
  /** Sorted, each once: the order they are written in means nothing. */
  readonly debs: readonly string[];
  readonly npms: readonly string[];
  readonly links: readonly { readonly place: string; readonly target: string }[];
  readonly env: readonly string[];
  readonly user: string | undefined;
  readonly base:
    | { readonly kind: "image"; readonly name: string }
    | { readonly kind: "oci"; readonly directory: string; readonly manifest: Sha256 }
    | undefined;
}

const NPM_WORD = /^((?:@[A-Za-z0-9~][\w.~-]*\/)?[A-Za-z0-9~][\w.~-]*)(?:@([\w.~^<>=*+ |-]+))?$/;
const USER_NAMES = new Set(["root", "build", "nobody"]);

/** @throws {ImageError} `IMAGE_MALFORMED` with the place in the begatfile. */
export function readWords(request: ImageRequest): ImageWords {
  const debs = new Set<string>();
  const npms = new Set<string>();
  const links: { place: string; target: string }[] = [];
  const env = new Map<string, string>();
  const users: string[] = [];
  const bases: NonNullable<ImageWords["base"]>[] = [];
  for (const { kind, words, at } of request.parts) {
    const here = `${at.file}:${at.line}:${at.column}: image ${request.name}`;
    const fail = (expected: string, word: string, hint?: string): never => {
      const message = `${here}: expected ${expected}, found ${JSON.stringify(word)}`;
      throw new ImageError("IMAGE_MALFORMED", message, { hint });
    };
    for (const word of words) {
      switch (kind) {
        case "deb":
          prefixed(here, () => parseDebWord(word));
          debs.add(word);
          break;
        case "npm":
          if (!NPM_WORD.test(word)) fail("an npm package", word, 'write npm "name" or npm "name@version"');
          npms.add(word);
          break;
        case "link": {
          const [place = "", target = ""] = cut(word, "=");
          if (target === "" || !target.isWellFormed() || /[\u0000-\u001f\u007f]/.test(target)) {
            fail("a link like /usr/bin/cc=gcc", word);
          }
          prefixed(here, () => parsePlace(place));
          links.push({ place, target });
          break;
        }
        case "env": {
          const [name = "", value] = cut(word, "=");
          if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || value === undefined || /[\u0000\n]/.test(value)) {
            fail("a setting like NAME=value", word);
          }
          if (env.has(name) && env.get(name) !== word) fail(`one value for ${name}`, word);
          env.set(name, word);
          break;
        }
        case "user":
          if (!USER_NAMES.has(word) && !/^\d{1,9}(:\d{1,9})?$/.test(word)) {
            fail("root, build, nobody, UID or UID:GID", word);
          }
          users.push(word);
          break;
        case "from":
          bases.push({ kind: "image", name: word });
          break;
        case "oci": {
          const [directory = "", digest] = cut(word, "@sha256:");
          const manifest = parseSha256(digest);
          if (manifest === undefined || directory === "" || directory.startsWith("/")) {
            fail('an image layout like "dir@sha256:<64 digits>"', word);
          } else {
            bases.push({ kind: "oci", directory, manifest });
          }
          break;
        }
        case "file":
          // Where its bytes come from is the caller's to find; the place was checked by whoever resolved it.
          if (!/^\/[^=]*=./.test(word)) fail("a file like /place/in/image=path/in/workspace", word);
          break;
        default:
          fail("deb, npm, file, oci, from, link, env or user", kind);
      }
    }
  }
  if (users.length > 1) throw new ImageError("IMAGE_MALFORMED", `image ${request.name} names ${users.length} users`);
  if (bases.length > 1) {
    throw new ImageError("IMAGE_MALFORMED", `image ${request.name} stands on ${bases.length} images, expected 1`);
  }
  return {
    name: request.name,
    debs: [...debs].sort(compareUtf8),
    npms: [...npms].sort(compareUtf8),
    links,
    env: [...env.values()],
    user: users[0],
    base: bases[0],
  };
}

/** The two sides of the first `mark`; the second is missing where there is none. */
function cut(word: string, mark: string): string[] {
  const at = word.indexOf(mark);
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + mark.length)];
}

function prefixed(here: string, step: () => void): void {
  try {
    step();
  } catch (cause) {
    if (!(cause instanceof ImageError)) throw cause;
    throw new ImageError(cause.code, `${here}: ${cause.message}`, { cause: cause.cause, hint: cause.hint });
  }
}
