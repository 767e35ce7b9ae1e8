import type { LeaderConfig } from "./config.ts";

const IMAGE_PROPERTY = "container-image";

/** What an rnode must have to run a chore: REAPI platform properties without the ignored ones. */
export interface Needs {
  /** The same for the same needs. */
  readonly key: string;
  readonly image: string | undefined;
  readonly labels: readonly (readonly [name: string, value: string])[];
}

export const NO_NEEDS: Needs = { key: "", image: undefined, labels: [] };

export function needsOf(
  platform: readonly (readonly [string, string])[],
  config: Pick<LeaderConfig, "ignoredProperties">,
): Needs {
  let image: string | undefined;
  const labels: (readonly [string, string])[] = [];
  for (const [name, value] of platform) {
    if (name === IMAGE_PROPERTY) image = value;
    else if (!config.ignoredProperties.includes(name)) labels.push([name, value]);
  }
  if (image === undefined && labels.length === 0) return NO_NEEDS;
  labels.sort((a, b) => (a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]) ? -1 : 1));
  return { key: JSON.stringify([image ?? null, labels]), image, labels };
}

export interface Offer {
  readonly labels: Readonly<Record<string, string>>;
  readonly images: readonly string[] | "any";
}

export const hasImage = (offer: Offer, image: string): boolean =>
  offer.images === "any" || offer.images.includes(image);

/** Labels match exactly: name and value. */
export const hasLabel = (offer: Offer, name: string, value: string): boolean =>
  Object.hasOwn(offer.labels, name) && offer.labels[name] === value;

export function meets(offer: Offer, needs: Needs): boolean {
  return (
    (needs.image === undefined || hasImage(offer, needs.image)) &&
    needs.labels.every(([name, value]) => hasLabel(offer, name, value))
  );
}

/** The first property that no rnode and no setting knows, with all that are known. */
export function unknownProperty(
  needs: Needs,
  offers: Iterable<Offer>,
  config: Pick<LeaderConfig, "knownProperties">,
): { property: string; value: string; known: string[] } | undefined {
  if (needs.labels.length === 0) return undefined;
  const known = new Set(config.knownProperties);
  for (const { labels } of offers) for (const name of Object.keys(labels)) known.add(name);
  const unknown = needs.labels.find(([name]) => !known.has(name));
  if (unknown === undefined) return undefined;
  return { property: unknown[0], value: unknown[1], known: [IMAGE_PROPERTY, ...[...known].sort()] };
}
