import { setFlagsFromString } from "node:v8";

/** Eleven times what V8 takes, in its own measure of executed bytecode. */
const INTERRUPT_BUDGET_BYTES = 1_500_000;

/**
 * Has V8 optimise a function only once it has run for longer. What begat does for each recipe is a little of very many
 * functions: of the CPU of Node in a build of 600 trivial recipes, a quarter went into optimising code that was over soon.
 */
export function optimiseLate(): void {
  setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET_BYTES}`);
}
