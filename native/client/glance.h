#ifndef BEGAT_CLIENT_GLANCE_H
#define BEGAT_CLIENT_GLANCE_H

#include <stdbool.h>

/*
 * Whether begat with these arguments would find nothing to do here, and what it would print; false also where that is not
 * known. `bundle`: the program that would be started. `is_terminal`: whether it would print to one. The working directory
 * is the workspace's root afterwards, or the same as before where there is none.
 */
bool glance_answers(const char *bundle, char **arguments, bool is_terminal, const char **text);

#endif
