/*
 * Owns the mode "echo": busy connections with one message outstanding each, and silent ones beside them. A unit is a
 * message that came back whole.
 */
#include "load.h"

static void send_next(Connection *connection, uint64_t now) {
  connection->sent_ns = now;
  send_message(connection);
}

void run_echo(void) {
  Connection *connections = open_echoing(options.connections + options.idle);
  window_start();
  for (long i = 0; i < options.connections; i++) {
    watch(&connections[i], EPOLLIN);
    send_next(&connections[i], now_ns());
  }
  static struct epoll_event events[EVENTS_MAX];
  while (1) {
    int ready = wait_events(events);
    for (int i = 0; i < ready; i++) {
      Connection *connection = events[i].data.ptr;
      if (!take_echo(connection, MSG_DONTWAIT)) continue;
      uint64_t now = now_ns();
      window_latency(now - connection->sent_ns);
      if (!window_count(now, 1)) return;
      send_next(connection, now);
    }
  }
}
