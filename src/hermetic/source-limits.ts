/** Ceilings on what an archive may make of itself; above them it is refused, whatever its digest. */
export interface SourceLimits {
  /** Bytes of one fetched file. */
  readonly fetchedBytes: number;
  /** Bytes of one source's tree, all files together. */
  readonly unpackedBytes: number;
  /** Bytes of one file in an archive. It is held in memory. */
  readonly entryBytes: number;
  /** Files, directories and links of one source. */
  readonly entryCount: number;
  /** Directories below one another. */
  readonly depth: number;
}

/** Room for the largest source packages of a distribution; a bomb meets them within seconds. */
export const DEFAULT_SOURCE_LIMITS: SourceLimits = {
  fetchedBytes: 1024 ** 3,
  unpackedBytes: 8 * 1024 ** 3,
  entryBytes: 512 * 1024 ** 2,
  entryCount: 200_000,
  depth: 64,
};
