/*
 * Tells begat in which of the directories it watches something changed: begat-change-feed, orders on file 0, answers on 1.
 *
 * The kernel puts an event into the queue before the system call that caused it returns, so whoever has emptied the queue
 * knows of everything that was done before. Node's own watcher drops the kernel's "I have dropped something" in silence
 * and never hears of a file that was written through memory; this hears both.
 *
 * The protocol: docs/formats.md, "Change feed".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "../frames.h"

#define PROTOCOL_VERSION 1
#define LARGEST_FRAME (256u << 20)
#define NOBODY UINT32_MAX

enum order { ORDER_WATCH = 1, ORDER_DRAIN = 2 };
enum answer { ANSWER_READY = 128, ANSWER_CHANGED, ANSWER_LOST, ANSWER_DOUBT, ANSWER_WATCHING, ANSWER_DRAINED };
enum doubt { DOUBT_OVERFLOW = 1, DOUBT_MOUNTS = 2 };

/* What a directory's holder may want to know: everything but that something was read. */
static const uint32_t EVENTS = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE |
                               IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW;

struct numbers {
  uint32_t *items;
  uint32_t count;
  uint32_t room;
};

static int feed;
static int mounts;
/* By watch: the first directory it stands for. By directory: the next one of the same watch (a bind mount). */
static struct numbers by_watch, next_alike;
/* Directories told since the last drain, and those among them still to be told. */
static struct numbers told, news, lost;
static bool *is_told;
static bool is_doubtful[3];

static _Noreturn void die(const char *what) {
  dprintf(2, "begat-change-feed: %s\n", what);
  exit(2);
}

static void push(struct numbers *list, uint32_t number) {
  if (list->count == list->room) {
    list->room = list->room * 2 + 1024;
    list->items = realloc(list->items, list->room * sizeof *list->items);
    if (list->items == NULL) die("no memory");
  }
  list->items[list->count++] = number;
}

static void put(const void *bytes, size_t length) {
  for (size_t at = 0; at < length;) {
    ssize_t count = write(1, (const char *)bytes + at, length - at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {
      struct pollfd writable = {1, POLLOUT, 0};
      poll(&writable, 1, -1);
      continue;
    }
    if (count < 0) exit(0);
    at += (size_t)count;
  }
}

static void answer(enum answer kind, const uint32_t *numbers, uint32_t count) {
  uint8_t head[HEAD_BYTES];
  write_u32(head, count * 4 + 1);
  head[4] = (uint8_t)kind;
  put(head, sizeof head);
  for (uint32_t at = 0; at < count;) {
    uint8_t bytes[4096];
    size_t length = 0;
    for (; at < count && length < sizeof bytes; length += 4) write_u32(bytes + length, numbers[at++]);
    put(bytes, length);
  }
}

static void note(uint32_t directory) {
  if (is_told[directory]) return;
  is_told[directory] = true;
  push(&told, directory);
  push(&news, directory);
}

static void take_event(const struct inotify_event *event) {
  if (event->mask & IN_Q_OVERFLOW) {
    is_doubtful[DOUBT_OVERFLOW] = true;
    return;
  }
  if (event->wd < 0 || (uint32_t)event->wd >= by_watch.count) return;
  uint32_t directory = by_watch.items[event->wd];
  bool is_lost = event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT);
  for (; directory != NOBODY; directory = next_alike.items[directory]) {
    if (is_lost) push(&lost, directory);
    else note(directory);
  }
  // Its number is never used again, so what is still in the queue for it says nothing any more.
  if (event->mask & IN_IGNORED) by_watch.items[event->wd] = NOBODY;
}

