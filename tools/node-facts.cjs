// One line about the Node that runs this: `supported|unsupported <version> <ABI> [<prefix with its own headers>]`.
// Syntax of 2015, since the Node may be any.

"use strict";
const fs = require("node:fs");
const path = require("node:path");

const engines = JSON.parse(fs.readFileSync(path.join(__dirname, "../package.json"), "utf8")).engines.node;

function compare(a, b) {
  for (let i = 0; i < 3; i++) if ((a[i] || 0) !== (b[i] || 0)) return (a[i] || 0) - (b[i] || 0);
  return 0;
}

/** Is `version` inside `range`? Knows `>=`, `<`, blanks for "and", `||` for "or": all that package.json uses. */
function satisfies(version, range) {
  const holds = (term) => {
    const match = /^(>=|<)([0-9.]+)$/.exec(term);
    const order = compare(version.split(".").map(Number), match[2].split(".").map(Number));
    return match[1] === "<" ? order < 0 : order >= 0;
  };
  return range.split("||").some((alternative) => alternative.trim().split(/\s+/).every(holds));
}

/** The prefix whose include/node belongs to exactly this version, or undefined. */
function headersPrefix() {
  try {
    const prefix = path.dirname(path.dirname(fs.realpathSync(process.execPath)));
    const text = fs.readFileSync(path.join(prefix, "include/node/node_version.h"), "utf8");
    const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(text)[1];
    return ["MAJOR", "MINOR", "PATCH"].map(part).join(".") === process.versions.node ? prefix : undefined;
  } catch (_) {
    return undefined;
  }
}

const version = process.versions.node;
const facts = [satisfies(version, engines) ? "supported" : "unsupported", version, process.versions.modules];
console.log(facts.concat(headersPrefix() || []).join(" "));
