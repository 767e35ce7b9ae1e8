/* Whether there is nothing to do, by one stat for each file that counts: docs/formats.md, "Glance". */
#define _GNU_SOURCE
#include "glance.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEAD_BYTES 40u
#define NUMBERS 5
/* Set on the way to Node, and of no account where nothing is fetched. */
#define CERTIFICATES "BEGAT_EXTRA_CA_CERTS"

enum kind { KIND_FILE = '0', KIND_LINK, KIND_ABSENT, KIND_INODE };

extern char **environ;

struct glance {
  const uint8_t *bytes;
  size_t length;
  const char *question;
  size_t question_length;
  const char *before, *after;
  const char *variables, *variables_end;
  const char *names, *names_end;
  uint32_t count;
  bool is_json;
  const double *numbers;
};

static uint32_t u32_at(const uint8_t *bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static bool is_whole(const uint8_t *bytes, size_t length) {
  const uint32_t *words = (const uint32_t *)(const void *)bytes;
  uint32_t sum = 0x811c9dc5u;
  for (size_t i = 0; i < (length - 8) / 4; i++) sum = (sum ^ words[i]) * 0x01000193u;
  return u32_at(bytes + length - 8) == sum;
}

static bool glance_open(struct glance *glance, const char *path) {
  union { uint16_t number; uint8_t first; } order = {1};
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  struct stat stat;
  bool is_there = file >= 0 && fstat(file, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size >= (off_t)HEAD_BYTES + 8 &&
                  stat.st_uid == geteuid() && order.first == 1;
  void *at = is_there ? mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0) : MAP_FAILED;
  if (file >= 0) close(file);
  if (at == MAP_FAILED) return false;
  const uint8_t *bytes = at;
  size_t length = (size_t)stat.st_size;
  if (length % 8 != 0 || memcmp(bytes, "BGG2", 4) != 0 || !is_whole(bytes, length)) return false;
  size_t question = u32_at(bytes + 4), before = u32_at(bytes + 8), after = u32_at(bytes + 12);
  size_t variables = u32_at(bytes + 16), names = u32_at(bytes + 20);
  size_t start = (HEAD_BYTES + question + before + after + variables + names + 7) & ~(size_t)7;
  *glance = (struct glance){.bytes = bytes, .length = length, .count = u32_at(bytes + 24), .is_json = bytes[36] == 1};
  if (before == 0 || after == 0 || start + (size_t)glance->count * NUMBERS * 8 + 8 != length) return false;
  glance->question = (const char *)bytes + HEAD_BYTES;
  glance->question_length = question;
  glance->before = glance->question + question;
  glance->after = glance->before + before;
  glance->variables = glance->after + after;
  glance->names = glance->variables_end = glance->variables + variables;
  glance->names_end = glance->names + names;
  glance->numbers = (const double *)(const void *)(bytes + start);
  return glance->before[before - 1] == 0 && glance->after[after - 1] == 0 && (variables == 0 || glance->variables_end[-1] == 0) &&
         (names == 0 || glance->names_end[-1] == 0);
}

/* Milliseconds as Node makes them, to the last bit. */
static double milliseconds(struct timespec time) { return (double)time.tv_sec * 1000.0 + (double)time.tv_nsec / 1000000.0; }

static bool is_same(const struct stat *found, const double *numbers) {
  double kind = S_ISREG(found->st_mode) ? 0 : S_ISDIR(found->st_mode) ? 1 : S_ISLNK(found->st_mode) ? 2 : 3;
  double mode = S_ISLNK(found->st_mode) ? 0777 : found->st_mode & 07777;
  return numbers[0] == (double)found->st_size && numbers[1] == milliseconds(found->st_mtim) &&
         numbers[2] == milliseconds(found->st_ctim) && numbers[3] == (double)found->st_ino && numbers[4] == kind * 4096 + mode;
}

static bool is_as_it_was(char kind, const char *path, const double *numbers) {
  struct stat found;
  switch (kind) {
    case KIND_FILE: return stat(path, &found) == 0 && is_same(&found, numbers);
    case KIND_LINK: return lstat(path, &found) == 0 && S_ISLNK(found.st_mode) && is_same(&found, numbers);
    // What cannot be looked at is left to Node, which says so.
    case KIND_ABSENT: return stat(path, &found) != 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP);
    case KIND_INODE: return stat(path, &found) == 0 && numbers[3] == (double)found.st_ino;
    default: return false;
  }
}

