/* Owns the role "push": for each line that comes, sends PUSH_SIZE bytes from memory that all connections share. */
#include "server.h"

static char pushed[PUSH_SIZE];
/* How much each connection still has to be sent. */
static size_t missing[DESCRIPTORS_MAX];

static void end(int fd) {
  missing[fd] = 0;
  close(fd);
}

static void accepted(int fd) {
  /* The byte of its position, in rounds of 256. */
  for (size_t i = 0; pushed[1] == 0 && i < PUSH_SIZE; i++) pushed[PUSH_SIZE - 1 - i] = (char)(PUSH_SIZE - 1 - i);
  watch(fd, EPOLLIN);
}

/* Sends until the kernel takes less. */
static void push(int fd) {
  while (missing[fd] > 0) {
    ssize_t sent = send(fd, pushed + PUSH_SIZE - missing[fd], missing[fd], MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (sent < 0) {
      end(fd);
      return;
    }
    missing[fd] -= (size_t)sent;
  }
}

static void readable(int fd) {
  char line[64];
  ssize_t received = recv(fd, line, sizeof line, 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (received <= 0) {
    end(fd);
    return;
  }
  missing[fd] = PUSH_SIZE;
  push(fd);
  if (missing[fd] > 0) change_watch(fd, EPOLLOUT);
}

static void writable(int fd) {
  push(fd);
  if (missing[fd] == 0) change_watch(fd, EPOLLIN);
}

const Role push_role = {"push", accepted, readable, writable};
