/*
 * Owns the reference echo server: level-triggered epoll, one recv and one send a readiness event, nothing else. It is
 * the least that an echo in the manner of asyncore can cost, and knows nothing of who measures it.
 *
 * usage: echo-epoll [PORT]      0, the default, takes a free port; the line on stdout tells which
 */
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 1024, BACKLOG = 1024 };

static void watch(int set, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
}

static int listen_on(uint16_t port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket: %s", strerror(errno));
  int on = 1;
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) die("SO_REUSEADDR: %s", strerror(errno));
  if (bind(fd, (struct sockaddr *)&address, length) != 0) die("bind: %s", strerror(errno));
  if (listen(fd, BACKLOG) != 0) die("listen: %s", strerror(errno));
  if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) die("getsockname: %s", strerror(errno));
  printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

/* Takes all connections that wait. Out of descriptors is the end: a measurement on fewer connections would mislead. */
static void accept_all(int set, int listener) {
  while (1) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      watch(set, fd);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      die("accept: %s", strerror(errno));
    }
  }
}

/*
 * One recv, one send. A short send closes the connection: a peer with one message outstanding never causes it, and
 * dropping the rest in silence would be worse.
 */
static void echo(int fd) {
  static char buffer[ECHO_READ_SIZE];
  ssize_t received = recv(fd, buffer, sizeof buffer, 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (received <= 0 || send(fd, buffer, (size_t)received, MSG_NOSIGNAL) != received) close(fd);
}

int main(int argc, char **argv) {
  if (argc > 2) die("usage: echo-epoll [PORT]");
  uint16_t port = argc == 2 ? (uint16_t)parse_number("PORT", argv[1], 0, 65535) : 0;
  raise_open_files();

  int set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) die("epoll_create1: %s", strerror(errno));
  int listener = listen_on(port);
  watch(set, listener);

  static struct epoll_event events[EVENTS_MAX];
  while (1) {
    int ready = epoll_wait(set, events, EVENTS_MAX, -1);
    if (ready < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) accept_all(set, listener);
      else echo(fd);
    }
  }
}
