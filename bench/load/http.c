/*
 * Owns the mode "http": connections that are kept alive, with one GET outstanding each. A unit is a response, whose end
 * is found by its Content-Length.
 */
#include "load.h"

enum { RESPONSE_MAX = 4096 };

static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";

typedef struct {
  Connection connection;
  char text[RESPONSE_MAX + 1];
} Client;

static void ask(Connection *connection, uint64_t now) {
  connection->sent_ns = now;
  connection->received = 0;
  if (send(connection->fd, request, sizeof request - 1, MSG_NOSIGNAL) != sizeof request - 1) {
    die("send: %s", strerror(errno));
  }
}

/* Is the response whole? */
static bool is_whole(const Client *client) {
  const char *end = strstr(client->text, "\r\n\r\n");
  if (end == NULL) return false;
  const char *length = strcasestr(client->text, "\r\nContent-Length:");
  if (strncmp(client->text, "HTTP/1.1 200 ", 13) != 0 || length == NULL || length > end) {
    die("not a response that was expected: %.80s", client->text);
  }
  long expected = end + 4 - client->text + atol(length + 17);
  if (client->connection.received > expected) die("more than one response");
  return client->connection.received == expected;
}

void run_http(void) {
  Client *clients = calloc((size_t)options.connections, sizeof *clients);
  if (clients == NULL) die("out of memory");
  window_start();
  for (long i = 0; i < options.connections; i++) {
    clients[i].connection.fd = open_socket(true, true);
    watch(&clients[i].connection, EPOLLIN);
    ask(&clients[i].connection, now_ns());
  }
  static struct epoll_event events[EVENTS_MAX];
  while (1) {
    int ready = wait_events(events);
    for (int i = 0; i < ready; i++) {
      /* The connection is the client's first member. */
      Client *client = events[i].data.ptr;
      Connection *connection = &client->connection;
      ssize_t length = recv(connection->fd, client->text + connection->received,
                            (size_t)(RESPONSE_MAX - connection->received), MSG_DONTWAIT);
      if (length < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (length < 0) die("recv: %s", strerror(errno));
      if (length == 0) die("the server closed a connection, or its response is too long");
      connection->received += length;
      client->text[connection->received] = '\0';
      if (!is_whole(client)) continue;
      uint64_t now = now_ns();
      window_latency(now - connection->sent_ns);
      if (!window_count(now, 1)) return;
      ask(connection, now);
    }
  }
}
