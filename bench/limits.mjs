// What limits begat where it misses a goal, by row; found by profiling, and to be found again when the figure changes.

/** @type {Readonly<Record<string, string>>} */
export const limits = {};
