/* Owns output that the kernel did not take: kept for each descriptor, sent when it is writable. Knows no role. */
#include "server.h"

typedef struct {
  char *data;
  size_t offset, length, capacity;
} Output;

static Output outputs[DESCRIPTORS_MAX];

size_t kept_bytes(int fd) { return outputs[fd].length; }

static void keep(int fd, const char *data, size_t length) {
  Output *output = &outputs[fd];
  if (output->offset > 0) memmove(output->data, output->data + output->offset, output->length);
  output->offset = 0;
  if (output->length + length > output->capacity) {
    output->capacity = (output->length + length) * 2;
    output->data = realloc(output->data, output->capacity);
    if (output->data == NULL) die("out of memory");
  }
  if (output->length == 0) change_watch(fd, EPOLLIN | EPOLLOUT);
  memcpy(output->data + output->length, data, length);
  output->length += length;
}

bool send_all(int fd, const char *data, size_t length) {
  ssize_t sent = 0;
  if (outputs[fd].length == 0) sent = send(fd, data, length, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
  if (sent < 0) sent = 0;
  if ((size_t)sent < length) keep(fd, data + sent, length - (size_t)sent);
  return true;
}

bool flush(int fd) {
  Output *output = &outputs[fd];
  ssize_t sent = send(fd, output->data + output->offset, output->length, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  output->offset += (size_t)sent;
  output->length -= (size_t)sent;
  if (output->length == 0) {
    output->offset = 0;
    change_watch(fd, EPOLLIN);
  }
  return true;
}

void forget(int fd) {
  free(outputs[fd].data);
  outputs[fd] = (Output){0};
}
