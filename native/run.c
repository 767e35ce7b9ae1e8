#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox.h"

/* Inside, whoever it is outside. */
#define INSIDE_ID 1000

static uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_nsec / 1000u;
}

static _Noreturn void failed(struct report *report, const char *what, const char *which) {
  report_problem(report, what, which);
  _exit(125);
}

static void drop_capabilities(struct report *report) {
  // Ends at the first that this kernel does not know.
  for (int which = 0; which < 64; which++)
    if (prctl(PR_CAPBSET_DROP, which, 0, 0, 0) != 0) break;
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
  if (syscall(SYS_capset, &header, none) != 0) failed(report, "cannot drop capabilities", "");
}

/* What this program ignores while it runs; a recipe has all as they are by default. */
static const int IGNORED[] = {SIGPIPE, SIGINT, SIGQUIT, 0};

void forget_signals(void) {
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
}

/* Where a program's name leads to is looked up by its own PATH, among its own files. */
static _Noreturn void become(struct order *order, struct report *report, struct streams streams) {
  // A recipe that has the terminal keeps the three it was given.
  if (streams.out >= 0) {
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0) failed(report, "cannot open", "/dev/null");
    if (dup2(null, 0) < 0 || dup2(streams.out, 1) < 0 || dup2(streams.err, 2) < 0)
      failed(report, "cannot give output", "");
  }
  if (syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) != 0) failed(report, "cannot close files", "");
  if (order->options & OPTION_NEW_SESSION) setsid();
  umask(022);
  if (chdir(order->directory) != 0) failed(report, "cannot go to", order->directory);
  if (order->has_processors) sched_setaffinity(0, sizeof order->processors, &order->processors);
  for (int i = 0; i < LIMITS; i++) {
    if (!order->limits[i].is_set) continue;
    struct rlimit old;
    if (getrlimit(i, &old) != 0) continue;
    // Nobody may raise a hard limit but root: where it is lower already, that holds.
    struct rlimit limit = {order->limits[i].soft, order->limits[i].hard};
    if (limit.rlim_max > old.rlim_max) limit.rlim_max = old.rlim_max;
    if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
    if (setrlimit(i, &limit) != 0) failed(report, "cannot set limits", "");
  }
  if (order->options & OPTION_NO_ASLR) personality(ADDR_NO_RANDOMIZE);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  // The only ones that this program ignores; all were as they are by default when it started (`forget_signals`).
  for (const int *number = IGNORED; *number != 0; number++) signal(*number, SIG_DFL);
  report->begun = 1;
  if (order->namespaces != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) failed(report, "cannot give up privileges", "");
  if (order->filter != NULL) {
    struct sock_fprog program = {(unsigned short)(order->filter_bytes / 8), (struct sock_filter *)order->filter};
    report->begun = 0;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) failed(report, "cannot filter calls", "");
    report->begun = 1;
  }
  environ = order->variables;
  execvp(order->arguments[0], order->arguments);
  dprintf(2, "%s: %s\n", order->arguments[0], errno == ENOENT ? "not found" : strerror(errno));
  _exit(errno == ENOENT ? 127 : 126);
}

/* Counts and names the living others, and says whether one of them is running right now. */
static bool look_around(struct report *report) {
  DIR *proc = opendir("/proc");
  size_t used = 0;
  bool is_running = false;
  pid_t self = getpid();
  report->left_count = 0;
  report->left_names[0] = 0;
  if (proc == NULL) return false;
  for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
    pid_t pid = atoi(entry->d_name);
    if (pid <= 0 || pid == self) continue;
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) continue;
    text[length] = 0;
    char *name = strchr(text, '('), *end = strrchr(text, ')');
    if (name == NULL || end == NULL || end[1] == 0 || end[2] == 'Z' || end[2] == 'X') continue;
    if (end[2] == 'R') is_running = true;
    report->left_count++;
    *end = 0;
    for (char *c = ++name; *c != 0; c++)
      if (*c == ' ') *c = '_';
    int wrote = snprintf(report->left_names + used, NAMES_BYTES - used, "%s%s", used > 0 ? " " : "", name);
    if (wrote > 0 && (size_t)wrote < NAMES_BYTES - used) used += (size_t)wrote;
    else report->left_names[used] = 0;
  }
  closedir(proc);
  return is_running;
}

/* Whether no child is left; whoever's parent has ended is a child of this process. */
static bool none_left(void) {
  for (;;) {
    pid_t pid = waitpid(-1, NULL, WNOHANG);
    if (pid == 0) return false;
    if (pid < 0 && errno == ECHILD) return true;
  }
}

/*
 * Gives those that the recipe left `patience` to end by themselves. One that runs is perhaps about to end, and was not
 * let: it has forty times as long.
 */
static bool leaves_some(struct report *report, uint32_t patience_ms) {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  uint64_t since = now_us();
  uint64_t patience = (uint64_t)patience_ms * 1000;
  while (!none_left()) {
    uint64_t waited = now_us() - since;
    if (waited >= patience && (!look_around(report) || waited >= patience * 40)) return report->left_count > 0 || !none_left();
    uint64_t left = waited < patience ? patience - waited : 2000;
    struct timespec time = {(time_t)(left / 1000000), (long)(left % 1000000) * 1000};
    sigtimedwait(&child, NULL, &time);
  }
  return false;
}

