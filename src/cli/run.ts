import { BegatError, codeOf, explain, hintOf, InvariantViolation } from "../base/index.ts";
import { type Arguments, parseArguments } from "./arguments.ts";
import { completionScript } from "./completion.ts";
import { answer, type Context } from "./context.ts";
import { EXIT, exitCodeOfFailure, UsageError } from "./exit-code.ts";
import type { Host } from "./host.ts";
import { answersInLines } from "./question-verbs.ts";
import { type Palette, PLAIN, palette, wantsColour } from "./render/colour.ts";
import { documentText, EVENT_VERSION } from "./render/json.ts";
import { noticeText } from "./render/narrator.ts";
import type { Services } from "./services.ts";
import { verbSpec } from "./verb-table.ts";

/**
 * Runs one command line to its end and answers the exit code. Whatever goes wrong is printed here, once: what was
 * being done, its causes, a hint. Never rejects.
 */
export async function runCommand(argv: readonly string[], host: Host): Promise<number> {
  const asJson = argv.includes("--json");
  const errorPaint = palette(wantsColour(askedColour(argv), host.env, host.stderr.isTerminal));
  let args: Arguments | undefined;
  let services: Promise<Services> | undefined;
  let exitCode: number;
  try {
    args = parseArguments(argv);
    const context: Context = {
      argv,
      args,
      host,
      paint: asJson ? PLAIN : palette(wantsColour(askedColour(argv), host.env, host.stdout.isTerminal)),
      services: () => (services ??= host.openServices()),
    };
    exitCode = await dispatch(context);
  } catch (error) {
    const verifies = args !== undefined && verbSpec(args.verb).verifies;
    exitCode = exitCodeOfFailure(codeOf(error), verifies);
    host.stderr.write(failureReport(error, errorPaint));
    if (asJson) host.stdout.write(jsonFailure(error, args, exitCode));
  }
  try {
    // One that could not be opened has been reported above.
    const opened = await services?.catch(() => undefined);
    await opened?.close();
  } catch (error) {
    host.stderr.write(failureReport(error, errorPaint));
    exitCode = exitCode === EXIT.ok ? EXIT.failed : exitCode;
  }
  return host.outputClosed() ? EXIT.outputClosed : exitCode;
}

