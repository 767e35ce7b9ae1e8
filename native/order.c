#define _GNU_SOURCE
#include "order.h"

#include <stdlib.h>
#include <string.h>

#define FIELD_HEAD 5
#define MOST_BPF_BYTES (4096u * 8u)

/* A field that is one string: it ends in its only NUL. NULL where it is not so. */
static const char *text_of(const uint8_t *bytes, size_t length) {
  if (length == 0 || memchr(bytes, 0, length) != bytes + length - 1) return NULL;
  return (const char *)bytes;
}

static const char *read_mount(struct mount_order *mount, const uint8_t *bytes, size_t length) {
  mount->tree = -1;
  if (length < 3) return "mount is too short";
  mount->kind = bytes[0];
  if (mount->kind < MOUNT_IMAGE || mount->kind > MOUNT_DEV) return "unknown kind of mount";
  const uint8_t *from = bytes + 1;
  const uint8_t *end = memchr(from, 0, length - 1);
  if (end == NULL) return "mount without an end";
  mount->from = (const char *)from;
  mount->to = text_of(end + 1, length - 2 - (size_t)(end - from));
  if (mount->to == NULL) return "mount without a place";
  if (mount->to[0] != '/') return "mount at a relative path";
  bool needs_source = mount->kind == MOUNT_IMAGE || mount->kind == MOUNT_READ_ONLY || mount->kind == MOUNT_WRITABLE;
  if (needs_source && mount->from[0] != '/') return "mount from a relative path";
  return NULL;
}

static const char *read_field(struct order *order, uint8_t tag, const uint8_t *bytes, size_t length) {
  const char *text = NULL;
  switch (tag) {
    case FIELD_HOST_NAME:
    case FIELD_DIRECTORY:
    case FIELD_ARGUMENT:
    case FIELD_VARIABLE:
    case FIELD_OUT:
    case FIELD_ERR:
      text = text_of(bytes, length);
      if (text == NULL) return "text is not ended by its only NUL";
      break;
    case FIELD_ID:
    case FIELD_NAMESPACES:
    case FIELD_OPTIONS:
    case FIELD_PROCESSOR:
    case FIELD_PATIENCE:
      if (length != 4) return "number of another size than 4";
      break;
    default:
      break;
  }
  switch (tag) {
    case FIELD_ID: order->id = read_u32(bytes); return NULL;
    case FIELD_NAMESPACES:
      order->namespaces = read_u32(bytes);
      return (order->namespaces & ~NS_ALL) == 0 ? NULL : "unknown namespace";
    case FIELD_OPTIONS:
      order->options = read_u32(bytes);
      return (order->options & ~OPTION_ALL) == 0 ? NULL : "unknown option";
    case FIELD_USER:
      if (length != 8) return "user of another size than 8";
      order->uid = read_u32(bytes);
      order->gid = read_u32(bytes + 4);
      return NULL;
    case FIELD_HOST_NAME: order->host_name = text; return length <= 65 ? NULL : "host name is too long";
    case FIELD_DIRECTORY: order->directory = text; return NULL;
    case FIELD_ARGUMENT: order->arguments[order->argument_count++] = (char *)bytes; return NULL;
    case FIELD_VARIABLE: order->variables[order->variable_count++] = (char *)bytes; return NULL;
    case FIELD_OUT: order->out = text; return NULL;
    case FIELD_ERR: order->err = text; return NULL;
    case FIELD_LIMIT: {
      if (length != 20) return "limit of another size than 20";
      uint32_t which = read_u32(bytes);
      if (which >= LIMITS) return "unknown limit";
      order->limits[which] = (struct limit_order){true, read_u64(bytes + 4), read_u64(bytes + 12)};
      return NULL;
    }
    case FIELD_PROCESSOR: {
      uint32_t number = read_u32(bytes);
      if (number >= CPU_SETSIZE) return "processor with too high a number";
      CPU_SET(number, &order->processors);
      order->has_processors = true;
      return NULL;
    }
    case FIELD_FILTER:
      if (length % 8 != 0 || length == 0 || length > MOST_BPF_BYTES) return "filter of an impossible size";
      order->filter = bytes;
      order->filter_bytes = length;
      return NULL;
    case FIELD_MOUNT: return read_mount(&order->mounts[order->mount_count++], bytes, length);
    case FIELD_PATIENCE: order->patience_ms = read_u32(bytes); return NULL;
    default: return "unknown field";
  }
}

/* Whether a run has what it cannot do without. */
static const char *missing_in(const struct order *order, uint8_t type) {
  if (type == FRAME_KILL) return NULL;
  if (order->out == NULL || order->err == NULL) return "no place for output";
  if (type == FRAME_SLOT) return NULL;
  if (order->argument_count == 0) return "nothing to run";
  if (order->directory == NULL) return "no directory";
  if (order->namespaces == 0) return order->mount_count == 0 ? NULL : "mounts without namespaces";
  uint32_t needed = NS_USER | NS_MNT | NS_PID;
  if ((order->namespaces & needed) != needed) return "a sandbox needs user, mount and process namespaces";
  if (order->mount_count == 0) return "a sandbox without a root";
  if (order->mounts[0].kind > MOUNT_EMPTY_ROOT) return "the first mount is not the root";
  for (size_t i = 1; i < order->mount_count; i++)
    if (order->mounts[i].kind <= MOUNT_EMPTY_ROOT) return "a second root";
  return NULL;
}

const char *order_read(struct order *order, uint8_t type, const uint8_t *bytes, size_t length) {
  *order = (struct order){.uid = NO_USER, .gid = NO_USER, .host_name = ""};
  size_t counts[256] = {0};
  for (size_t at = 0; at < length;) {
    if (length - at < FIELD_HEAD) return "field is cut off";
    uint32_t size = read_u32(bytes + at + 1);
    if (size > length - at - FIELD_HEAD) return "field is longer than its frame";
    counts[bytes[at]]++;
    at += FIELD_HEAD + size;
  }
  order->arguments = calloc(counts[FIELD_ARGUMENT] + 1, sizeof *order->arguments);
  order->variables = calloc(counts[FIELD_VARIABLE] + 1, sizeof *order->variables);
  order->mounts = calloc(counts[FIELD_MOUNT] + 1, sizeof *order->mounts);
  if (order->arguments == NULL || order->variables == NULL || order->mounts == NULL) return "no memory";
  for (size_t at = 0; at < length;) {
    uint32_t size = read_u32(bytes + at + 1);
    const char *problem = read_field(order, bytes[at], bytes + at + FIELD_HEAD, size);
    if (problem != NULL) return problem;
    at += FIELD_HEAD + size;
  }
  return missing_in(order, type);
}

void order_release(struct order *order) {
  free(order->arguments);
  free(order->variables);
  free(order->mounts);
}