static _Noreturn void wait_for_all(struct order *order, struct report *report, pid_t recipe, uint64_t since) {
  int status = 0;
  for (;;) {
    pid_t pid = waitpid(-1, &status, 0);
    if (pid == recipe) break;
    if (pid < 0 && errno != EINTR) failed(report, "cannot wait", "");
  }
  report->wall_us = now_us() - since;
  struct rusage usage;
  getrusage(RUSAGE_CHILDREN, &usage);
  report->user_us = (uint64_t)usage.ru_utime.tv_sec * 1000000u + (uint64_t)usage.ru_utime.tv_usec;
  report->system_us = (uint64_t)usage.ru_stime.tv_sec * 1000000u + (uint64_t)usage.ru_stime.tv_usec;
  report->max_rss_kib = (uint64_t)usage.ru_maxrss;
  report->wait_status = status;
  report->has_status = 1;
  // The kernel kills those that are left when the first process of their namespace ends, and waits for them.
  if (leaves_some(report, order->patience_ms) && report->left_count == 0) look_around(report);
  _exit(0);
}

/* The server may have gone before its death could be heard of. */
static bool is_gone(int gate) {
  struct pollfd poll_gate = {gate, 0, 0};
  return poll(&poll_gate, 1, 0) != 0 && (poll_gate.revents & POLLHUP) != 0;
}

_Noreturn void run_inside(struct order *order, struct report *report, struct streams streams, int gate) {
  char byte;
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (read(gate, &byte, 1) != 1) _exit(125);
  const char *path = "";
  if (sandbox_take_trees(order, &path) != 0) failed(report, "cannot take", path);
  if (setresgid(INSIDE_ID, INSIDE_ID, INSIDE_ID) != 0 || setresuid(INSIDE_ID, INSIDE_ID, INSIDE_ID) != 0)
    failed(report, "cannot become the recipe's user", "");
  umask(0);
  if (!sandbox_enter(order, report)) _exit(125);
  drop_capabilities(report);
  // A change of user has cleared it.
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  // Nobody inside may look into this process: it knows the host's paths.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (is_gone(gate)) _exit(125);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_SETMASK, &child, NULL);
  uint64_t since = now_us();
  // The child has this memory until it is another program, and this process waits for that.
  pid_t recipe = vfork();
  if (recipe < 0) failed(report, "cannot fork", "");
  if (recipe == 0) become(order, report, streams);
  if (streams.out >= 0) {
    close(streams.out);
    close(streams.err);
  }
  wait_for_all(order, report, recipe, since);
}

static pid_t parent_of(pid_t pid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return 0;
  text[length] = 0;
  char *end = strrchr(text, ')');
  return end == NULL || strlen(end) < 4 ? 0 : atoi(end + 4);
}

static bool descends_from(pid_t pid, pid_t ancestor) {
  for (int depth = 0; pid > 1 && depth < 10000; depth++) {
    pid = parent_of(pid);
    if (pid == ancestor) return true;
  }
  return false;
}

/* Kills all that descend from this process, which whoever loses its parent comes back to, until there is nobody. */
static void kill_tree(void) {
  pid_t self = getpid();
  while (!none_left()) {
    DIR *proc = opendir("/proc");
    if (proc == NULL) return;
    for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
      pid_t pid = atoi(entry->d_name);
      if (pid > 1 && pid != self && descends_from(pid, self)) kill(pid, SIGKILL);
    }
    closedir(proc);
    usleep(500);
  }
}

_Noreturn void run_outside(struct order *order, struct report *report, struct streams streams, int gate) {
  sigset_t heard;
  sigemptyset(&heard);
  sigaddset(&heard, SIGCHLD);
  sigaddset(&heard, SIGTERM);
  sigprocmask(SIG_SETMASK, &heard, NULL);
  prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  if (is_gone(gate)) _exit(125);
  uint64_t since = now_us();
  pid_t recipe = fork();
  if (recipe < 0) failed(report, "cannot fork", "");
  if (recipe == 0) {
    if (order->uid != NO_USER && geteuid() == 0) {
      if (setgroups(0, NULL) != 0 || setresgid(order->gid, order->gid, order->gid) != 0 ||
          setresuid(order->uid, order->uid, order->uid) != 0)
        failed(report, "cannot become the recipe's user", "");
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    }
    become(order, report, streams);
  }
  if (streams.out >= 0) {
    close(streams.out);
    close(streams.err);
  }
  int status = 0;
  for (;;) {
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid == recipe || (pid < 0 && errno == ECHILD)) break;
    if (pid == 0 && sigwaitinfo(&heard, NULL) == SIGTERM) {
      kill_tree();
      _exit(0);
    }
  }
  report->wall_us = now_us() - since;
  report->wait_status = status;
  report->has_status = 1;
  kill_tree();
  _exit(0);
}