async function dispatch(context: Context): Promise<number> {
  const { args, host } = context;
  if (args.flags.has("help")) {
    host.stdout.write((await import("./help.ts")).helpFor(args.verbImplied ? [] : args.verb.split(" ")));
    return EXIT.ok;
  }
  switch (args.verb) {
    case "build":
      return (await import("./verbs/build.ts")).build(context);
    case "challenge":
      return (await import("./verbs/build.ts")).challenge(context);
    case "init":
      return (await import("./verbs/init.ts")).init(context);
    case "fmt":
      return (await import("./verbs/begatfile.ts")).fmt(context);
    case "check":
      return (await import("./verbs/begatfile.ts")).check(context);
    case "graph":
      return (await import("./verbs/begatfile.ts")).graph(context);
    case "why":
      return (await import("./verbs/records.ts")).why(context);
    case "log":
      return (await import("./verbs/records.ts")).log(context);
    case "prov show":
      return (await import("./verbs/records.ts")).provShow(context);
    case "prov tree":
      return (await import("./verbs/records.ts")).provTree(context);
    case "prov path":
    case "prov why":
    case "prov why-rebuilt":
    case "prov diff":
    case "prov affected":
    case "prov complete":
    case "repro":
    case "whatif":
      return (await import("./verbs/questions.ts")).question(context);
    case "at":
      return (await import("./verbs/questions.ts")).at(context);
    case "ledger reindex":
      return (await import("./verbs/questions.ts")).ledgerReindex(context);
    case "prov prove":
      return (await import("./verbs/proofs.ts")).prove(context);
    case "prov sbom":
      return (await import("./verbs/sbom.ts")).sbom(context);
    case "verify":
      return (await import("./verbs/proofs.ts")).verify(context);
    case "ledger keys":
      return (await import("./verbs/control.ts")).ledgerKeys(context);
    case "ledger rotate":
      return (await import("./verbs/control.ts")).ledgerRotate(context);
    case "ledger endorse":
      return (await import("./verbs/control.ts")).ledgerEndorse(context);
    case "ledger revoke":
      return (await import("./verbs/control.ts")).ledgerRevoke(context);
    case "ledger restore":
      return (await import("./verbs/control.ts")).ledgerRestore(context);
    case "quarantine":
      return (await import("./verbs/control.ts")).quarantine(context);
    case "release":
      return (await import("./verbs/control.ts")).release(context);
    case "prov property":
      return (await import("./verbs/control.ts")).provProperty(context);
    case "ledger verify":
      return (await import("./verbs/upkeep.ts")).ledgerVerify(context);
    case "ledger checkpoint":
      return (await import("./verbs/ledger.ts")).ledgerCheckpoint(context);
    case "ledger pin":
      return (await import("./verbs/ledger.ts")).ledgerPin(context);
    case "ledger compare":
      return (await import("./verbs/ledger.ts")).ledgerCompare(context);
    case "ledger fork-proof":
      return (await import("./verbs/ledger.ts")).ledgerForkProof(context);
    case "ledger export":
      return (await import("./verbs/ledger.ts")).ledgerExport(context);
    case "cache stats":
      return (await import("./verbs/upkeep.ts")).cacheStats(context);
    case "cache verify":
      return (await import("./verbs/upkeep.ts")).cacheVerify(context);
    case "cache gc": {
      const maxSizeBytes = args.flags.number("max-size");
      if (maxSizeBytes === undefined)
        throw new UsageError("begat cache gc needs --max-size SIZE", { verb: "cache gc" });
      return (await import("./verbs/upkeep.ts")).cacheGc(context, maxSizeBytes);
    }
    case "image lock":
      return (await import("./verbs/images.ts")).imageLock(context);
    case "image build":
      return (await import("./verbs/images.ts")).imageBuild(context);
    case "image ls":
      return (await import("./verbs/images.ts")).imageList(context);
    case "image stand":
      return (await import("./verbs/images.ts")).imageStand(context);
    case "image export":
      return (await import("./verbs/images.ts")).imageExport(context);
    case "image push":
      return (await import("./verbs/images.ts")).imagePush(context);
    case "farm init":
      return (await import("./verbs/farm.ts")).farmInit(context);
    case "farm token":
      return (await import("./verbs/farm.ts")).farmToken(context);
    case "farm join":
      return (await import("./verbs/farm.ts")).farmJoin(context);
    case "farm nodes":
      return (await import("./verbs/farm.ts")).farmNodes(context);
    case "farm status":
      return (await import("./verbs/farm-status.ts")).farmStatus(context);
    case "farm describe":
      return (await import("./verbs/farm-status.ts")).farmDescribe(context);
    case "farm kill":
      return (await import("./verbs/farm-status.ts")).farmKill(context);
    case "farm revoke":
      return (await import("./verbs/farm.ts")).farmRevoke(context);
    case "farm renew":
      return (await import("./verbs/farm.ts")).farmRenew(context);
    case "fulcrum serve":
      return (await import("./verbs/fulcrum.ts")).fulcrumServe(context);
    case "daemon start":
      return (await import("./verbs/daemon.ts")).daemonStart(context);
    case "daemon stop":
      return (await import("./verbs/daemon.ts")).daemonStop(context);
    case "daemon status":
      return (await import("./verbs/daemon.ts")).daemonStatus(context);
    case "doctor":
      return (await import("./verbs/upkeep.ts")).doctor(context);
    case "completion":
      host.stdout.write(completionScript(args.words[0] ?? ""));
      return EXIT.ok;
    case "version": {
      const { version, build, node } = host.version;
      answer(context, { version, build, node }, () => `begat ${version}\n`);
      return EXIT.ok;
    }
    case "help":
      host.stdout.write((await import("./help.ts")).helpFor(args.words));
      return EXIT.ok;
  }
}

/** Read before the command line is, since its mistakes are coloured too. */
function askedColour(argv: readonly string[]): boolean | undefined {
  if (argv.includes("--no-color")) return false;
  return argv.includes("--color") ? true : undefined;
}

/** `error: ...`, `hint: ...`, and for a mistake in the command line where to read more. */
export function failureReport(error: unknown, paint: Palette): string {
  if (!(error instanceof BegatError)) {
    // Nobody foresaw it, so whoever mends begat needs the place.
    const prefix = error instanceof InvariantViolation ? "" : "internal error: ";
    const stack = error instanceof Error && error.stack !== undefined ? `${error.stack.replace(/^.*\n/, "")}\n` : "";
    return noticeText("error", prefix + explain(error), hintOf(error), paint) + paint.dim(stack);
  }
  let text = noticeText("error", explain(error), hintOf(error), paint);
  if (error instanceof UsageError) {
    text += `${paint.cyan("usage")}: begat help${error.verb === undefined ? "" : ` ${error.verb}`}\n`;
  }
  return text;
}

function jsonFailure(error: unknown, args: Arguments | undefined, exitCode: number): string {
  const failure = { code: codeOf(error) ?? "INTERNAL", message: explain(error), hint: hintOf(error) ?? null };
  // A build's output is JSON Lines; a document of several lines would break its reader.
  if (
    args === undefined ||
    args.verb === "build" ||
    args.verb === "challenge" ||
    args.verb === "image build" ||
    args.verb === "fulcrum serve" ||
    answersInLines(args.verb)
  ) {
    return `${JSON.stringify({ v: EVENT_VERSION, type: "error", ...failure, exitCode })}\n`;
  }
  return documentText(args.verb, { error: failure, exitCode });
}
