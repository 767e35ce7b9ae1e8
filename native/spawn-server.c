/*
 * Starts recipes for begat, each in a sandbox of its own: begat-spawn-server, with a socket as file 3.
 * Begat is started once while little is in its memory, and never forks again: what a fork costs grows with that.
 *
 *   begat-spawn-server            serves orders until the socket ends, then ends everything it started
 *   begat-spawn-server one FILE   runs the one order in FILE, with this program's own input and output
 *
 * The protocol: docs/formats.md, "Spawn server".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"

#define CHANNEL 3
#define MOST_JOBS 256
#define INSIDE_ID 1000
#define CLONE_FLAG_NEWNS 0x00020000ul
#define CLONE_FLAG_NEWCGROUP 0x02000000ul
#define CLONE_FLAG_NEWUTS 0x04000000ul
#define CLONE_FLAG_NEWIPC 0x08000000ul
#define CLONE_FLAG_NEWUSER 0x10000000ul
#define CLONE_FLAG_NEWPID 0x20000000ul
#define CLONE_FLAG_NEWNET 0x40000000ul

struct job {
  bool is_used;
  bool is_killed;
  bool is_sandbox;
  uint32_t id;
  pid_t pid;
  int gate;
  int out;
  int err;
  struct report *report;
};

static struct job jobs[MOST_JOBS];

static _Noreturn void die(const char *what) {
  dprintf(2, "begat-spawn-server: %s\n", what);
  exit(2);
}

static void answer(uint8_t type, const uint8_t *bytes, size_t length) {
  uint8_t frame[HEAD_BYTES + 64 + PROBLEM_BYTES + NAMES_BYTES];
  if (length > sizeof frame - HEAD_BYTES) die("answer is too long");
  write_u32(frame, (uint32_t)length + 1);
  frame[4] = type;
  memcpy(frame + HEAD_BYTES, bytes, length);
  // Begat reads all the time; an answer is far smaller than what a socket holds.
  for (size_t at = 0; at < HEAD_BYTES + length;) {
    ssize_t count = write(CHANNEL, frame + at, HEAD_BYTES + length - at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {
      struct pollfd writable = {CHANNEL, POLLOUT, 0};
      poll(&writable, 1, -1);
      continue;
    }
    if (count < 0) exit(0);
    at += (size_t)count;
  }
}

/* id, kind, wait status, processes left, user, system and wall time, memory, output not read yet, two texts. */
static void answer_ended(uint32_t id, uint8_t kind, const struct report *report, int out, int err) {
  uint8_t bytes[64 + PROBLEM_BYTES + NAMES_BYTES];
  int unread = 0;
  write_u32(bytes, id);
  bytes[4] = kind;
  bytes[5] = (uint8_t)report->begun;
  write_u32(bytes + 6, (uint32_t)report->wait_status);
  write_u32(bytes + 10, report->left_count);
  write_u64(bytes + 14, report->user_us);
  write_u64(bytes + 22, report->system_us);
  write_u64(bytes + 30, report->wall_us);
  write_u64(bytes + 38, report->max_rss_kib);
  write_u32(bytes + 46, out >= 0 && ioctl(out, FIONREAD, &unread) == 0 ? (uint32_t)unread : 0);
  write_u32(bytes + 50, err >= 0 && ioctl(err, FIONREAD, &unread) == 0 ? (uint32_t)unread : 0);
  size_t at = 54;
  size_t length = strnlen(report->problem, PROBLEM_BYTES - 1);
  memcpy(bytes + at, report->problem, length);
  at += length;
  bytes[at++] = 0;
  length = strnlen(report->left_names, NAMES_BYTES - 1);
  memcpy(bytes + at, report->left_names, length);
  at += length;
  bytes[at++] = 0;
  answer(FRAME_ENDED, bytes, at);
}

enum ended_kind { ENDED_ITSELF, ENDED_KILLED, ENDED_LOST, ENDED_NOT_STARTED };

static void answer_not_started(uint32_t id, const char *why) {
  struct report report = {0};
  snprintf(report.problem, PROBLEM_BYTES, "%s", why);
  answer_ended(id, ENDED_NOT_STARTED, &report, -1, -1);
}

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

static unsigned long clone_flags(uint32_t namespaces) {
  static const unsigned long flags[] = {CLONE_FLAG_NEWNS,  CLONE_FLAG_NEWPID,    CLONE_FLAG_NEWNET, CLONE_FLAG_NEWIPC,
                                        CLONE_FLAG_NEWUTS, CLONE_FLAG_NEWCGROUP, CLONE_FLAG_NEWUSER};
  unsigned long all = 0;
  for (size_t bit = 0; bit < sizeof flags / sizeof *flags; bit++)
    if (namespaces & (1u << bit)) all |= flags[bit];
  return all;
}

