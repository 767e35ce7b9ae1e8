#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "request.h"

/* The same questions that the launcher `begat` asks with test(1) and find(1), and the same answers. */

static bool is_newer(const struct stat *file, const struct stat *than) {
  if (file->st_mtim.tv_sec != than->st_mtim.tv_sec) return file->st_mtim.tv_sec > than->st_mtim.tv_sec;
  return file->st_mtim.tv_nsec > than->st_mtim.tv_nsec;
}

/* Whether `name`, or anything below it, changed after `stamp`. Names that begin with a dot do not count themselves. */
static bool holds_newer(int parent, const char *name, const struct stat *stamp) {
  struct stat found;
  if (fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) != 0) return true;
  if (name[0] != '.' && is_newer(&found, stamp)) return true;
  if (!S_ISDIR(found.st_mode)) return false;
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *directory = fd < 0 ? NULL : fdopendir(fd);
  if (directory == NULL) {
    if (fd >= 0) close(fd);
    return true;
  }
  bool is_changed = false;
  for (struct dirent *entry; !is_changed && (entry = readdir(directory)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    is_changed = holds_newer(fd, entry->d_name, stamp);
  }
  closedir(directory);
  return is_changed;
}

static bool on_path(const char *program, char *found, size_t room) {
  const char *at = getenv("PATH");
  while (at != NULL && *at != 0) {
    size_t length = strcspn(at, ":");
    struct stat file;
    if (snprintf(found, room, "%.*s/%s", (int)length, at, program) < (int)room && stat(found, &file) == 0 &&
        S_ISREG(file.st_mode) && access(found, X_OK) == 0)
      return true;
    at += length;
    if (*at == ':') at++;
  }
  return false;
}

bool bundle_is_current(const char *root, char *node, size_t room) {
  char found[PATH_MAX];
  struct stat stamp, file;
  int top = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (top < 0 || !on_path("node", node, room)) return false;
  struct text made_with = {0};
  if (snprintf(found, sizeof found, "%s/dist/stamp", root) >= (int)sizeof found) return false;
  text_add_file(&made_with, found, PATH_MAX);
  size_t length = strlen(node);
  bool is_current = !made_with.is_broken && made_with.length > length && made_with.bytes[length] == '\n' &&
                    memcmp(made_with.bytes, node, length) == 0 && stat(found, &stamp) == 0 && stat(node, &file) == 0 &&
                    !is_newer(&file, &stamp) && fstatat(top, "package-lock.json", &file, 0) == 0 &&
                    !is_newer(&file, &stamp) && fstatat(top, "node_modules/.begat-setup", &file, 0) == 0 &&
                    (on_path("bwrap", found, sizeof found) || fstatat(top, ".begat/setup/sandbox-tried", &file, 0) == 0);
  free(made_with.bytes);
  static const char *const sources[] = {"src", "package.json", "tools", "native"};
  for (size_t i = 0; is_current && i < sizeof sources / sizeof *sources; i++)
    is_current = !holds_newer(top, sources[i], &stamp);
  close(top);
  return is_current;
}
