/* Owns the role "echo": one recv and one send for each readiness event. */
#include "server.h"

static char buffer[65536];

static void end(int fd) {
  forget(fd);
  close(fd);
}

static void accepted(int fd) { watch(fd, EPOLLIN); }

/* As long as output is kept, nothing is read: a peer that does not read would fill the memory. */
static void readable(int fd) {
  if (kept_bytes(fd) > 0) return;
  ssize_t received = recv(fd, buffer, read_size, 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (received <= 0 || !send_all(fd, buffer, (size_t)received)) end(fd);
  else if (kept_bytes(fd) > 0) change_watch(fd, EPOLLOUT);
}

static void writable(int fd) {
  if (!flush(fd)) end(fd);
}

const Role echo_role = {"echo", accepted, readable, writable};
