import { BegatError } from "../base/index.ts";

export type ImageErrorCode =
  /** A word of an image says nothing that can be meant. */
  | "IMAGE_MALFORMED"
  | "IMAGE_PACKAGE_NOT_FOUND"
  /** Pinned, and gone from where packages come from. */
  | "IMAGE_PACKAGE_VANISHED"
  /** Packages that cannot stand in one image by what they say of each other. */
  | "IMAGE_PACKAGES_CONFLICT"
  /** Two contents for one path. */
  | "IMAGE_FILE_CONFLICT"
  | "IMAGE_DIGEST_MISMATCH"
  /** An archive that is damaged, or would write where it must not. */
  | "IMAGE_ARCHIVE_REFUSED"
  | "IMAGE_TOO_LARGE"
  | "IMAGE_UNREACHABLE"
  | "IMAGE_TOOL_MISSING"
  /** A base image that is not there or cannot be read. */
  | "IMAGE_BASE_UNUSABLE"
  | "IMAGE_NOT_BUILT"
  | "IMAGE_PUSH_REFUSED";

export class ImageError extends BegatError<ImageErrorCode> {}
