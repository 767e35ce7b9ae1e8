/** begat's own lists and recipes are inputs of every recipe, and nobody's source: told by where they lie. */
export const isOwnList = (path: string): boolean => /^\.begat\/(recipe|in|out)$/.test(path);
