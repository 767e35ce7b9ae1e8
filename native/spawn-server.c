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

#include "keeper.h"

#define CHANNEL 3
#define MOST_JOBS 256

/* One order after another. */
struct job {
  bool is_used;
  bool is_killed;
  uint32_t id;
  struct report *report;
  /* Of the present order, where it has a child of its own; else 0, and the keeper runs it. */
  pid_t pid;
  bool is_sandbox;
  int gate;
  struct streams streams;
  /* Between orders too; 0 and -1 where there is none. */
  pid_t keeper;
  int keeper_channel;
};

static struct job jobs[MOST_JOBS];
/* Above the last that was ever used. */
static size_t job_count;

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
static void answer_ended(uint32_t id, uint8_t kind, const struct report *report) {
  uint8_t bytes[64 + PROBLEM_BYTES + NAMES_BYTES];
  write_u32(bytes, id);
  bytes[4] = kind;
  bytes[5] = (uint8_t)report->begun;
  write_u32(bytes + 6, (uint32_t)report->wait_status);
  write_u32(bytes + 10, report->left_count);
  write_u64(bytes + 14, report->user_us);
  write_u64(bytes + 22, report->system_us);
  write_u64(bytes + 30, report->wall_us);
  write_u64(bytes + 38, report->max_rss_kib);
  write_u32(bytes + 46, report->unread_out);
  write_u32(bytes + 50, report->unread_err);
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
  answer_ended(id, ENDED_NOT_STARTED, &report);
}

/* A child for this order alone: it has the host's network, or no sandbox at all. */
static void start(struct job *job, struct order *order) {
  struct report *report = job->report;
  job->streams = (struct streams){open_stream(order->out), open_stream(order->err)};
  job->pid = -1;
  if (job->streams.out < 0 || job->streams.err < 0) {
    report_problem(report, "cannot open", job->streams.out < 0 ? order->out : order->err);
  } else {
    job->is_sandbox = order->namespaces != 0;
    job->pid = launch(order, report, job->streams, MEMORY_COPIED, &job->gate);
  }
  sandbox_drop_trees(order);
  job->is_used = job->pid > 0;
  if (job->is_used) return;
  answer_ended(order->id, ENDED_NOT_STARTED, report);
  if (job->streams.out >= 0) close(job->streams.out);
  if (job->streams.err >= 0) close(job->streams.err);
}

static bool write_whole(int fd, const uint8_t *bytes, size_t length) {
  for (size_t at = 0; at < length;) {
    ssize_t count = write(fd, bytes + at, length - at);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    at += (size_t)count;
  }
  return true;
}

static void leave_keeper(struct job *job) {
  if (job->keeper_channel >= 0) close(job->keeper_channel);
  job->keeper_channel = -1;
  job->keeper = 0;
}

/* Has the keeper of `job` run the order. False where there is none to be had. */
static bool hand_over(struct job *job, const uint8_t *bytes, size_t length) {
  uint8_t head[HEAD_BYTES];
  if (job->keeper == 0) job->keeper = keeper_start(job->report, &job->keeper_channel);
  if (job->keeper < 0) job->keeper = 0;
  if (job->keeper == 0) return false;
  write_u32(head, (uint32_t)length + 1);
  head[4] = FRAME_RUN;
  job->pid = 0;
  job->is_used = write_whole(job->keeper_channel, head, HEAD_BYTES) && write_whole(job->keeper_channel, bytes, length);
  // With half an order it ends, since the other half never comes.
  if (!job->is_used) leave_keeper(job);
  return job->is_used;
}

static void run(struct order *order, const uint8_t *bytes, size_t length) {
  struct job *job = NULL;
  for (size_t i = 0; i < MOST_JOBS; i++) {
    if (jobs[i].is_used && jobs[i].id == order->id) return answer_not_started(order->id, "id is in use");
    if (!jobs[i].is_used && job == NULL) job = &jobs[i];
  }
  if (job == NULL) return answer_not_started(order->id, "too many at once");
  if ((size_t)(job - jobs) >= job_count) job_count = (size_t)(job - jobs) + 1;
  memset(job->report, 0, sizeof *job->report);
  job->id = order->id;
  job->is_killed = false;
  if ((order->namespaces & NS_NET) == 0 || !hand_over(job, bytes, length)) start(job, order);
}

