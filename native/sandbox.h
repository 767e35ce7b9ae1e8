/* The root a recipe sees, made in a mount namespace of its own; and what is started in it. */
#ifndef BEGAT_SANDBOX_H
#define BEGAT_SANDBOX_H

#include <sys/types.h>

#include "order.h"

#define PROBLEM_BYTES 400
#define NAMES_BYTES 600

/* In memory that the server shares with the first process of each sandbox, which writes it. */
struct report {
  uint32_t begun;
  uint32_t has_status;
  int32_t wait_status;
  uint32_t left_count;
  uint64_t user_us;
  uint64_t system_us;
  uint64_t wall_us;
  uint64_t max_rss_kib;
  char problem[PROBLEM_BYTES];
  char left_names[NAMES_BYTES];
};

/* Writes what failed, with errno's text, unless something was written before. */
void report_problem(struct report *report, const char *what, const char *which);

/*
 * Takes a private copy of what is to be mounted, as the host has it now, for each mount that has none yet. 0, or -1
 * with errno; `problem` then names the path.
 */
int sandbox_take_trees(struct order *order, const char **problem);
void sandbox_drop_trees(struct order *order);

/* Makes the new root and goes there; in new user, mount and process namespaces only. False: the report says why. */
bool sandbox_enter(struct order *order, struct report *report);

struct streams {
  int out;
  int err;
};

/*
 * In a child: sets up what `order` asks for, runs it, waits for all of it. `gate` can be read once user ids are mapped,
 * and reads as ended when the server is gone.
 */
_Noreturn void run_inside(struct order *order, struct report *report, struct streams streams, int gate);

/* The same without namespaces. */
_Noreturn void run_outside(struct order *order, struct report *report, struct streams streams, int gate);

#endif
