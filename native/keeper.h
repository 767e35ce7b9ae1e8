/*
 * Keepers: processes that run one order after another for the server, with memory of their own to lend to the first process
 * of each sandbox and a network namespace that outlives it.
 */
#ifndef BEGAT_KEEPER_H
#define BEGAT_KEEPER_H

#include "sandbox.h"

/* What a keeper says after each order. Who leaves may have been disturbed by how the order ended. */
enum keeper_word { KEEPER_STAYS = 1, KEEPER_LEAVES = 2 };

/* Starts one that reads whole frames from `channel` and reports in `report`. Its id; -1: there is none. */
pid_t keeper_start(struct report *report, int *channel);

#endif
