import { fileURLToPath } from "node:url";

/** What Node is started with to run this begat; it names the bundle by its hash. */
export const bundleFile = (): string => fileURLToPath(new URL("begat.cjs", import.meta.url));

/** Beside it, where it could be built. Whether it is there is not looked at. */
export const changeFeedProgram = (): string => fileURLToPath(new URL("begat-change-feed", import.meta.url));
