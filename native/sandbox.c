#define _GNU_SOURCE
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/mount.h and linux/fs.h; sys/mount.h cannot stand beside the former in all versions of glibc. */
extern int mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);
#define FLAG_NOSUID 2ul
#define FLAG_NODEV 4ul
#define FLAG_NOEXEC 8ul
#define FLAG_REC 16384ul
#define FLAG_PRIVATE (1ul << 18)
#define DETACH 2

static const char *const DEVICES[] = {"null", "zero", "full", "random", "urandom", "tty"};
#define DEVICE_COUNT (sizeof DEVICES / sizeof *DEVICES)

void report_problem(struct report *report, const char *what, const char *which) {
  if (report->problem[0] != 0) return;
  snprintf(report->problem, PROBLEM_BYTES, "%s%s%s: %s", what, which[0] == 0 ? "" : " ", which, strerror(errno));
}

static int open_tree(const char *path, unsigned flags) { return (int)syscall(SYS_open_tree, AT_FDCWD, path, flags); }

static int attach(int tree, const char *path) {
  return (int)syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

static int set_attributes(int tree, uint64_t attributes) {
  struct mount_attr attr = {.attr_set = attributes};
  return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr);
}

static int take_tree(const char *path, uint64_t attributes) {
  int tree = open_tree(path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  if (tree >= 0 && set_attributes(tree, attributes) != 0) {
    int error = errno;
    close(tree);
    errno = error;
    return -1;
  }
  return tree;
}

int sandbox_take_trees(struct order *order, const char **problem) {
  for (size_t i = 0; i < order->mount_count; i++) {
    struct mount_order *mount = &order->mounts[i];
    if (mount->tree >= 0) continue;
    uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    if (mount->kind == MOUNT_IMAGE || mount->kind == MOUNT_READ_ONLY) attributes |= MOUNT_ATTR_RDONLY;
    else if (mount->kind != MOUNT_WRITABLE) continue;
    mount->tree = take_tree(mount->from, attributes);
    if (mount->tree >= 0) continue;
    *problem = mount->from;
    return -1;
  }
  return 0;
}

void sandbox_drop_trees(struct order *order) {
  for (size_t i = 0; i < order->mount_count; i++) {
    if (order->mounts[i].tree >= 0) close(order->mounts[i].tree);
    order->mounts[i].tree = -1;
  }
}

/* A file system that stands nowhere yet. */
static int new_file_system(const char *type, uint64_t attributes) {
  int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
  if (context < 0) return -1;
  int made = -1;
  if (strcmp(type, "tmpfs") != 0 || syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "mode", "0755", 0) == 0) {
    if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
      made = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
  }
  int error = errno;
  close(context);
  errno = error;
  return made;
}

/* Makes the directories above `path`, and `path` itself where `is_directory`. Only in a root that began empty. */
static int make_way(const char *path, bool is_directory) {
  char part[4096];
  size_t length = strlen(path);
  if (length >= sizeof part) {
    errno = ENAMETOOLONG;
    return -1;
  }
  for (size_t i = 1; i <= length; i++) {
    if (i < length ? path[i] != '/' : !is_directory) continue;
    memcpy(part, path, i);
    part[i] = 0;
    if (mkdir(part, 0755) != 0 && errno != EEXIST) return -1;
  }
  return 0;
}

static bool is_directory(int fd) {
  struct stat stat;
  return fstat(fd, &stat) == 0 && S_ISDIR(stat.st_mode);
}

static int make_file(const char *path) {
  int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
  if (fd < 0) return errno == EEXIST ? 0 : -1;
  return close(fd);
}

static bool make_devices(const int *nodes, const char *at, struct report *report) {
  char path[128];
  if (strlen(at) > 64) {
    errno = ENAMETOOLONG;
    report_problem(report, "cannot mount", at);
    return false;
  }
  if (mount("tmpfs", at, "tmpfs", FLAG_NOSUID | FLAG_NODEV | FLAG_NOEXEC, "mode=0755") != 0) goto failed;
  for (size_t i = 0; i < DEVICE_COUNT; i++) {
    snprintf(path, sizeof path, "%s/%s", at, DEVICES[i]);
    if (make_file(path) != 0 || attach(nodes[i], path) != 0) goto failed;
  }
  static const char *const links[][2] = {
      {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
      {"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"},      {"ptmx", "pts/ptmx"},
  };
  for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
    snprintf(path, sizeof path, "%s/%s", at, links[i][0]);
    if (symlink(links[i][1], path) != 0) goto failed;
  }
  snprintf(path, sizeof path, "%s/shm", at);
  if (mkdir(path, 0755) != 0) goto failed;
  snprintf(path, sizeof path, "%s/pts", at);
  if (mkdir(path, 0755) != 0) goto failed;
  if (mount("devpts", path, "devpts", FLAG_NOSUID | FLAG_NOEXEC, "newinstance,ptmxmode=0666,mode=620") != 0) goto failed;
  return true;
failed:
  report_problem(report, "cannot make devices in", at);
  return false;
}

