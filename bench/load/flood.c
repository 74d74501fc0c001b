/*
 * Owns the mode "flood": one connection keeps up to IN_FLIGHT_MAX bytes under way and reads their echo, beside polite
 * connections with one message outstanding each. A unit, and a latency, is a message of a polite one.
 */
#include "load.h"

enum { IN_FLIGHT_MAX = 1 << 20, READ_SIZE = 256 * 1024, READS_AT_ONCE = 4 };

static char block[MESSAGE_MAX];

static void flood(Connection *flooder) {
  static char buffer[READ_SIZE];
  for (int i = 0; i < READS_AT_ONCE; i++) {
    ssize_t length = recv(flooder->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (length == 0) die("the server closed the flooder");
    if (length < 0 && errno != EAGAIN && errno != EINTR) die("recv: %s", strerror(errno));
    if (length < 0) break;
    flooder->received += length;
  }
  while (flooder->sent - flooder->received < IN_FLIGHT_MAX) {
    ssize_t sent = send(flooder->fd, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) die("send: %s", strerror(errno));
    if (sent < 0) break;
    flooder->sent += sent;
  }
  /* Room that nobody has a use for is not waited for. */
  change_watch(flooder, flooder->sent - flooder->received < IN_FLIGHT_MAX ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void run_flood(void) {
  Connection *connections = open_echoing(options.connections + 1);
  Connection *flooder = &connections[options.connections];
  window_start();
  watch(flooder, EPOLLIN);
  flood(flooder);
  for (long i = 0; i < options.connections; i++) {
    watch(&connections[i], EPOLLIN);
    connections[i].sent_ns = now_ns();
    send_message(&connections[i]);
  }
  static struct epoll_event events[EVENTS_MAX];
  while (1) {
    int ready = wait_events(events);
    for (int i = 0; i < ready; i++) {
      Connection *connection = events[i].data.ptr;
      if (connection == flooder) {
        flood(flooder);
        continue;
      }
      if (!take_echo(connection, MSG_DONTWAIT)) continue;
      uint64_t now = now_ns();
      window_latency(now - connection->sent_ns);
      if (!window_count(now, 1)) return;
      connection->sent_ns = now;
      send_message(connection);
    }
  }
}
