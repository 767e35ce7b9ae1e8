#define _GNU_SOURCE
#include "keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "network.h"

#define CHANNEL 3

static struct report *report;
static sigset_t heard;

/* Waits for the child, and kills it when told. This process's memory is the child's as long as it lives. */
static void await(pid_t pid) {
  while (waitpid(pid, NULL, WNOHANG) == 0) {
    if (report->is_killed) kill(pid, SIGKILL);
    sigwaitinfo(&heard, NULL);
  }
}

/* A signal that was meant for the order before: it came too late. */
static void forget_kills(void) {
  sigset_t kills;
  struct timespec no_time = {0, 0};
  sigemptyset(&kills);
  sigaddset(&kills, SIGTERM);
  while (sigtimedwait(&kills, NULL, &no_time) > 0) continue;
}

static void run(struct order *order) {
  int gate = -1;
  struct streams streams = {open_stream(order->out), open_stream(order->err)};
  // A child that has changed its user leaves the memory that it shared closed to that of others; the next one's maps
  // are written through it.
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  if (streams.out < 0 || streams.err < 0) {
    report_problem(report, "cannot open", streams.out < 0 ? order->out : order->err);
  } else {
    // Otherwise the sandbox gets one of its own, as where there is no keeper.
    if (geteuid() == 0 && network_enter()) order->namespaces &= ~(uint32_t)NS_NET;
    pid_t pid = launch(order, report, streams, MEMORY_SHARED, &gate);
    if (pid > 0) await(pid);
    count_unread(report, streams);
  }
  // Numbers that the child wrote are of its files; root's were opened here.
  if (geteuid() == 0) sandbox_drop_trees(order);
  if (gate >= 0) close(gate);
  if (streams.out >= 0) close(streams.out);
  if (streams.err >= 0) close(streams.err);
}

static void take(uint8_t type, const uint8_t *bytes, size_t length) {
  struct order order;
  forget_kills();
  const char *problem = order_read(&order, type, bytes, length);
  if (problem == NULL) run(&order);
  // One that was killed may have been about to change what it shared.
  uint8_t word = report->has_status ? KEEPER_STAYS : KEEPER_LEAVES;
  if (write(CHANNEL, &word, 1) != 1 || word == KEEPER_LEAVES) _exit(0);
  order_release(&order);
}

/* With no file of the server's but `channel`, which would be held open for it otherwise. */
static _Noreturn void keep(int channel, pid_t server) {
  struct inbox inbox = {NULL, 0, 0};
  const char *problem = NULL;
  if (dup2(channel, CHANNEL) < 0 || syscall(SYS_close_range, CHANNEL + 1u, ~0u, 0u) != 0) _exit(125);
  if (fcntl(CHANNEL, F_SETFD, FD_CLOEXEC) != 0) _exit(125);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != server) _exit(0);
  sigemptyset(&heard);
  sigaddset(&heard, SIGCHLD);
  sigaddset(&heard, SIGTERM);
  while (inbox_receive(&inbox, CHANNEL, LARGEST_FRAME, take, &problem)) continue;
  _exit(problem == NULL ? 0 : 125);
}

pid_t keeper_start(struct report *where, int *channel) {
  int ends[2];
  pid_t server = getpid();
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -1;
  pid_t pid = fork();
  if (pid == 0) {
    report = where;
    keep(ends[1], server);
  }
  close(ends[1]);
  if (pid < 0) close(ends[0]);
  else *channel = ends[0];
  return pid;
}
