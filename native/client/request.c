#define _GNU_SOURCE
#include "request.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

enum { ORDER_ASK = 1 };
enum field { BUNDLE = 1, ARGUMENT, DIRECTORY, VARIABLE, TERMINAL, SIZE, WORLD, USER, STANDING, HANDING };

void text_add(struct text *text, const void *bytes, size_t length) {
  if (text->is_broken) return;
  if (text->room - text->length < length) {
    text->room = text->room * 2 + length + 16384;
    uint8_t *grown = realloc(text->bytes, text->room);
    text->is_broken = grown == NULL;
    if (text->is_broken) return;
    text->bytes = grown;
  }
  memcpy(text->bytes + text->length, bytes, length);
  text->length += length;
}

void text_add_file(struct text *text, const char *path, size_t most) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  size_t before = text->length;
  ssize_t count = -1;
  for (char bytes[4096]; file >= 0 && (count = read(file, bytes, sizeof bytes)) > 0 && text->length - before <= most;)
    text_add(text, bytes, (size_t)count);
  if (file >= 0) close(file);
  if (count != 0) text->is_broken = true;
}

void text_add_u32(struct text *text, uint32_t number) {
  uint8_t bytes[4];
  for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(number >> (8 * i));
  text_add(text, bytes, sizeof bytes);
}

static void put_u32(struct text *text, size_t at, uint32_t number) {
  for (int i = 0; i < 4 && !text->is_broken; i++) text->bytes[at + (size_t)i] = (uint8_t)(number >> (8 * i));
}

static void add_field(struct text *text, enum field field, const void *value, size_t length) {
  uint8_t tag = (uint8_t)field;
  text_add(text, &tag, 1);
  text_add_u32(text, (uint32_t)length);
  text_add(text, value, length);
}

static void add_numbers(struct text *text, enum field field, uint32_t first, uint32_t second) {
  uint8_t tag = (uint8_t)field;
  text_add(text, &tag, 1);
  text_add_u32(text, 8);
  text_add_u32(text, first);
  text_add_u32(text, second);
}

/* Two processes that agree in this see the same files under the same names. */
static void add_world(struct text *text) {
  char world[256];
  ssize_t length = readlink("/proc/self/ns/mnt", world, 128);
  struct stat top;
  if (length < 0 || stat("/", &top) != 0) {
    text->is_broken = true;
    return;
  }
  length += snprintf(world + length, 128, " %llu:%llu", (unsigned long long)top.st_dev, (unsigned long long)top.st_ino);
  add_field(text, WORLD, world, (size_t)length);
}

void request_write(struct text *request, const char *root, char **arguments) {
  uint8_t kind = ORDER_ASK;
  char path[PATH_MAX];
  text_add_u32(request, 0);
  text_add(request, &kind, 1);
  uint8_t tag = BUNDLE;
  text_add(request, &tag, 1);
  size_t at = request->length;
  text_add_u32(request, 0);
  if (snprintf(path, sizeof path, "%s/dist/begat.cjs", root) >= (int)sizeof path) request->is_broken = true;
  else text_add_file(request, path, 1 << 16);
  put_u32(request, at, (uint32_t)(request->length - at - 4));
  for (; *arguments != NULL; arguments++) add_field(request, ARGUMENT, *arguments, strlen(*arguments));
  if (getcwd(path, sizeof path) == NULL) request->is_broken = true;
  else add_field(request, DIRECTORY, path, strlen(path));
  for (char **variable = environ; *variable != NULL; variable++) add_field(request, VARIABLE, *variable, strlen(*variable));
  uint8_t terminals = (uint8_t)((isatty(1) ? 1 : 0) | (isatty(2) ? 2 : 0));
  add_field(request, TERMINAL, &terminals, 1);
  struct winsize size;
  if (ioctl(1, TIOCGWINSZ, &size) == 0) add_numbers(request, SIZE, size.ws_col, size.ws_row);
  add_world(request);
  add_numbers(request, USER, geteuid(), getegid());
  uint8_t takes_builder = 1;
  add_field(request, HANDING, &takes_builder, 1);
  put_u32(request, 0, (uint32_t)(request->length - 4));
}

void request_add_standing(struct text *request) {
  static const char *const files[] = {"status", "limits", "cgroup", "oom_score_adj", "stat"};
  static const char *const namespaces[] = {"net", "user", "ipc", "uts", "pid", "cgroup", "time"};
  char path[64], found[128];
  uint8_t tag = STANDING;
  text_add(request, &tag, 1);
  size_t at = request->length;
  text_add_u32(request, 0);
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    snprintf(path, sizeof path, "/proc/self/%s", files[i]);
    text_add_file(request, path, 1 << 16);
    text_add(request, "", 1);
  }
  for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++) {
    snprintf(path, sizeof path, "/proc/self/ns/%s", namespaces[i]);
    ssize_t length = readlink(path, found, sizeof found);
    // Older kernels have fewer.
    text_add(request, found, length > 0 ? (size_t)length : 0);
    text_add(request, "", 1);
  }
  put_u32(request, at, (uint32_t)(request->length - at - 4));
  put_u32(request, 0, (uint32_t)(request->length - 4));
}

/* An absolute directory in a variable; NULL where there is none. */
static const char *absolute(const char *variable) {
  const char *value = getenv(variable);
  return value != NULL && value[0] == '/' ? value : NULL;
}

bool socket_place(char *path, size_t room) {
  static const struct {
    const char *variable;
    const char *below;
    bool is_own;
  } places[] = {{"BEGAT_RUNTIME_HOME", "", true},
                {"BEGAT_CACHE_HOME", "", true},
                {"XDG_RUNTIME_DIR", "/begat", false},
                {"XDG_CACHE_HOME", "/begat", false},
                {"HOME", "/.cache/begat", false}};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    const char *base = absolute(places[i].variable);
    const char *value = getenv(places[i].variable);
    if (base == NULL && places[i].is_own && value != NULL && value[0] != 0) return false;
    if (base == NULL) continue;
    int length = snprintf(path, room, "%s%s/engine", base, places[i].below);
    if (length < 0 || (size_t)length + sizeof "/socket" > room) return false;
    struct stat directory;
    if (lstat(path, &directory) != 0 || !S_ISDIR(directory.st_mode)) return false;
    if (directory.st_uid != geteuid() || (directory.st_mode & 077) != 0) return false;
    strcpy(path + length, "/socket");
    return true;
  }
  return false;
}
