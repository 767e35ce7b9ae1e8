/** What is needed of the library that writes certificates. Loading takes about 130 ms, so only who needs it waits. */
export type X509 = typeof import("@peculiar/x509");

let loading: Promise<X509> | undefined;

/**
 * The library, loaded at the first call. It wants the metadata reflection that its dependency injection is built on to
 * be there before it is. Its cryptography is the platform's `crypto.subtle`.
 */
export function loadX509(): Promise<X509> {
  loading ??= import("reflect-metadata").then(() => import("@peculiar/x509"));
  return loading;
}
