#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"

#define INSIDE_ID 1000
/* Deepest where a report is made of what a recipe left behind. */
#define STACK_BYTES (256 * 1024)

static bool write_file(pid_t pid, const char *name, const char *text) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t length = (ssize_t)strlen(text);
  bool done = write(fd, text, (size_t)length) == length;
  int error = errno;
  close(fd);
  errno = error;
  return done;
}

/* One user and one group inside; whoever ran begat, or the recipe's own where root may give one. */
static bool map_ids(pid_t pid, const struct order *order) {
  uint32_t uid = order->uid == NO_USER ? geteuid() : order->uid;
  uint32_t gid = order->gid == NO_USER ? getegid() : order->gid;
  char text[64];
  if (!write_file(pid, "setgroups", "deny")) return false;
  snprintf(text, sizeof text, "%d %u 1", INSIDE_ID, uid);
  if (!write_file(pid, "uid_map", text)) return false;
  snprintf(text, sizeof text, "%d %u 1", INSIDE_ID, gid);
  return write_file(pid, "gid_map", text);
}

static int clone_flags(uint32_t namespaces) {
  static const int flags[] = {CLONE_NEWNS,  CLONE_NEWPID,    CLONE_NEWNET, CLONE_NEWIPC,
                              CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_NEWUSER};
  int all = 0;
  for (size_t bit = 0; bit < sizeof flags / sizeof *flags; bit++)
    if (namespaces & (1u << bit)) all |= flags[bit];
  return all;
}

struct child {
  struct order *order;
  struct report *report;
  struct streams streams;
  int ends[2];
};

static int begin(void *argument) {
  struct child *child = argument;
  close(child->ends[1]);
  if (child->order->namespaces == 0) run_outside(child->order, child->report, child->streams, child->ends[0]);
  run_inside(child->order, child->report, child->streams, child->ends[0]);
}

#ifdef __SANITIZE_ADDRESS__
/* The sanitiser knows of one stack in each address space. */
static pid_t clone_child(int flags, struct child *child) {
  pid_t pid = (pid_t)syscall(SYS_clone, flags & ~CLONE_VM, 0, 0, 0, 0);
  if (pid == 0) begin(child);
  return pid;
}
#else
static pid_t clone_child(int flags, struct child *child) {
  static uint8_t stack[STACK_BYTES] __attribute__((aligned(64)));
  return clone(begin, stack + STACK_BYTES, flags, child);
}
#endif

pid_t launch(struct order *order, struct report *report, struct streams streams, enum memory memory, int *gate) {
  // Not on this stack: with memory shared, the child may come to read it when this has returned.
  static struct child child;
  child = (struct child){order, report, streams, {-1, -1}};
  const char *path = "";
  // Root reaches what the first process inside could not; others have the right to only there.
  if (order->namespaces != 0 && geteuid() == 0 && sandbox_take_trees(order, &path) != 0 && errno != EPERM) {
    report_problem(report, "cannot take", path);
    return -1;
  }
  if (pipe2(child.ends, O_CLOEXEC) != 0) {
    report_problem(report, "cannot make a pipe", "");
    return -1;
  }
  int flags = clone_flags(order->namespaces) | SIGCHLD | (memory == MEMORY_SHARED ? CLONE_VM : 0);
  pid_t pid = clone_child(flags, &child);
  close(child.ends[0]);
  if (pid < 0) {
    report_problem(report, "cannot make namespaces", "");
    close(child.ends[1]);
    return -1;
  }
  if (order->namespaces != 0 && !map_ids(pid, order)) report_problem(report, "cannot map user ids", "");
  else if (write(child.ends[1], "", 1) != 1) report_problem(report, "cannot release a child", "");
  *gate = child.ends[1];
  if (report->problem[0] != 0) kill(pid, SIGKILL);
  return pid;
}

int open_stream(const char *path) {
  // Read and write, so that opening does not wait and the other end never reads as ended.
  return open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
}

void count_unread(struct report *report, struct streams streams) {
  int unread = 0;
  report->unread_out = streams.out >= 0 && ioctl(streams.out, FIONREAD, &unread) == 0 ? (uint32_t)unread : 0;
  report->unread_err = streams.err >= 0 && ioctl(streams.err, FIONREAD, &unread) == 0 ? (uint32_t)unread : 0;
}
