/**
 * What is to be undone after a test, or after the last test of a file. A module that is shared by files says it here: hooks of its
 * own would be those of the first file that imports it.
 */
const OF_TEST: (() => void)[] = [];
const OF_FILE: (() => void)[] = [];

export const afterThisTest = (undo: () => void): number => OF_TEST.push(undo);
export const afterThisFile = (undo: () => void): number => OF_FILE.push(undo);

/** In the order opposite to that in which it was said. */
function undoAll(list: (() => void)[]): void {
  for (const undo of list.splice(0).reverse()) undo();
}

export const endTest = (): void => undoAll(OF_TEST);
export const endFile = (): void => undoAll(OF_FILE);
