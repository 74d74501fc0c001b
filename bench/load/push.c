/*
 * Owns the mode "push": each connection asks with one line, is sent PUSH_SIZE bytes, and asks again when it has them all.
 * A unit is a MiB received.
 */
#include "load.h"

enum { PUSH_SIZE = 1 << 20, READ_SIZE = 256 * 1024 };

static void ask(Connection *connection) {
  static const char line[] = "more\n";
  connection->received = 0;
  if (send(connection->fd, line, sizeof line - 1, MSG_NOSIGNAL) != sizeof line - 1) die("send: %s", strerror(errno));
}

/* What is pushed is the byte of its position in a round of 256: a look at both ends of a piece finds what is misplaced. */
static void check(const Connection *connection, const unsigned char *piece, long length) {
  unsigned char first = (unsigned char)connection->received;
  unsigned char last = (unsigned char)(connection->received + length - 1);
  if (piece[0] != first || piece[length - 1] != last) die("what the server pushed is not in order");
}

void run_push(void) {
  Connection *connections = calloc((size_t)options.connections, sizeof *connections);
  if (connections == NULL) die("out of memory");
  window_start();
  for (long i = 0; i < options.connections; i++) {
    connections[i].fd = open_socket(true, true);
    watch(&connections[i], EPOLLIN);
    ask(&connections[i]);
  }
  static struct epoll_event events[EVENTS_MAX];
  static unsigned char buffer[READ_SIZE];
  while (1) {
    int ready = wait_events(events);
    for (int i = 0; i < ready; i++) {
      Connection *connection = events[i].data.ptr;
      ssize_t length = recv(connection->fd, buffer, sizeof buffer, MSG_DONTWAIT);
      if (length < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (length < 0) die("recv: %s", strerror(errno));
      if (length == 0) die("the server closed a connection");
      if (connection->received + length > PUSH_SIZE) die("the server pushed more than %d bytes", PUSH_SIZE);
      check(connection, buffer, length);
      connection->received += length;
      if (!window_count(now_ns(), (double)length / (1 << 20))) return;
      if (connection->received == PUSH_SIZE) ask(connection);
    }
  }
}
