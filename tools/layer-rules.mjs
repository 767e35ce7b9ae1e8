// The rules behind tools/check-layers.mjs, as functions of text: nothing here reads a file.

import { posix } from "node:path";
import { parseAst } from "rolldown/parseAst";
import {
  edges,
  forbiddenNames,
  impureGlobals,
  impureNames,
  isGenerated,
  maxFileLines,
  pureInsideEdges,
  pureModules,
  radixRooms,
  readmeLines,
  rooms,
  topRooms,
} from "./layers.mjs";

/** @typedef {{ rule: string, place: string, text: string }} Problem */

export const isModule = (path) => /\.(ts|tsx|mts|cts|js|jsx|mjs|cjs)$/.test(path);

/** `src/cache/x.ts` -> `cache`; `src/radix/flock/x.ts` -> `radix/flock`; undefined when it lies in no room. */
export function roomOf(path) {
  const parts = path.split("/");
  if (parts[0] !== "src" || parts.length < 3) return undefined;
  return parts[1] === "radix" ? (parts.length < 4 ? undefined : `radix/${parts[2]}`) : parts[1];
}

const ruleOf = (room) => (room.startsWith("radix/") ? radixRooms[room.slice("radix/".length)] : rooms[room]);
const isUnder = (folders) => (path) => folders.some((folder) => path.startsWith(folder));
const isEdge = (path) => isUnder(edges)(path) && !isUnder(pureInsideEdges)(path);

/** Every node of a syntax tree, parents first. `enter` returns false to leave a node's children out. */
function walk(node, enter, parent) {
  if (enter(node, parent) === false) return;
  for (const [key, value] of Object.entries(node)) {
    if (key === "type") continue;
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child !== null && typeof child === "object" && typeof child.type === "string") walk(child, enter, node);
    }
  }
}

/**
 * What a module imports, type imports and `import("x")` in types included.
 *
 * @returns {{ from: string | undefined, names: string[], start: number }[]} `from` is undefined when it is computed.
 */
export function importsOf(program) {
  const found = [];
  walk(program, (node) => {
    if (/^(Import|ExportNamed|ExportAll)Declaration$/.test(node.type) && node.source) {
      const names = (node.specifiers ?? []).map((s) => (s.imported ?? s.local)?.name ?? "*");
      found.push({ from: node.source.value, names, start: node.start });
    } else if (node.type === "ImportExpression" || node.type === "TSImportType") {
      const source = node.source ?? node.argument?.literal ?? node.argument;
      found.push({ from: typeof source?.value === "string" ? source.value : undefined, names: [], start: node.start });
    } else if (node.type === "TSExternalModuleReference") {
      found.push({ from: node.expression.value, names: [], start: node.start });
    }
  });
  return found;
}

const typeWrappers = /^TS(As|Satisfies|NonNull|TypeAssertion|Instantiation|ExportAssignment|Enum|Module|Parameter)/;

/** Names bound anywhere in the module: a local `process` is not the global one. */
function boundNames(program) {
  const names = new Set();
  const bind = (node) => walk(node, (n) => void (n.type === "Identifier" && names.add(n.name)));
  walk(program, (node) => {
    if (node.type === "VariableDeclarator") bind(node.id);
    if (/^Import.*Specifier$/.test(node.type)) names.add(node.local.name);
    if (node.id?.type === "Identifier" && /Function|Class/.test(node.type)) names.add(node.id.name);
    for (const param of Array.isArray(node.params) ? node.params : []) bind(param);
    if (node.type === "CatchClause" && node.param) bind(node.param);
  });
  return names;
}

/** `a.b.c` as text when it is a plain chain of names; a leading `globalThis.` is dropped. */
function chain(node) {
  if (node.type === "Identifier") return node.name;
  if (node.type !== "MemberExpression") return undefined;
  const property = node.computed ? node.property.value : node.property.name;
  const object = chain(node.object);
  if (object === undefined || typeof property !== "string") return undefined;
  return object === "globalThis" ? property : `${object}.${property}`;
}