/* Starts the order in a child. Its id, or -1: the report says why. */
static pid_t start(struct order *order, struct report *report, struct streams streams, int *gate) {
  int ends[2];
  const char *path = "";
  // Root reaches what the first process inside could not; others have the right to only there.
  if (order->namespaces != 0 && geteuid() == 0 && sandbox_take_trees(order, &path) != 0 && errno != EPERM) {
    report_problem(report, "cannot take", path);
    return -1;
  }
  if (pipe2(ends, O_CLOEXEC) != 0) {
    report_problem(report, "cannot make a pipe", "");
    return -1;
  }
  pid_t pid = (pid_t)syscall(SYS_clone, clone_flags(order->namespaces) | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    close(ends[1]);
    if (order->namespaces == 0) run_outside(order, report, streams, ends[0]);
    run_inside(order, report, streams, ends[0]);
  }
  close(ends[0]);
  if (pid < 0) {
    report_problem(report, "cannot make namespaces", "");
    close(ends[1]);
    return -1;
  }
  if (order->namespaces != 0 && !map_ids(pid, order)) report_problem(report, "cannot map user ids", "");
  else if (write(ends[1], "", 1) != 1) report_problem(report, "cannot release a child", "");
  *gate = ends[1];
  if (report->problem[0] != 0) kill(pid, SIGKILL);
  return pid;
}

static int open_stream(const char *path) {
  // Read and write, so that opening does not wait and the other end never reads as ended.
  return open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
}

static void run(struct order *order) {
  struct job *job = NULL;
  for (size_t i = 0; i < MOST_JOBS; i++) {
    if (jobs[i].is_used && jobs[i].id == order->id) return answer_not_started(order->id, "id is in use");
    if (!jobs[i].is_used && job == NULL) job = &jobs[i];
  }
  if (job == NULL) return answer_not_started(order->id, "too many at once");
  struct report *report = job->report;
  memset(report, 0, sizeof *report);
  *job = (struct job){.id = order->id, .report = report, .out = open_stream(order->out), .err = open_stream(order->err)};
  if (job->out < 0 || job->err < 0) {
    report_problem(report, "cannot open", job->out < 0 ? order->out : order->err);
  } else {
    job->is_sandbox = order->namespaces != 0;
    job->pid = start(order, report, (struct streams){job->out, job->err}, &job->gate);
    job->is_used = job->pid >= 0;
  }
  sandbox_drop_trees(order);
  if (job->is_used) return;
  answer_ended(order->id, ENDED_NOT_STARTED, report, -1, -1);
  if (job->out >= 0) close(job->out);
  if (job->err >= 0) close(job->err);
}

static void stop(struct job *job) {
  // Outside of a namespace its keeper has to look for all of them.
  job->is_killed = true;
  kill(job->pid, job->is_sandbox ? SIGKILL : SIGTERM);
}

static void make_stream(const char *path, const struct order *order, struct report *report) {
  if (mkfifo(path, 0600) != 0) return report_problem(report, "cannot make", path);
  if (order->uid != NO_USER && geteuid() == 0 && lchown(path, order->uid, order->gid) != 0)
    report_problem(report, "cannot give away", path);
}

static void reap(void) {
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    for (size_t i = 0; i < MOST_JOBS; i++) {
      struct job *job = &jobs[i];
      if (!job->is_used || job->pid != pid) continue;
      const struct report *report = job->report;
      enum ended_kind kind = ENDED_ITSELF;
      if (job->is_killed) kind = ENDED_KILLED;
      else if (!report->has_status) kind = report->problem[0] != 0 || !report->begun ? ENDED_NOT_STARTED : ENDED_LOST;
      answer_ended(job->id, kind, report, job->out, job->err);
      close(job->gate);
      close(job->out);
      close(job->err);
      job->is_used = false;
    }
  }
}

static void handle(uint8_t type, const uint8_t *bytes, size_t length) {
  struct order order;
  const char *problem = order_read(&order, type, bytes, length);
  if (type == FRAME_SLOT) {
    struct report report = {0};
    if (problem != NULL) snprintf(report.problem, PROBLEM_BYTES, "%s", problem);
    else make_stream(order.out, &order, &report);
    if (report.problem[0] == 0) make_stream(order.err, &order, &report);
    uint8_t made[4 + PROBLEM_BYTES];
    write_u32(made, order.id);
    memcpy(made + 4, report.problem, PROBLEM_BYTES);
    answer(FRAME_MADE, made, 4 + strnlen(report.problem, PROBLEM_BYTES - 1) + 1);
  } else if (type == FRAME_RUN) {
    if (problem != NULL) answer_not_started(order.id, problem);
    else run(&order);
  } else if (type == FRAME_KILL) {
    for (size_t i = 0; i < MOST_JOBS; i++)
      if (jobs[i].is_used && jobs[i].id == order.id) stop(&jobs[i]);
  } else {
    die("unknown kind of frame");
  }
  order_release(&order);
}

