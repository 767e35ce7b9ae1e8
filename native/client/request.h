/* What begat-client asks the warm engine, and whether what it stands beside is up to date. */
#ifndef BEGAT_CLIENT_REQUEST_H
#define BEGAT_CLIENT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that grow; `is_broken` once memory ran out or a file could not be read, and then nothing more is added. */
struct text {
  uint8_t *bytes;
  size_t length;
  size_t room;
  bool is_broken;
};

void text_add(struct text *text, const void *bytes, size_t length);
/* Four bytes, little-endian. */
void text_add_u32(struct text *text, uint32_t number);
/* The whole file; what is more than `most` bytes is not one of ours. */
void text_add_file(struct text *text, const char *path, size_t most);

/* The frame of docs/formats.md, "Warm engine": all that the answer may depend on. */
void request_write(struct text *request, const char *root, char **arguments);

/* Adds what a builder asks beside: all that a child of this process would inherit, as src/engine/standing.ts reads it. */
void request_add_standing(struct text *request);

/* Where the engine of this user listens; false where there is no such place, or one that others can reach. */
bool socket_place(char *path, size_t room);

/* The Node that the bundle was made with, if it is the one on PATH and nothing changed since; else false. */
bool bundle_is_current(const char *root, char *node, size_t room);

#endif
