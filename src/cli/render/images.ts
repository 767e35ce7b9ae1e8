import type { ImageLockReport, ImageView, PackageChange } from "../image-services.ts";
import { counted, formatSize } from "../quantity.ts";
import type { Palette } from "./colour.ts";
import { oneLine } from "./sanitise.ts";
import { tableText } from "./table.ts";

/** Links shown of those that lead nowhere or are suggested; `--json` has all. */
const SHOWN = 5;
/** As many digits as `begat image` takes for a name, and nobody has seen two images share. */
const DIGITS = 12;

/** One image a line: name, digest, size, and what it was made from. */
export function imageTable(images: readonly ImageView[], paint: Palette): string {
  const rows = images.map((image) => [
    oneLine(image.name),
    image.digest.slice(0, DIGITS),
    formatSize(image.sizeBytes),
    originText(image.from),
  ]);
  return tableText(rows, {
    right: new Set([2]),
    paint: (cell, column) => (column === 0 ? paint.bold(cell) : column === 3 ? paint.dim(cell) : cell),
  });
}

/** What an image is, and what it lacks. */
export function imageLines(image: ImageView, paint: Palette): string {
  const { name, digest, sizeBytes, from, gaps } = image;
  let text = `${paint.bold(oneLine(name))}  sha256:${digest}  ${formatSize(sizeBytes)}, ${originText(from)}\n`;
  const { scripts, dangling, suggested } = gaps;
  const row = (title: string, what: string) => `  ${paint.dim(title.padEnd(8))}  ${what}\n`;
  if (scripts.length > 0) {
    const packages = new Set(scripts.map((script) => script.package)).size;
    text += row("not run", `${counted(scripts.length, "maintainer script")} of ${counted(packages, "package")}`);
  }
  if (dangling.length > 0)
    text += row("nowhere", links(dangling.map(({ place, target }) => ({ place: `/${place}`, target }))));
  if (suggested.length > 0) text += row("suggests", links(suggested, "link"));
  const taken = gaps.stripped.length + gaps.dropped.length;
  if (taken > 0) text += row("left out", counted(taken, "mode bit, owner or entry", "mode bits, owners or entries"));
  if (gaps.replaced.length > 0) text += row("replaced", counted(gaps.replaced.length, "file"));
  return text;
}

/** For each image what changed, package by package. */
export function imageLockText({ images }: ImageLockReport, paint: Palette): string {
  if (images.length === 0) return "no image is declared\n";
  let text = "";
  for (const { name, packages, changed, changes } of images) {
    const count = packages === 0 ? "no packages" : counted(packages, "package");
    const how = !changed ? "unchanged" : changes.length === 0 ? "same versions, newer lists" : summaryOf(changes);
    text += `${paint.bold(oneLine(name))}  ${count}, ${how}\n`;
    text += tableText(changes.map(changeRow), {
      indent: "  ",
      paint: (cell, column, row) => (column === 0 ? paintOf(changes[row], paint)(cell) : cell),
    });
  }
  if (images.some(({ changed }) => changed)) text += `${paint.cyan("note")}: begat.lock changed; commit it\n`;
  return text;
}

function changeRow({ name, from, to }: PackageChange): readonly string[] {
  const sign = from === undefined ? "+" : to === undefined ? "-" : "~";
  const version = from === undefined ? to : to === undefined ? from : `${from} -> ${to}`;
  return [sign, oneLine(name), oneLine(version ?? "")];
}

function paintOf(change: PackageChange | undefined, paint: Palette): (text: string) => string {
  if (change?.from === undefined) return paint.green;
  return change.to === undefined ? paint.red : paint.yellow;
}

function summaryOf(changes: readonly PackageChange[]): string {
  const added = changes.filter(({ from }) => from === undefined).length;
  const removed = changes.filter(({ to }) => to === undefined).length;
  const updated = changes.length - added - removed;
  const counts = [
    [added, "added"],
    [removed, "removed"],
    [updated, "of another version"],
  ] as const;
  return counts.flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`])).join(", ");
}

function originText({ debianPackages, npmPackages, files, oci }: ImageView["from"]): string {
  const parts = [
    ...(debianPackages === 0 ? [] : [counted(debianPackages, "Debian package")]),
    ...(npmPackages === 0 ? [] : [counted(npmPackages, "npm package")]),
    ...(files === 0 ? [] : [counted(files, "file")]),
    ...(oci === undefined ? [] : [`on sha256:${oci.slice(0, DIGITS)}`]),
  ];
  return parts.length === 0 ? "empty" : parts.join(", ");
}

/** As the words of a `link` part have them. */
function links(list: readonly { readonly place: string; readonly target: string }[], part = ""): string {
  const more = list.length > SHOWN ? ` and ${list.length - SHOWN} more` : "";
  const shown = list.slice(0, SHOWN).map(({ place, target }) => oneLine(`${place}=${target}`));
  return (part === "" ? shown.join(" ") : `${part} [ ${shown.join(" ")} ]`) + more;
}