static void stop(struct job *job) {
  job->is_killed = true;
  job->report->is_killed = 1;
  // A keeper, and what looks after an order without namespaces, kill those that there are.
  if (job->pid == 0) kill(job->keeper, SIGTERM);
  else kill(job->pid, job->is_sandbox ? SIGKILL : SIGTERM);
}

static void make_stream(const char *path, const struct order *order, struct report *report) {
  if (mkfifo(path, 0600) != 0) return report_problem(report, "cannot make", path);
  if (order->uid != NO_USER && geteuid() == 0 && lchown(path, order->uid, order->gid) != 0)
    report_problem(report, "cannot give away", path);
}

static void finish(struct job *job) {
  const struct report *report = job->report;
  enum ended_kind kind = ENDED_ITSELF;
  if (job->is_killed) kind = ENDED_KILLED;
  else if (!report->has_status) kind = report->problem[0] != 0 || !report->begun ? ENDED_NOT_STARTED : ENDED_LOST;
  answer_ended(job->id, kind, report);
  job->is_used = false;
}

static void finish_child(struct job *job) {
  count_unread(job->report, job->streams);
  finish(job);
  close(job->gate);
  close(job->streams.out);
  close(job->streams.err);
}

/* A keeper that is gone took its order along: the sandbox dies with it. */
static void finish_keeper(struct job *job) {
  leave_keeper(job);
  if (job->is_used && job->pid == 0) finish(job);
}

static void reap(void) {
  for (;;) {
    pid_t pid = waitpid(-1, NULL, WNOHANG);
    if (pid <= 0) return;
    for (size_t i = 0; i < job_count; i++) {
      if (jobs[i].keeper == pid) finish_keeper(&jobs[i]);
      else if (jobs[i].is_used && jobs[i].pid == pid) finish_child(&jobs[i]);
    }
  }
}

/* A keeper has said something, or is gone, which is heard of otherwise. */
static void hear(struct job *job) {
  uint8_t word;
  if (job->keeper_channel < 0 || read(job->keeper_channel, &word, 1) != 1) return;
  if (word == KEEPER_LEAVES) leave_keeper(job);
  if (job->is_used && job->pid == 0) finish(job);
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
    else run(&order, bytes, length);
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
  for (size_t i = 0; i < job_count; i++) {
    if (jobs[i].is_used) stop(&jobs[i]);
    leave_keeper(&jobs[i]);
  }
  while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) continue;
}

static int serve(void) {
  struct report *reports = mmap(NULL, MOST_JOBS * sizeof *reports, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (reports == MAP_FAILED) die("no memory");
  for (size_t i = 0; i < MOST_JOBS; i++) jobs[i] = (struct job){.report = &reports[i], .keeper_channel = -1};
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
    static struct pollfd events[2 + MOST_JOBS];
    size_t count = job_count;
    events[0] = (struct pollfd){CHANNEL, POLLIN, 0};
    events[1] = (struct pollfd){signals, POLLIN, 0};
    // A number below 0 is passed over.
    for (size_t i = 0; i < count; i++) events[2 + i] = (struct pollfd){jobs[i].keeper_channel, POLLIN, 0};
    if (poll(events, 2 + count, -1) < 0) {
      if (errno == EINTR) continue;
      break;
    }
    for (size_t i = 0; i < count; i++)
      if (events[2 + i].revents != 0) hear(&jobs[i]);
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
  pid_t pid = launch(&order, report, (struct streams){-1, -1}, MEMORY_COPIED, &gate);
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (!report->has_status) {
    dprintf(2, "begat-spawn-server: %s\n", report->problem[0] != 0 ? report->problem : "the sandbox was killed");
    return 125;
  }
  if (report->left_count > 0) dprintf(2, "begat-spawn-server: left behind and killed: %s\n", report->left_names);
  return WIFEXITED(report->wait_status) ? WEXITSTATUS(report->wait_status) : 128 + WTERMSIG(report->wait_status);
}

int main(int count, char **words) {
  forget_signals();
  if (count == 3 && strcmp(words[1], "one") == 0) return run_one(words[2]);
  if (count == 2 && strcmp(words[1], "--version") == 0) return printf("%u\n", PROTOCOL_VERSION) < 0;
  if (count != 1) die("usage: begat-spawn-server [one FILE | --version]");
  return serve();
}
