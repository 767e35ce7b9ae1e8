/* What begat asks of the spawn server, as read from one frame. The format: docs/formats.md, "Spawn server". */
#ifndef BEGAT_ORDER_H
#define BEGAT_ORDER_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frames.h"

#define PROTOCOL_VERSION 1u
/* Of the part after the length. Arguments and environment together are below 2 MiB. */
#define LARGEST_FRAME (8u * 1024 * 1024)
#define LIMITS 16
#define NO_USER UINT32_MAX

enum frame_type { FRAME_RUN = 1, FRAME_KILL = 2, FRAME_SLOT = 3, FRAME_READY = 128, FRAME_ENDED = 129, FRAME_MADE = 130 };

enum field {
  FIELD_ID = 1,
  FIELD_NAMESPACES,
  FIELD_OPTIONS,
  FIELD_USER,
  FIELD_HOST_NAME,
  FIELD_DIRECTORY,
  FIELD_ARGUMENT,
  FIELD_VARIABLE,
  FIELD_OUT,
  FIELD_ERR,
  FIELD_LIMIT,
  FIELD_PROCESSOR,
  FIELD_FILTER,
  FIELD_MOUNT,
  FIELD_PATIENCE,
};

enum namespace_bit { NS_MNT = 1, NS_PID = 2, NS_NET = 4, NS_IPC = 8, NS_UTS = 16, NS_CGROUP = 32, NS_USER = 64 };
#define NS_ALL 127u

enum option_bit { OPTION_NO_ASLR = 1, OPTION_NO_USER_NAMESPACES = 2, OPTION_NEW_SESSION = 4 };
#define OPTION_ALL 7u

enum mount_kind {
  MOUNT_IMAGE = 1,
  MOUNT_EMPTY_ROOT,
  MOUNT_READ_ONLY,
  MOUNT_WRITABLE,
  MOUNT_LINK,
  MOUNT_PROC,
  MOUNT_DEV,
};

/* `from` is a directory or file of the host, for a link its target; both stand in the frame. */
struct mount_order {
  uint8_t kind;
  const char *from;
  const char *to;
  int tree;
};

struct limit_order {
  bool is_set;
  uint64_t soft;
  uint64_t hard;
};

/* Strings and the filter point into the frame; the arrays are one allocation each. */
struct order {
  uint32_t id;
  uint32_t namespaces;
  uint32_t options;
  uint32_t uid;
  uint32_t gid;
  uint32_t patience_ms;
  const char *host_name;
  const char *directory;
  const char *out;
  const char *err;
  char **arguments;
  size_t argument_count;
  char **variables;
  size_t variable_count;
  struct mount_order *mounts;
  size_t mount_count;
  struct limit_order limits[LIMITS];
  cpu_set_t processors;
  bool has_processors;
  const void *filter;
  size_t filter_bytes;
};

/* Reads the fields of a frame. NULL when it is well formed, else what is wrong; `order` is to be released either way. */
const char *order_read(struct order *order, uint8_t type, const uint8_t *bytes, size_t length);
void order_release(struct order *order);

static inline uint64_t read_u64(const uint8_t *bytes) {
  return (uint64_t)read_u32(bytes) | (uint64_t)read_u32(bytes + 4) << 32;
}

static inline void write_u64(uint8_t *bytes, uint64_t value) {
  write_u32(bytes, (uint32_t)value);
  write_u32(bytes + 4, (uint32_t)(value >> 32));
}

#endif
