/** Paths inside. */
export const SANDBOX_PLACES = { build: "/build", home: "/home/build", tmp: "/tmp" } as const;

/** Directories that are mounted over in any root. */
export const MOUNT_POINTS: readonly string[] = ["/proc", "/dev", ...Object.values(SANDBOX_PLACES)];