static const char *listed(const struct glance *glance, const char *name, size_t length) {
  for (const char *at = glance->variables; at < glance->variables_end; at += strlen(at) + 1)
    if (strncmp(at, name, length) == 0 && (at[length] == '=' || at[length] == 0)) return at;
  return NULL;
}

/* Every variable listed is as it was, and none is there that could matter and was not looked at. */
static bool is_same_environment(const struct glance *glance) {
  for (const char *at = glance->variables; at < glance->variables_end; at += strlen(at) + 1) {
    char name[256];
    size_t length = strcspn(at, "=");
    if (length >= sizeof name) return false;
    memcpy(name, at, length);
    name[length] = 0;
    const char *value = getenv(name);
    if (at[length] == 0 ? value != NULL : value == NULL || strcmp(value, at + length + 1) != 0) return false;
  }
  for (char **variable = environ; *variable != NULL; variable++) {
    if (strncmp(*variable, "BEGAT_", 6) != 0 || strncmp(*variable, CERTIFICATES "=", sizeof CERTIFICATES) == 0) continue;
    if (listed(glance, *variable, strcspn(*variable, "=")) == NULL) return false;
  }
  return true;
}

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return milliseconds(time);
}

/* Into the nearest directory with a begatfile, going up; what led there from it goes into `below`. */
static bool enter_workspace(char *below, size_t room) {
  char place[PATH_MAX];
  struct stat found;
  if (getcwd(place, sizeof place) == NULL || place[0] != '/') return false;
  size_t length = strlen(place);
  for (size_t end = length;;) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%.*s/begatfile", (int)end, place);
    if (stat(path, &found) == 0 && S_ISREG(found.st_mode)) {
      const char *rest = end == length ? "" : place + end + 1;
      if (snprintf(below, room, "%s", rest) >= (int)room) return false;
      if (end == length) return true;
      place[end] = 0;
      return chdir(end == 0 ? "/" : place) == 0;
    }
    if (end == 0) return false;
    while (place[--end] != '/') {}
  }
}

/* The question as docs/formats.md has it; its length, or 0 where it does not fit. */
static size_t question_of(char **arguments, bool is_terminal, const char *below, char *text, size_t room) {
  size_t at = (size_t)snprintf(text, room, "%c%s", is_terminal ? '1' : '0', below) + 1;
  bool is_open = true;
  for (; *arguments != NULL && at < room; arguments++) {
    if (is_open && strcmp(*arguments, "--no-daemon") == 0) continue;
    if (strcmp(*arguments, "--") == 0) is_open = false;
    size_t length = strlen(*arguments) + 1;
    if (at + length > room) return 0;
    memcpy(text + at, *arguments, length);
    at += length;
  }
  return at < room ? at : 0;
}

bool glance_answers(const char *bundle, char **arguments, bool is_terminal, const char **text) {
  double began = now_ms();
  struct glance glance;
  char below[PATH_MAX], question[2 * PATH_MAX], path[64];
  if (!enter_workspace(below, sizeof below)) return false;
  size_t length = question_of(arguments, is_terminal, below, question, sizeof question);
  uint32_t sum = 0x811c9dc5u;
  for (size_t i = 0; i < length; i++) sum = (sum ^ (uint8_t)question[i]) * 0x01000193u;
  snprintf(path, sizeof path, ".begat/glance-%08x.bin", sum);
  if (length == 0 || !glance_open(&glance, path) || glance.count == 0 || !is_same_environment(&glance)) return false;
  if (glance.question_length != length || memcmp(glance.question, question, length) != 0) return false;
  const char *name = glance.names;
  for (uint32_t i = 0; i < glance.count; i++) {
    if (name >= glance.names_end) return false;
    if (!is_as_it_was(name[0], i == 0 ? bundle : name + 1, glance.numbers + (size_t)i * NUMBERS)) return false;
    name += strlen(name) + 1;
  }
  double ms = now_ms() - began;
  static char line[2048];
  int printed = glance.is_json ? snprintf(line, sizeof line, "%s%.6f%s", glance.before, ms, glance.after)
                               : snprintf(line, sizeof line, "%s%.*fs%s", glance.before, ms < 995 ? 2 : 1, ms / 1000, glance.after);
  *text = line;
  return printed > 0 && (size_t)printed < sizeof line && ms < 9950;
}