/** Mentions of clock, dice, timers and the process: `[what, instead, start]`. */
export function impureMentions(program) {
  const bound = boundNames(program);
  const found = [];
  walk(program, (node, parent) => {
    if (node.type.startsWith("TS") && !typeWrappers.test(node.type)) return false;
    if (node.type === "NewExpression" || node.type === "CallExpression") {
      const timeless = node.type === "CallExpression" || node.arguments.length === 0;
      if (timeless && chain(node.callee) === "Date") found.push(["the time of day", "the Clock port", node.start]);
    }
    const isKey =
      (parent?.type === "MemberExpression" && parent.property === node && !parent.computed) ||
      (/Property|MethodDefinition|PropertyDefinition/.test(parent?.type ?? "") &&
        parent.key === node &&
        !parent.computed &&
        !parent.shorthand);
    if (isKey || /^(Import|Export).*Specifier$/.test(parent?.type ?? "")) return;
    if (node.type !== "Identifier" && node.type !== "MemberExpression") return;
    const name = chain(node);
    if (name === undefined || bound.has(name.split(".")[0])) return;
    if (Object.hasOwn(impureGlobals, name)) found.push([name, impureGlobals[name], node.start]);
  });
  return found;
}

/** @returns {Problem[]} what is wrong with one module of `src/`. `has` tells whether a repository path exists. */
export function checkModule(path, text, has) {
  const problems = [];
  const report = (rule, start, message) => {
    const line = text.slice(0, start).split("\n").length;
    problems.push({ rule, place: `${path}:${line}`, text: message });
  };
  const room = roomOf(path);
  const own = room === undefined ? undefined : ruleOf(room);
  if (own === undefined) {
    report("unknown-room", 0, `lies in no room; the rooms are listed in tools/layers.mjs`);
    return problems;
  }
  let program;
  try {
    program = parseAst(text, { lang: path.endsWith("x") ? "tsx" : "ts" });
  } catch (error) {
    report("unreadable", 0, `cannot be parsed: ${String(error.message).split("\n")[0]}`);
    return problems;
  }
  for (const { from, names, start } of importsOf(program)) {
    if (from === undefined) report("computed-import", start, "imports a name that is computed; name the module");
    else if (from.startsWith(".")) checkRelative(from, start);
    else if (from.startsWith("node:")) checkBuiltin(from, names, start);
    else checkPackage(from, start);
  }
  if (!isEdge(path) && !isGenerated(path)) {
    for (const [what, instead, start] of impureMentions(program)) {
      report("impure-global", start, `mentions ${what}; use ${instead}`);
    }
  }
  return problems;

  function checkRelative(from, start) {
    const target = posix.join(posix.dirname(path), from);
    const other = roomOf(target);
    if (!has(target)) report("missing-module", start, `imports ${from}, which does not exist (imports end in .ts)`);
    else if (other === undefined) report("outside-src", start, `imports ${target}, which lies in no room`);
    else if (other !== room) {
      const allowed = own.imports === "*" || own.imports.includes(other);
      if (topRooms.includes(other)) report("imports-top", start, `imports ${other}, which nothing imports`);
      else if (other.startsWith("radix/") && !room.startsWith("radix/") && !topRooms.includes(room))
        report("imports-radix", start, `imports ${other}; the rooms of begat never import radix/`);
      else if (!allowed)
        report("layer", start, `${room} may not import ${other}; it may: ${own.imports.join(" ") || "-"}`);
      if (target !== `src/${other}/index.ts`)
        report("not-the-door", start, `imports ${target}; go through src/${other}/index.ts`);
    }
  }

  function checkBuiltin(from, names, start) {
    if (isEdge(path)) return;
    if (!pureModules.includes(from))
      report("impure-module", start, `imports ${from}; use a port, or do it in platform`);
    for (const name of names.filter((n) => impureNames[from]?.includes(n))) {
      report("impure-name", start, `imports ${name} from ${from}; use the Random port`);
    }
  }

  function checkPackage(from, start) {
    const name = from.split("/", from.startsWith("@") ? 2 : 1).join("/");
    if (own.packages?.includes(name)) return;
    report("package", start, `${room} may not import ${name}; it may: ${own.packages?.join(" ") ?? "-"}`);
  }
}

