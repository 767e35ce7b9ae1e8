#define _GNU_SOURCE
#include "builder.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LARGEST_FRAME (16u << 20)

enum { ORDER_SIGNAL = 4, ORDER_SIZE, ORDER_CLOSED };
enum { ANSWER_DONE = 128, ANSWER_DECLINED, ANSWER_OUTPUT = 132, ANSWER_BEGUN };
/* Beside exit codes. */
enum { BROKEN = -3, NOT_YET = -2, LEFT_TO_OTHERS = -1 };

bool write_whole(int to, const uint8_t *bytes, size_t length) {
  for (size_t at = 0; at < length;) {
    ssize_t count = write(to, bytes + at, length - at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {
      struct pollfd writable = {to, POLLOUT, 0};
      poll(&writable, 1, -1);
      continue;
    }
    if (count < 0) return false;
    at += (size_t)count;
  }
  return true;
}

static bool send_whole(int to, const uint8_t *bytes, size_t length) {
  for (size_t at = 0; at < length;) {
    ssize_t count = send(to, bytes + at, length - at, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    at += (size_t)count;
  }
  return true;
}

static void send_order(int to, uint8_t kind, const void *content, uint8_t length) {
  uint8_t frame[16] = {(uint8_t)(length + 1), 0, 0, 0, kind};
  memcpy(frame + 5, content, length);
  // One that is gone shows when it is read from.
  if (send_whole(to, frame, (size_t)length + 5)) return;
}

/* Signals that end a build, and the one that a terminal's size changed; those that are ignored stay so. */
static int watch_signals(sigset_t *watched) {
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
  sigemptyset(watched);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
    struct sigaction now;
    if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN) sigaddset(watched, signals[i]);
  }
  return sigprocmask(SIG_BLOCK, watched, NULL) == 0 ? signalfd(-1, watched, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
}

/* Answers the last one that is to end a build; 0 where there was none. */
static int pass_signals(int signals, int builder) {
  struct signalfd_siginfo told;
  int last = 0;
  while (read(signals, &told, sizeof told) == sizeof told) {
    uint8_t number = (uint8_t)told.ssi_signo;
    struct winsize size;
    if (told.ssi_signo != SIGWINCH) {
      send_order(builder, ORDER_SIGNAL, &number, 1);
      last = number;
    } else if (ioctl(1, TIOCGWINSZ, &size) == 0) {
      uint8_t numbers[8] = {(uint8_t)size.ws_col, (uint8_t)(size.ws_col >> 8), 0, 0,
                            (uint8_t)size.ws_row, (uint8_t)(size.ws_row >> 8)};
      send_order(builder, ORDER_SIZE, numbers, sizeof numbers);
    }
  }
  return last;
}

/* What the builder says, and how far it has come with it. */
struct said {
  struct text text;
  bool has_begun;
  bool is_closed;
  /* Signal that was passed on; 0: none. */
  int stopped_by;
};

static int take_frame(struct said *said, int builder, const uint8_t *frame, size_t length) {
  if (frame[0] == ANSWER_DONE && length >= 2) return frame[1];
  if (frame[0] == ANSWER_DECLINED) return LEFT_TO_OTHERS;
  if (frame[0] == ANSWER_BEGUN) said->has_begun = true;
  if (frame[0] == ANSWER_OUTPUT && length >= 2 && !said->is_closed) {
    bool is_read = write_whole(frame[1] == 2 ? 2 : 1, frame + 2, length - 2);
    if (!is_read && frame[1] == 1) {
      said->is_closed = true;
      send_order(builder, ORDER_CLOSED, "", 0);
    }
  }
  return NOT_YET;
}

static int take_frames(struct said *said, int builder) {
  struct text *text = &said->text;
  size_t at = 0;
  int status = NOT_YET;
  while (status == NOT_YET && text->length - at >= 4) {
    const uint8_t *b = text->bytes + at;
    size_t length = b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
    if (length == 0 || length > LARGEST_FRAME) return BROKEN;
    if (text->length - at < length + 4) break;
    status = take_frame(said, builder, b + 4, length);
    at += length + 4;
  }
  memmove(text->bytes, text->bytes + at, text->length - at);
  text->length -= at;
  return status;
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * (int64_t)1000 + now.tv_nsec / 1000000;
}

static int converse(int builder, int signals, struct said *said, int patience_ms) {
  int64_t until = now_ms() + patience_ms;
  for (;;) {
    struct pollfd ready[] = {{builder, POLLIN, 0}, {signals, POLLIN, 0}};
    int64_t left = until - now_ms();
    int count = poll(ready, 2, said->has_begun ? -1 : left > 0 ? (int)left : 0);
    if (count < 0 && errno != EINTR) return LEFT_TO_OTHERS;
    if (count == 0) return LEFT_TO_OTHERS;
    int signal = ready[1].revents == 0 ? 0 : pass_signals(signals, builder);
    if (signal != 0) said->stopped_by = signal;
    if (ready[0].revents == 0) continue;
    uint8_t bytes[16384];
    ssize_t length = recv(builder, bytes, sizeof bytes, MSG_DONTWAIT);
    if (length < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (length <= 0) return BROKEN;
    text_add(&said->text, bytes, (size_t)length);
    if (said->text.is_broken) return BROKEN;
    int status = take_frames(said, builder);
    if (status != NOT_YET) return status;
  }
}

int build_elsewhere(int builder, const struct text *request, int patience_ms) {
  sigset_t watched;
  int signals = watch_signals(&watched);
  struct said said = {0};
  int status = LEFT_TO_OTHERS;
  if (signals >= 0 && send_whole(builder, request->bytes, request->length))
    status = converse(builder, signals, &said, patience_ms);
  if (signals >= 0) close(signals);
  sigprocmask(SIG_UNBLOCK, &watched, NULL);
  // Whoever was told to end does not begin anew.
  if (status < 0 && said.stopped_by != 0) raise(said.stopped_by);
  if (status == BROKEN && said.has_begun) dprintf(2, "note: the builder ended amid the build; building here\n");
  if (status < 0) return LEFT_TO_OTHERS;
  return said.is_closed ? OUTPUT_CLOSED : status;
}
