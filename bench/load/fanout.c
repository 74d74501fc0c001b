/*
 * Owns the mode "fanout": one connection sends a message, and the next when all the others have received it. A unit is a
 * message received by one of them.
 */
#include "load.h"

void run_fanout(void) {
  long count = options.connections;
  Connection *receivers = calloc((size_t)count, sizeof *receivers);
  if (receivers == NULL) die("out of memory");
  for (long i = 0; i < count; i++) {
    receivers[i].fd = open_socket(true, true);
    receivers[i].sent = options.size;
    watch(&receivers[i], EPOLLIN);
  }
  /* The last to connect: a server that accepts in order has all receivers when it reads from the sender. */
  Connection sender = {.fd = open_socket(true, true)};
  window_start();
  static struct epoll_event events[EVENTS_MAX];
  while (1) {
    sender.sent = 0;
    sender.sent_ns = now_ns();
    send_message(&sender);
    for (long missing = count; missing > 0;) {
      int ready = wait_events(events);
      for (int i = 0; i < ready; i++) {
        Connection *receiver = events[i].data.ptr;
        if (!take_echo(receiver, MSG_DONTWAIT)) continue;
        receiver->sent = options.size;
        missing--;
        if (missing == 0) window_latency(now_ns() - sender.sent_ns);
      }
    }
    if (!window_count(now_ns(), (double)count)) return;
  }
}
