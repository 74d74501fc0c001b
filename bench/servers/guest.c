/*
 * Owns the reference guest: the echo of echo-epoll.c as a WASI program over wasi-libc, with accept and poll alone. It is
 * the least that a guest in the manner of asyncore can cost on a runtime, and knows nothing of who measures it.
 *
 * The listening socket is descriptor 3, as wasmtime's tcplisten passes it. wasi-libc's poll has its arrays on the stack:
 * 80 bytes a descriptor, for which guests.mjs makes room.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENER = 3, DESCRIPTORS_MAX = 65536, READ_SIZE = 8192 };

/* The listener first, then the connections, without gaps. */
static struct pollfd watched[DESCRIPTORS_MAX];
static nfds_t count;

static _Noreturn void fail(const char *call) {
  fprintf(stderr, "echo-guest: %s: %s\n", call, strerror(errno));
  exit(1);
}

static void watch(int fd) {
  if (count == DESCRIPTORS_MAX) {
    errno = EMFILE;
    fail("poll");
  }
  watched[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* Takes all connections that wait. Out of descriptors is the end: a measurement on fewer connections would mislead. */
static void accept_all(void) {
  while (1) {
    int fd = accept(LISTENER, NULL, NULL);
    if (fd >= 0) {
      if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
      watch(fd);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      fail("accept");
    }
  }
}

/* One recv, one send. False when the connection is over; a short send ends it, as in echo-epoll.c. */
static int echo(int fd) {
  static char buffer[READ_SIZE];
  ssize_t received = recv(fd, buffer, sizeof buffer, 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return 1;
  return received > 0 && send(fd, buffer, (size_t)received, 0) == received;
}

int main(void) {
  if (fcntl(LISTENER, F_SETFL, O_NONBLOCK) != 0) fail("descriptor 3");
  watch(LISTENER);
  while (1) {
    if (poll(watched, count, -1) < 0 && errno != EINTR) fail("poll");
    if (watched[0].revents != 0) accept_all();
    /* From the last one down: what takes the place of one that is over has been served. */
    for (nfds_t i = count - 1; i > 0; i--) {
      if (watched[i].revents == 0 || echo(watched[i].fd)) continue;
      close(watched[i].fd);
      watched[i] = watched[--count];
    }
  }
}
