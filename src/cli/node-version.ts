/**
 * What is wrong with running on Node `version`, in one line; `undefined` where it is supported.
 *
 * The same range as `engines` in package.json. The odd line 21 is out of support, and below 20.19 and 22.12 parts of
 * what begat stands on do not load.
 */
export function nodeProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const supported = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
  return supported
    ? undefined
    : `begat needs Node 20.19 or later of the 20 line, or Node 22.12 or later; this is ${version}`;
}
