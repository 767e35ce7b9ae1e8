/* Has a builder run this command, as if it ran here. */
#ifndef BEGAT_CLIENT_BUILDER_H
#define BEGAT_CLIENT_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "request.h"

/*
 * Sends the request, prints what comes and passes signals on, until there is an exit code, which it answers. -1: the
 * builder does not do it, did not begin within `patience_ms`, or was killed; the work is then done as if it had not been
 * asked.
 */
int build_elsewhere(int builder, const struct text *request, int patience_ms);

/* Exit code where nobody reads standard output any more. */
#define OUTPUT_CLOSED 141

/* false: nobody reads it. */
bool write_whole(int to, const uint8_t *bytes, size_t length);

#endif
