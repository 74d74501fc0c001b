/*
 * Owns the connections of the load: how they are opened, and messages that are echoed on them. Knows no mode and no clock
 * of the server.
 */
#include "load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

/*
 * A connection to the server. With `reset_on_close`, closing it resets it: thousands of connections in TIME_WAIT would
 * burden the measurements that follow.
 */
int open_socket(bool reset_on_close, bool blocking) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0);
  if (fd < 0) die("socket: %s", strerror(errno));
  int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) die("TCP_NODELAY: %s", strerror(errno));
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  if (reset_on_close && setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0) {
    die("SO_LINGER: %s", strerror(errno));
  }
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && (blocking || errno != EINPROGRESS)) {
    if (errno == EADDRNOTAVAIL) {
      die("no local port is free: widen net.ipv4.ip_local_port_range, or ask for fewer connections");
    }
    die("connect to 127.0.0.1:%ld: %s", options.port, strerror(errno));
  }
  return fd;
}

void set_non_blocking(int fd) {
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) die("fcntl: %s", strerror(errno));
}

static int epoll_set = -1;

static void set_events(Connection *connection, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  if (epoll_set < 0 && (epoll_set = epoll_create1(EPOLL_CLOEXEC)) < 0) die("epoll_create1: %s", strerror(errno));
  if (epoll_ctl(epoll_set, operation, connection->fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
  connection->events = events;
}

void watch(Connection *connection, uint32_t events) { set_events(connection, EPOLL_CTL_ADD, events); }

void change_watch(Connection *connection, uint32_t events) {
  if (connection->events != events) set_events(connection, EPOLL_CTL_MOD, events);
}

int wait_events(struct epoll_event *events) {
  int ready = epoll_wait(epoll_set, events, EVENTS_MAX, -1);
  if (ready < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
  return ready;
}

/* Sends what is left of the message; what the kernel does not take is sent when it has room. */
void send_message(Connection *connection) {
  ssize_t sent = send(connection->fd, message + connection->sent, (size_t)(options.size - connection->sent),
                      MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) die("send: %s", strerror(errno));
  if (sent > 0) connection->sent += sent;
  if (connection->events != 0) change_watch(connection, connection->sent < options.size ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Reads and compares with what was sent. True when the echo is whole; the connection is ready for the next then. */
bool take_echo(Connection *connection, int flags) {
  static char buffer[MESSAGE_MAX];
  if (connection->sent < options.size) send_message(connection);
  ssize_t length = recv(connection->fd, buffer, (size_t)(options.size - connection->received), flags);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (length < 0) die("recv: %s", strerror(errno));
  if (length == 0) die("the server closed a connection");
  if (memcmp(buffer, message + connection->received, (size_t)length) != 0) die("the echo differs from what was sent");
  connection->received += length;
  if (connection->received < options.size) return false;
  connection->sent = connection->received = 0;
  return true;
}

/* Opens connections in batches. An echo on each proves that the server has accepted it. */
Connection *open_echoing(long count) {
  Connection *connections = calloc((size_t)count + 1, sizeof *connections);
  if (connections == NULL) die("out of memory");
  for (long first = 0; first < count; first += BATCH_SIZE) {
    long end = first + BATCH_SIZE < count ? first + BATCH_SIZE : count;
    for (long i = first; i < end; i++) {
      connections[i].fd = open_socket(true, true);
      send_message(&connections[i]);
    }
    for (long i = first; i < end; i++) {
      while (!take_echo(&connections[i], 0)) continue;
    }
  }
  return connections;
}
