/*
 * The network namespace of a keeper: empty but for a loopback interface. Making one costs a quarter of a sandbox, so
 * the runs of a keeper, of which there is one at a time, use it one after another. Nothing may pass from one to the next:
 * it is used again only while all that the kernel counts in it is as it was when it was new.
 */
#ifndef BEGAT_NETWORK_H
#define BEGAT_NETWORK_H

#include <stdbool.h>

/* Puts this process into a new one, unless it is in one that is as new. False where it may not, and is where it was. */
bool network_enter(void);

#endif
