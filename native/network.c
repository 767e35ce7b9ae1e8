#define _GNU_SOURCE
#include "network.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "sandbox.h"

/*
 * What is sent over the loopback interface shows in `dev`, and what becomes of it in the others: a port that is still
 * taken, a route that is remembered, an error that was answered all take a packet. What needs none, a socket with a name
 * in the abstract, stands in `unix` for as long as it is anywhere, even on its way in a message nobody took.
 */
static const char *const COUNTERS[] = {"/proc/self/net/dev", "/proc/self/net/unix", "/proc/self/net/snmp",
                                       "/proc/self/net/snmp6", "/proc/self/net/netstat"};
#define COUNTER_COUNT (sizeof COUNTERS / sizeof *COUNTERS)
#define COUNTER_BYTES 32768

/* All of them, one after another. */
struct counters {
  size_t length;
  char text[COUNTER_BYTES];
};

/* Where this process is in a namespace of its own. */
static bool is_own;
static int files[COUNTER_COUNT] = {-1, -1, -1, -1, -1};
static struct counters when_new, now;

static void close_counters(void) {
  for (size_t i = 0; i < COUNTER_COUNT; i++) {
    if (files[i] >= 0) close(files[i]);
    files[i] = -1;
  }
}

/* They hold on to the namespace that this process is in when it opens them. */
static bool open_counters(void) {
  for (size_t i = 0; i < COUNTER_COUNT; i++) {
    files[i] = open(COUNTERS[i], O_RDONLY | O_CLOEXEC);
    // A kernel without IPv6 has none of its counters.
    if (files[i] < 0 && strstr(COUNTERS[i], "snmp6") == NULL) return false;
  }
  return true;
}

static bool read_counters(struct counters *counters) {
  counters->length = 0;
  for (size_t i = 0; i < COUNTER_COUNT; i++) {
    if (files[i] < 0) continue;
    for (off_t at = 0;;) {
      size_t room = COUNTER_BYTES - counters->length;
      ssize_t count = room == 0 ? -1 : pread(files[i], counters->text + counters->length, room, at);
      if (count < 0) return false;
      if (count == 0) break;
      at += count;
      counters->length += (size_t)count;
    }
  }
  return counters->length > 0;
}

static bool is_as_new(void) {
  return read_counters(&now) && now.length == when_new.length && memcmp(now.text, when_new.text, now.length) == 0;
}

bool network_enter(void) {
  if (is_own && is_as_new()) return true;
  close_counters();
  if (unshare(CLONE_NEWNET) != 0) return is_own = false;
  is_own = loopback_up() == 0 && open_counters() && read_counters(&when_new);
  return is_own;
}