/* Everything the kernel has queued up to now. */
static void take_events(void) {
  static char bytes[1 << 16] __attribute__((aligned(__alignof__(struct inotify_event))));
  for (;;) {
    ssize_t length = read(feed, bytes, sizeof bytes);
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) break;
    for (char *at = bytes; at < bytes + length; at += sizeof(struct inotify_event) + ((struct inotify_event *)at)->len)
      take_event((struct inotify_event *)at);
  }
  // A mount hides what is watched, and the kernel tells nobody but readers of this file.
  struct pollfd changed = {mounts, POLLPRI, 0};
  if (poll(&changed, 1, 0) > 0) is_doubtful[DOUBT_MOUNTS] = true;
}

static void tell_news(void) {
  if (news.count > 0) answer(ANSWER_CHANGED, news.items, news.count);
  if (lost.count > 0) answer(ANSWER_LOST, lost.items, lost.count);
  news.count = lost.count = 0;
  for (uint32_t why = DOUBT_OVERFLOW; why <= DOUBT_MOUNTS; why++) {
    if (is_doubtful[why]) answer(ANSWER_DOUBT, &why, 1);
    is_doubtful[why] = false;
  }
}

/* Paths, each ended by NUL; they get the next numbers. The first that cannot be watched ends it. */
static void watch(const char *paths, size_t length) {
  uint32_t result[2] = {0, next_alike.count};
  for (size_t at = 0; at < length;) {
    const char *path = paths + at;
    size_t size = strnlen(path, length - at);
    if (size == length - at) die("a path without an end");
    at += size + 1;
    int wd = inotify_add_watch(feed, path, EVENTS);
    uint32_t directory = next_alike.count;
    result[1] = directory;
    if (wd < 0) {
      result[0] = (uint32_t)errno;
      break;
    }
    while (by_watch.count <= (uint32_t)wd) push(&by_watch, NOBODY);
    push(&next_alike, by_watch.items[wd]);
    by_watch.items[wd] = directory;
  }
  is_told = realloc(is_told, next_alike.count + 1);
  if (is_told == NULL) die("no memory");
  static uint32_t cleared = 0;
  for (; cleared < next_alike.count; cleared++) is_told[cleared] = false;
  answer(ANSWER_WATCHING, result, 2);
}

static void drain(uint32_t ticket) {
  take_events();
  tell_news();
  for (uint32_t i = 0; i < told.count; i++) is_told[told.items[i]] = false;
  told.count = 0;
  answer(ANSWER_DRAINED, &ticket, 1);
}

static void handle(uint8_t kind, const uint8_t *bytes, size_t length) {
  if (kind == ORDER_WATCH) watch((const char *)bytes, length);
  else if (kind == ORDER_DRAIN && length == 4) drain(read_u32(bytes));
  else die("not an order");
}

int main(int count, char **words) {
  if (count == 2 && strcmp(words[1], "--version") == 0) return printf("%u\n", PROTOCOL_VERSION) < 0;
  if (count != 1) die("usage: begat-change-feed [--version]");
  signal(SIGPIPE, SIG_IGN);
  feed = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
  if (feed < 0 || mounts < 0) die(feed < 0 ? "no inotify to be had" : "cannot read /proc/self/mountinfo");
  uint32_t version = PROTOCOL_VERSION;
  answer(ANSWER_READY, &version, 1);
  struct inbox inbox = {NULL, 0, 0};
  for (;;) {
    struct pollfd events[] = {{0, POLLIN, 0}, {feed, POLLIN, 0}, {mounts, POLLPRI, 0}};
    if (poll(events, 3, -1) < 0) {
      if (errno == EINTR) continue;
      die("cannot wait");
    }
    if (events[2].revents != 0) is_doubtful[DOUBT_MOUNTS] = true;
    if (events[1].revents != 0 || events[2].revents != 0) {
      take_events();
      tell_news();
    }
    const char *problem = NULL;
    const bool goes_on = events[0].revents == 0 || inbox_receive(&inbox, 0, LARGEST_FRAME, handle, &problem);
    if (problem != NULL) die(problem);
    if (!goes_on) return 0;
  }
}
