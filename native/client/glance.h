#ifndef BEGAT_CLIENT_GLANCE_H
#define BEGAT_CLIENT_GLANCE_H

#include <stdbool.h>

/*
 * Whether `begat build`, without more words, would find nothing to do here, and what it would print; false also where
 * that is not known. `bundle`: the program that would be started.
 */
bool glance_answers(const char *bundle, const char **text);

#endif