/** Tests reach other rooms through their doors too; deep files only of the room their folder is named after. */
export function checkTestImports(path, text) {
  const program = parseAst(text, { lang: path.endsWith("x") ? "tsx" : "ts" });
  const mine = path.split("/")[1];
  return importsOf(program).flatMap(({ from, start }) => {
    if (!from?.startsWith(".")) return [];
    const target = posix.join(posix.dirname(path), from);
    const room = roomOf(target);
    if (room === undefined || room === mine || topRooms.includes(room) || target === `src/${room}/index.ts`) return [];
    const line = text.slice(0, start).split("\n").length;
    return [
      { rule: "test-not-the-door", place: `${path}:${line}`, text: `imports ${target}; go through its index.ts` },
    ];
  });
}

/** @returns {Problem[]} each room has its door and its README. `files` maps repository paths to text. */
export function checkRooms(files) {
  const problems = [];
  const seen = new Set([...files.keys()].map(roomOf).filter((room) => room !== undefined && ruleOf(room)));
  for (const room of seen) {
    const place = `src/${room}`;
    if (!topRooms.includes(room) && !files.has(`${place}/index.ts`))
      problems.push({ rule: "no-door", place, text: "has no index.ts" });
    const readme = files.get(`${place}/README.md`);
    const lines = readme === undefined ? 0 : readme.trimEnd().split("\n").length;
    if (lines < readmeLines.min || lines > readmeLines.max) {
      const text = `README.md has ${lines} lines; a room says what it promises in ${readmeLines.min} to ${readmeLines.max}`;
      problems.push({ rule: "readme", place, text });
    }
  }
  return problems;
}

/** @returns {Problem[]} what is wrong with a file of the repository, wherever it is. `machine` are paths of this machine. */
export function checkText(path, text, machine) {
  const problems = [];
  const lines = text.split("\n");
  const isSource = isModule(path) || /\.(sh|begat|proto)$/.test(path);
  const isGolden = path.includes("/golden/");
  if (isSource && !isGenerated(path) && !isGolden && lines.length - 1 > maxFileLines)
    problems.push({
      rule: "too-long",
      place: path,
      text: `has ${lines.length - 1} lines; ${maxFileLines} are the most`,
    });
  for (const part of path.split("/")) {
    const word = part.replace(/\..*$/, "");
    if (forbiddenNames.includes(word) && !path.startsWith("node_modules/"))
      problems.push({ rule: "empty-name", place: path, text: `"${word}" does not say what is inside` });
  }
  lines.forEach((line, index) => {
    const place = `${path}:${index + 1}`;
    for (const root of machine) {
      const at = line.indexOf(root);
      const before = line[at - 1] ?? " ";
      const after = line[at + root.length] ?? " ";
      if (at >= 0 && !/[\w./-]/.test(before) && !/[\w-]/.test(after))
        problems.push({ rule: "machine-path", place, text: `names ${root}, a path of this machine` });
    }
    const host = /\bregistry\.[a-z0-9-]+(\.[a-z0-9-]+)+/.exec(line)?.[0];
    if (host !== undefined && !/\.(example|invalid|test)(\.|$)/.test(host))
      problems.push({ rule: "registry-host", place, text: `names the package registry ${host}` });
    if (path === "package-lock.json" && /^\s*"resolved":/.test(line))
      problems.push({
        rule: "lock-resolved",
        place,
        text: "pins a registry host; omit-lockfile-registry-resolved leaves it out",
      });
    if (path.startsWith("src/") && isSource && !isGenerated(path) && /\b(TODO|FIXME)\b|\bnot implemented\b/i.test(line))
      problems.push({ rule: "unfinished", place, text: "says that something is unfinished" });
  });
  return problems;
}
