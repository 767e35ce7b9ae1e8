/*
 * Frames as begat and its native programs exchange them: docs/formats.md, "Spawn server" and "Change feed".
 * A length of four bytes, little-endian, of what follows it; a kind of one byte; the rest.
 */
#ifndef BEGAT_FRAMES_H
#define BEGAT_FRAMES_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD_BYTES 5

static inline uint32_t read_u32(const uint8_t *bytes) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline void write_u32(uint8_t *bytes, uint32_t value) {
  for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(value >> (8 * i));
}

/* What has been read and not yet taken. */
struct inbox {
  uint8_t *bytes;
  size_t length;
  size_t room;
};

/*
 * Reads what is there and hands over each whole frame: its kind, and what follows. False when the other side is gone;
 * `problem` is set where nothing sensible can follow any more.
 */
static inline bool inbox_receive(struct inbox *inbox, int fd, uint32_t largest,
                                 void (*take)(uint8_t kind, const uint8_t *bytes, size_t length), const char **problem) {
  if (inbox->room - inbox->length < 65536) {
    size_t room = inbox->room * 2 + 131072;
    uint8_t *bytes = realloc(inbox->bytes, room);
    if (bytes == NULL) {
      *problem = "no memory";
      return false;
    }
    inbox->bytes = bytes;
    inbox->room = room;
  }
  ssize_t count = read(fd, inbox->bytes + inbox->length, inbox->room - inbox->length);
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  if (count == 0) return false;
  inbox->length += (size_t)count;
  size_t at = 0;
  while (inbox->length - at >= HEAD_BYTES) {
    uint32_t length = read_u32(inbox->bytes + at);
    if (length == 0 || length > largest) {
      *problem = "frame of an impossible size";
      return false;
    }
    if (inbox->length - at - 4 < length) break;
    take(inbox->bytes[at + 4], inbox->bytes + at + HEAD_BYTES, length - 1);
    at += 4 + (size_t)length;
  }
  inbox->length -= at;
  memmove(inbox->bytes, inbox->bytes + at, inbox->length);
  return true;
}

#endif
