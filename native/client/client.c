/*
 * begat for those who have asked before: begat-client ROOT [ARGUMENT...]
 *
 * Asks the warm engine, prints its answer and ends with its exit code, all within a millisecond or two. Whatever else
 * there is to do, and whatever is not as it should be, is left to Node, or to the launcher where begat itself changed:
 * this program then becomes one of them, and nothing shows that it was there.
 *
 * The protocol: docs/formats.md, "Warm engine".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "builder.h"
#include "glance.h"
#include "request.h"

/* An engine that has not answered by then is busy, and working without it is quicker than waiting. */
#define PATIENCE_MS 250
#define LARGEST_ANSWER (16u << 20)

enum { ANSWER_DONE = 128, ANSWER_BUILDER = 131 };

/* Calls who listens on `name`, beside the engine, or the engine itself where it is NULL. */
static int call_engine(const char *name, size_t length) {
  struct sockaddr_un place = {.sun_family = AF_UNIX};
  if (!socket_place(place.sun_path, sizeof place.sun_path)) return -1;
  if (name != NULL) {
    char *own = strrchr(place.sun_path, '/') + 1;
    if (memchr(name, '/', length) != NULL || own + length >= place.sun_path + sizeof place.sun_path) return -1;
    memcpy(own, name, length);
    own[length] = 0;
  }
  int engine = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct timeval patience = {.tv_usec = PATIENCE_MS * 1000};
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (engine >= 0 && setsockopt(engine, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
      setsockopt(engine, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
      connect(engine, (struct sockaddr *)&place, sizeof place) == 0 &&
      getsockopt(engine, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid())
    return engine;
  // A builder that was killed, or a machine that was switched off, leaves a name which would be taken for a builder.
  if (engine >= 0 && name != NULL && errno == ECONNREFUSED) unlink(place.sun_path);
  if (engine >= 0) close(engine);
  return -1;
}

static bool exchange(int engine, const struct text *request, struct text *answer) {
  for (size_t at = 0; at < request->length;) {
    ssize_t count = send(engine, request->bytes + at, request->length - at, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    at += (size_t)count;
  }
  for (;;) {
    if (answer->length >= 4) {
      const uint8_t *b = answer->bytes;
      size_t length = b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
      if (length == 0 || length > LARGEST_ANSWER || answer->is_broken) return false;
      if (answer->length >= length + 4) return answer->length == length + 4;
    }
    uint8_t bytes[4096];
    ssize_t count = recv(engine, bytes, sizeof bytes, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text_add(answer, bytes, (size_t)count);
  }
}

/* Prints what the engine has to say; answers the exit code, or -1 where it leaves the work to others. */
static int print_answer(const struct text *answer) {
  if (answer->length < 9 || answer->bytes[4] != ANSWER_DONE) return -1;
  return write_whole(1, answer->bytes + 9, answer->length - 9) ? answer->bytes[5] : OUTPUT_CLOSED;
}

/* Has the builder that the engine named do the work; answers the exit code, or -1 where it is left to others. */
static int ask_builder(const struct text *answer, struct text *request) {
  if (answer->length <= 5 || answer->bytes[4] != ANSWER_BUILDER) return -1;
  int builder = call_engine((const char *)answer->bytes + 5, answer->length - 5);
  if (builder < 0) return -1;
  request_add_standing(request);
  int status = request->is_broken ? -1 : build_elsewhere(builder, request, PATIENCE_MS);
  close(builder);
  return status;
}

static bool is_off(const char *value) { return strcmp(value, "0") == 0 || strcmp(value, "false") == 0; }

/* Whether the user, or the machine's being a CI, says no; the same rule is in src/cli/engine/wanted.ts. */
static bool is_unwanted(char **arguments) {
  for (; *arguments != NULL && strcmp(*arguments, "--") != 0; arguments++)
    if (strcmp(*arguments, "--no-daemon") == 0) return true;
  const char *wish = getenv("BEGAT_DAEMON");
  if (wish != NULL && wish[0] != 0) return is_off(wish);
  const char *ci = getenv("CI");
  return ci != NULL && ci[0] != 0 && !is_off(ci);
}

static bool print_glance(const char *root, char **arguments) {
  char bundle[PATH_MAX];
  const char *text;
  if (snprintf(bundle, sizeof bundle, "%s/dist/begat.cjs", root) >= (int)sizeof bundle) return false;
  int place = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (place >= 0 && glance_answers(bundle, arguments, isatty(1), &text)) {
    ssize_t length = (ssize_t)strlen(text);
    return write(1, text, (size_t)length) == length;
  }
  // Whoever works instead begins where this began.
  if (place >= 0 && fchdir(place) == 0) close(place);
  return false;
}

/* What the launcher does before it starts Node: Node 20 would read the certificates at every start, for 35 ms. */
static void become_node(const char *node, const char *root, char **arguments, int count) {
  char program[PATH_MAX];
  char **words = calloc((size_t)count + 3, sizeof *words);
  if (words == NULL || snprintf(program, sizeof program, "%s/dist/begat.cjs", root) >= (int)sizeof program) return;
  const char *certificates = getenv("NODE_EXTRA_CA_CERTS");
  if (certificates != NULL && certificates[0] != 0) {
    setenv("BEGAT_EXTRA_CA_CERTS", certificates, 1);
    unsetenv("NODE_EXTRA_CA_CERTS");
  }
  words[0] = (char *)node;
  words[1] = program;
  memcpy(words + 2, arguments, (size_t)count * sizeof *words);
  execv(node, words);
}

int main(int count, char **words) {
  if (count < 2) return dprintf(2, "usage: begat-client ROOT [ARGUMENT...]\n") < 0 ? 2 : 2;
  const char *root = words[1];
  char **arguments = words + 2;
  char node[PATH_MAX];
  bool is_current = bundle_is_current(root, node, sizeof node);
  const char *asked = "no";
  if (is_current && is_unwanted(arguments) && print_glance(root, arguments)) return 0;
  if (is_current && !is_unwanted(arguments)) {
    int engine = call_engine(NULL, 0);
    asked = engine < 0 ? "absent" : "yes";
    struct text request = {0}, answer = {0};
    if (engine >= 0) request_write(&request, root, arguments);
    if (engine >= 0 && !request.is_broken && exchange(engine, &request, &answer)) {
      signal(SIGPIPE, SIG_IGN);
      int status = print_answer(&answer);
      if (status < 0) status = ask_builder(&answer, &request);
      if (status >= 0) return status;
      signal(SIGPIPE, SIG_DFL);
    }
    if (engine >= 0) close(engine);
    // It may not have found out yet. Where there is none, who starts Node starts one.
    if (engine >= 0 && print_glance(root, arguments)) return 0;
  }
  // Whoever comes next need not ask again.
  setenv("BEGAT_ASKED", is_current ? asked : "stale", 1);
  // A fulcrum is started in a way of its own, which the launcher knows.
  bool is_fulcrum = count > 2 && strcmp(arguments[0], "fulcrum") == 0;
  if (is_current && !is_fulcrum) become_node(node, root, arguments, count - 2);
  char launcher[PATH_MAX];
  char **again = calloc((size_t)count + 2, sizeof *again);
  if (again == NULL || snprintf(launcher, sizeof launcher, "%s/begat", root) >= (int)sizeof launcher) return 2;
  again[0] = "sh";
  again[1] = launcher;
  memcpy(again + 2, arguments, (size_t)(count - 2) * sizeof *again);
  execv("/bin/sh", again);
  dprintf(2, "begat: cannot start /bin/sh: %s\n", strerror(errno));
  return 127;
}
