/* The root a recipe sees, made in a mount namespace of its own; and what is started in it. */
#ifndef BEGAT_SANDBOX_H
#define BEGAT_SANDBOX_H

#include <sys/types.h>

#include "order.h"

#define PROBLEM_BYTES 400
#define NAMES_BYTES 600

/* In memory that the server shares with its keepers and the first process of each sandbox, which write it. */
struct report {
  /* The server's own, for a keeper: this run is to end. */
  _Atomic uint32_t is_killed;
  uint32_t begun;
  uint32_t has_status;
  int32_t wait_status;
  uint32_t left_count;
  uint64_t user_us;
  uint64_t system_us;
  uint64_t wall_us;
  uint64_t max_rss_kib;
  /* Bytes in the streams that nobody had read when all was over. */
  uint32_t unread_out;
  uint32_t unread_err;
  char problem[PROBLEM_BYTES];
  char left_names[NAMES_BYTES];
};

struct streams {
  int out;
  int err;
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

/* Undoes what whoever started this program had ignored. Once, before anything else. */
void forget_signals(void);

/* So that 127.0.0.1 can be reached, where there is nothing else. 0, or -1 with errno. */
int loopback_up(void);

/*
 * Opens what a recipe prints into, and counts what is in it. -1 where it cannot be.
 */
int open_stream(const char *path);
void count_unread(struct report *report, struct streams streams);

/*
 * Of the child that is to become the first process. Shared: the page tables of a process are most of what a fork costs
 * (1.5 ms of 1.7 where the kernel itself is a guest), so whoever has nothing to do meanwhile but wait lends its own.
 */
enum memory { MEMORY_COPIED, MEMORY_SHARED };

/*
 * Starts the order in a child. Its id, or -1: the report says why. Closing `gate` tells the child that this process is
 * gone. With memory shared, nothing but waiting and killing may be done until the child has ended.
 */
pid_t launch(struct order *order, struct report *report, struct streams streams, enum memory memory, int *gate);

/*
 * In a child: sets up what `order` asks for, runs it, waits for all of it. `gate` can be read once user ids are mapped,
 * and reads as ended when the server is gone.
 */
_Noreturn void run_inside(struct order *order, struct report *report, struct streams streams, int gate);

/* The same without namespaces. */
_Noreturn void run_outside(struct order *order, struct report *report, struct streams streams, int gate);

#endif