/* Their own death takes all that is in their namespaces along; nothing of theirs is there when this has ended. */
static void end_all(void) {
  for (size_t i = 0; i < MOST_JOBS; i++)
    if (jobs[i].is_used) stop(&jobs[i]);
  while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) continue;
}

static int serve(void) {
  struct report *reports = mmap(NULL, MOST_JOBS * sizeof *reports, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (reports == MAP_FAILED) die("no memory");
  for (size_t i = 0; i < MOST_JOBS; i++) jobs[i].report = &reports[i];
  signal(SIGPIPE, SIG_IGN);
  sigset_t heard;
  sigemptyset(&heard);
  sigaddset(&heard, SIGCHLD);
  sigaddset(&heard, SIGTERM);
  sigaddset(&heard, SIGINT);
  sigprocmask(SIG_SETMASK, &heard, NULL);
  int signals = signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0 || fcntl(CHANNEL, F_SETFD, FD_CLOEXEC) != 0) die("file 3 is not open; this program is begat's to start");
  if (geteuid() == 0) setgroups(0, NULL);
  uint8_t ready[4];
  write_u32(ready, PROTOCOL_VERSION);
  answer(FRAME_READY, ready, sizeof ready);
  struct inbox inbox = {NULL, 0, 0};
  bool is_needed = true;
  while (is_needed) {
    struct pollfd events[] = {{CHANNEL, POLLIN, 0}, {signals, POLLIN, 0}};
    if (poll(events, 2, -1) < 0 && errno != EINTR) break;
    if (events[1].revents & POLLIN) {
      struct signalfd_siginfo info;
      while (read(signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo != SIGCHLD) is_needed = false;
      reap();
    }
    const char *problem = NULL;
    if (events[0].revents != 0 && !inbox_receive(&inbox, CHANNEL, LARGEST_FRAME, handle, &problem)) is_needed = false;
    if (problem != NULL) die(problem);
  }
  end_all();
  free(inbox.bytes);
  return 0;
}

/* For a recipe that has the terminal, or is traced: the order is in a file. */
static int run_one(const char *file) {
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  struct stat stat;
  if (fd < 0 || fstat(fd, &stat) != 0 || stat.st_size < HEAD_BYTES || stat.st_size > LARGEST_FRAME) die("no order to read");
  size_t length = (size_t)stat.st_size;
  uint8_t *bytes = malloc(length);
  if (bytes == NULL || read(fd, bytes, length) != (ssize_t)length) die("no order to read");
  close(fd);
  struct order order;
  const char *problem = read_u32(bytes) != length - 4 || bytes[4] != FRAME_RUN ? "not an order" : NULL;
  if (problem == NULL) problem = order_read(&order, FRAME_RUN, bytes + HEAD_BYTES, length - HEAD_BYTES);
  if (problem != NULL) die(problem);
  struct report *report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (report == MAP_FAILED) die("no memory");
  if (order.uid != NO_USER && geteuid() != 0) order.uid = order.gid = NO_USER;
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  // Ctrl-C is for the recipe, and this has to outlive it.
  signal(SIGINT, SIG_IGN);
  signal(SIGQUIT, SIG_IGN);
  int gate, status;
  pid_t pid = start(&order, report, (struct streams){-1, -1}, &gate);
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (!report->has_status) {
    dprintf(2, "begat-spawn-server: %s\n", report->problem[0] != 0 ? report->problem : "the sandbox was killed");
    return 125;
  }
  if (report->left_count > 0) dprintf(2, "begat-spawn-server: left behind and killed: %s\n", report->left_names);
  return WIFEXITED(report->wait_status) ? WEXITSTATUS(report->wait_status) : 128 + WTERMSIG(report->wait_status);
}

int main(int count, char **words) {
  if (count == 3 && strcmp(words[1], "one") == 0) return run_one(words[2]);
  if (count == 2 && strcmp(words[1], "--version") == 0) return printf("%u\n", PROTOCOL_VERSION) < 0;
  if (count != 1) die("usage: begat-spawn-server [one FILE | --version]");
  return serve();
}
