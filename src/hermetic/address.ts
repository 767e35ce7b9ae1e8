/** Query members whose value lets somebody in. */
const SECRET_MEMBER = /token|secret|passw|signature|^sig$|credential|auth|api-?_?key|^key$|^x-(amz|goog)-/i;

/**
 * `address` without user name, password and secret query values, for locks, ledgers and messages. Text that is no
 * address comes back as it is.
 */
export function withoutCredentials(address: string): string {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return address;
  }
  let changed = false;
  if (url.username !== "" || url.password !== "") {
    url.username = "";
    url.password = "";
    changed = true;
  }
  for (const name of new Set(url.searchParams.keys())) {
    if (!SECRET_MEMBER.test(name)) continue;
    url.searchParams.set(name, "REDACTED");
    changed = true;
  }
  // Untouched addresses keep the user's own spelling: URL would add slashes and change escapes.
  return changed ? url.href : address;
}

/** `text` without any of the credentials in `address`, in whatever spelling it repeats them. */
export function withoutSecretsOf(address: string, text: string): string {
  const url = new URL(address);
  const secrets = [url.username, url.password, decode(url.username), decode(url.password)];
  for (const [name, value] of url.searchParams) {
    if (SECRET_MEMBER.test(name)) secrets.push(value, encodeURIComponent(value));
  }
  let clean = text.replaceAll(address, withoutCredentials(address));
  for (const secret of secrets) if (secret !== "") clean = clean.replaceAll(secret, "REDACTED");
  return clean;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What a program printed, fit for a message: addresses in it lose their credentials, only its last lines are kept. */
export function lastLines(output: Uint8Array, lineCount = 4): string {
  const lines = Buffer.from(output).toString().split("\n");
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .slice(-lineCount)
    .map((line) => line.replace(/\b[a-z][a-z0-9+.-]*:\/\/[^\s'"<>]+/gi, withoutCredentials))
    .join("; ");
}
