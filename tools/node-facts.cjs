// One line about the Node that runs this: `supported|unsupported <version> <ABI> [<prefix with its own headers>]`.
// With the word `engines` it prints the supported range instead. Written for any Node, however old.

"use strict";
var fs = require("fs");
var path = require("path");

var engines = JSON.parse(fs.readFileSync(path.join(__dirname, "../package.json"), "utf8")).engines.node;

function compare(a, b) {
  for (var i = 0; i < 3; i++) if ((a[i] || 0) !== (b[i] || 0)) return (a[i] || 0) - (b[i] || 0);
  return 0;
}

/** Is `version` inside `range`? Knows `>=`, `<`, blanks for "and", `||` for "or": all that package.json uses. */
function satisfies(version, range) {
  return range.split("||").some((alternative) =>
    alternative
      .trim()
      .split(/\s+/)
      .every((term) => {
        var match = /^(>=|<)([0-9.]+)$/.exec(term);
        var order = compare(version.split(".").map(Number), match[2].split(".").map(Number));
        return match[1] === "<" ? order < 0 : order >= 0;
      }),
  );
}

/** The prefix whose include/node belongs to exactly this version, or undefined. */
function headersPrefix() {
  try {
    var prefix = path.dirname(path.dirname(fs.realpathSync(process.execPath)));
    var text = fs.readFileSync(path.join(prefix, "include/node/node_version.h"), "utf8");
    var parts = ["MAJOR", "MINOR", "PATCH"].map(
      (name) => new RegExp("#define NODE_" + name + "_VERSION (\\d+)").exec(text)[1],
    );
    return parts.join(".") === process.versions.node ? prefix : undefined;
  } catch (_) {
    return undefined;
  }
}

if (process.argv[2] === "engines") console.log(engines);
else {
  var version = process.versions.node;
  var facts = [satisfies(version, engines) ? "supported" : "unsupported", version, process.versions.modules];
  console.log(facts.concat(headersPrefix() || []).join(" "));
}
