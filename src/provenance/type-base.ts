/**
 * Base of begat's TypeURIs. Under `.invalid` (RFC 2606), so that nobody takes it for an address: it only tells types
 * apart. Part of every signed statement, hence never to be changed.
 */
export const TYPE_BASE = "https://begat.invalid";
