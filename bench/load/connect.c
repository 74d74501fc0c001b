/*
 * Owns the mode "connect": so many connections at a time, each of which is opened, sends one message, awaits its echo,
 * and is closed. A unit is a connection that has come this far.
 */
#include "load.h"

static void open_next(Connection *connection) {
  *connection = (Connection){.fd = open_socket(false, false), .sent_ns = now_ns()};
  watch(connection, EPOLLIN | EPOLLOUT);
}

void run_connect(void) {
  Connection *connections = calloc((size_t)options.connections, sizeof *connections);
  if (connections == NULL) die("out of memory");
  window_start();
  for (long i = 0; i < options.connections; i++) open_next(&connections[i]);
  static struct epoll_event events[EVENTS_MAX];
  while (1) {
    int ready = wait_events(events);
    for (int i = 0; i < ready; i++) {
      Connection *connection = events[i].data.ptr;
      if (connection->sent < options.size) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error != 0) die("connect: %s", strerror(error));
        send_message(connection);
        continue;
      }
      if (!take_echo(connection, MSG_DONTWAIT)) continue;
      close(connection->fd);
      uint64_t now = now_ns();
      window_latency(now - connection->sent_ns);
      if (!window_count(now, 1)) return;
      open_next(connection);
    }
  }
}