static bool place(const struct mount_order *mount, bool is_own_root, int proc, const int *devices, struct report *report) {
  const char *to = mount->to;
  switch (mount->kind) {
    case MOUNT_LINK:
      if ((is_own_root && make_way(to, false) != 0) || symlink(mount->from, to) != 0) break;
      return true;
    case MOUNT_READ_ONLY:
    case MOUNT_WRITABLE: {
      bool directory = is_directory(mount->tree);
      if (is_own_root && make_way(to, directory) != 0) break;
      if (is_own_root && !directory && make_file(to) != 0) break;
      if (attach(mount->tree, to) != 0) break;
      return true;
    }
    case MOUNT_PROC:
      if ((is_own_root && make_way(to, true) != 0) || attach(proc, to) != 0) break;
      return true;
    case MOUNT_DEV:
      if (is_own_root && make_way(to, true) != 0) break;
      return make_devices(devices, to, report);
    default: return true;
  }
  report_problem(report, "cannot mount", to);
  return false;
}

int loopback_up(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  // A kernel without IPv4 has no such interface.
  if (fd < 0) return errno == EAFNOSUPPORT ? 0 : -1;
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int result = ioctl(fd, SIOCSIFFLAGS, &request);
  int error = errno;
  close(fd);
  errno = error;
  return result;
}

static bool refuse_user_namespaces(const char *proc) {
  char path[128];
  snprintf(path, sizeof path, "%s/sys/user/max_user_namespaces", proc);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool done = write(fd, "0", 1) == 1;
  int error = errno;
  close(fd);
  errno = error;
  return done;
}

bool sandbox_enter(struct order *order, struct report *report) {
  if ((order->namespaces & NS_UTS) && sethostname(order->host_name, strlen(order->host_name)) != 0) {
    report_problem(report, "cannot set the host name", order->host_name);
    return false;
  }
  if ((order->namespaces & NS_NET) && loopback_up() != 0) {
    report_problem(report, "cannot start the loopback interface", "");
    return false;
  }
  // Nothing that is mounted here may be seen outside, nor the other way round.
  if (mount(NULL, "/", NULL, FLAG_REC | FLAG_PRIVATE, NULL) != 0) {
    report_problem(report, "cannot leave the host's mounts", "");
    return false;
  }
  int devices[DEVICE_COUNT];
  for (size_t i = 0; i < DEVICE_COUNT; i++) {
    char path[32];
    snprintf(path, sizeof path, "/dev/%s", DEVICES[i]);
    devices[i] = take_tree(path, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (devices[i] < 0) {
      report_problem(report, "cannot take", path);
      return false;
    }
  }
  // While the host's own is still seen: the kernel asks for that.
  int proc = new_file_system("proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  if (proc < 0) {
    report_problem(report, "cannot mount", "/proc");
    return false;
  }
  bool is_own_root = order->mounts[0].kind == MOUNT_EMPTY_ROOT;
  int root = is_own_root ? new_file_system("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV) : order->mounts[0].tree;
  if (root < 0 || attach(root, "/tmp") != 0 || fchdir(root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 ||
      umount2(".", DETACH) != 0 || chdir("/") != 0) {
    report_problem(report, "cannot change the root", order->mounts[0].from);
    return false;
  }
  const char *proc_at = "/proc";
  for (size_t i = 1; i < order->mount_count; i++) {
    if (!place(&order->mounts[i], is_own_root, proc, devices, report)) return false;
    if (order->mounts[i].kind == MOUNT_PROC) proc_at = order->mounts[i].to;
  }
  if ((order->options & OPTION_NO_USER_NAMESPACES) && (strlen(proc_at) > 64 || !refuse_user_namespaces(proc_at))) {
    report_problem(report, "cannot refuse user namespaces", "");
    return false;
  }
  if (is_own_root) {
    int here = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (here < 0 || syscall(SYS_mount_setattr, here, "", AT_EMPTY_PATH, &attr, sizeof attr) != 0) {
      report_problem(report, "cannot close the root", "");
      return false;
    }
  }
  return true;
}
