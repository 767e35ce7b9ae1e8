import { answer, type Context } from "../context.ts";
import { EXIT, UsageError } from "../exit-code.ts";
import type { FarmNode, FarmRole } from "../farm-services.ts";
import { counted } from "../quantity.ts";
import { noticeText } from "../render/narrator.ts";
import { oneLine } from "../render/sanitise.ts";
import { tableText } from "../render/table.ts";

export async function farmInit(context: Context): Promise<number> {
  const { flags } = context.args;
  const report = await (await context.services()).farmInit({
    name: flags.text("name"),
    address: flags.text("address"),
    hosts: flags.texts("host"),
  });
  answer(context, report, () => {
    const head = context.paint.bold(`founded farm ${report.cluster}`);
    return `${head}\n${facts(context, [
      ["leader", `rnode ${report.name} at ${report.leader}`],
      ["hosts", report.hosts.join(" ")],
      ["state", oneLine(report.directory)],
      ["next", "begat farm token --role rnode"],
    ])}`;
  });
  return EXIT.ok;
}

/** The token alone goes to standard output, so that `$(begat farm token)` is one. */
export async function farmToken(context: Context): Promise<number> {
  const { flags } = context.args;
  const role = (flags.text("role") ?? "client") as FarmRole;
  const cluster = flags.text("cluster");
  const report = await (await context.services()).farmToken({
    cluster,
    role,
    lifeMs: flags.number("ttl"),
    uses: flags.number("uses") ?? 1,
  });
  answer(context, report, () => `${report.token}\n`);
  if (!flags.has("json")) {
    const text = `good ${report.uses === 1 ? "once" : `${report.uses} times`}, for the role ${role}, until ${report.validUntil}`;
    const join = role === "rnode" ? `fulcrum serve --join ${report.leader}` : `farm join ${report.leader}`;
    const hint = `there: begat ${join} --token TOKEN`;
    context.host.stderr.write(noticeText("note", text, hint, context.paint));
  }
  return EXIT.ok;
}

export async function farmJoin(context: Context): Promise<number> {
  const { args, host } = context;
  const token = args.flags.text("token") ?? host.env.BEGAT_FARM_TOKEN;
  if (!token) {
    throw new UsageError("begat farm join needs --token TOKEN", {
      verb: "farm join",
      hint: "`begat farm token` at the leader prints one",
    });
  }
  const report = await (await context.services()).farmJoin({
    address: args.words[0] ?? "",
    token,
    role: args.flags.text("role") as FarmRole | undefined,
    name: args.flags.text("name"),
    hosts: args.flags.texts("host"),
  });
  answer(context, report, () => {
    const head = context.paint.bold(`joined farm ${report.cluster}`);
    return `${head}\n${facts(context, [
      ["as", `${report.role} ${report.name}`],
      ["leader", report.leader],
      ["until", `${report.validUntil}, renewed before`],
      ["state", oneLine(report.directory)],
    ])}`;
  });
  return EXIT.ok;
}

export async function farmNodes(context: Context): Promise<number> {
  const report = await (await context.services()).farmNodes(context.args.flags.text("cluster"));
  answer(context, report, () => nodesText(context, report.nodes));
  return EXIT.ok;
}

function nodesText({ paint }: Context, nodes: readonly FarmNode[]): string {
  const rows = nodes.map(({ role, name, state, joined, validUntil, reason, hosts }) => [
    `${role}/${name}`,
    state,
    `joined ${joined}`,
    state === "revoked" ? oneLine(reason || "no reason given") : `until ${validUntil}`,
    hosts.join(" "),
  ]);
  const colour = (cell: string, column: number, row: number) =>
    column !== 1 ? cell : nodes[row]?.state === "valid" ? paint.green(cell) : paint.red(cell);
  return `${tableText(rows, { paint: colour })}${paint.dim(counted(nodes.length, "member"))}\n`;
}

export async function farmRevoke(context: Context): Promise<number> {
  const { args } = context;
  const report = await (await context.services()).farmRevoke({
    cluster: args.flags.text("cluster"),
    member: args.words[0] ?? "",
    reason: args.flags.text("reason") ?? "",
  });
  answer(
    context,
    report,
    () => `revoked ${report.role}/${report.name}; it is refused from its next call on (revocation ${report.number})\n`,
  );
  return EXIT.ok;
}

export async function farmRenew(context: Context): Promise<number> {
  const report = await (await context.services()).farmRenew(context.args.flags.text("cluster"));
  answer(context, report, () =>
    report.renewed
      .map(({ role, name, cluster, validUntil }) => `${role} ${name} of farm ${cluster}: good until ${validUntil}\n`)
      .join(""),
  );
  return EXIT.ok;
}

function facts({ paint }: Context, rows: readonly (readonly [string, string])[]): string {
  return tableText(rows, { paint: (cell, column) => (column === 0 ? paint.dim(cell) : cell) });
}
