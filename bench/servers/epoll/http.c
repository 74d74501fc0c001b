/* Owns the role "http": the same response for each head that is whole. Heads do not come in pieces from this load. */
#include "server.h"

static const char response[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 22\r\nConnection: keep-alive\r\n\r\n"
    "Hello from wasyncore.\n";

static void accepted(int fd) { watch(fd, EPOLLIN); }

static void readable(int fd) {
  static char head[8192];
  ssize_t received = recv(fd, head, sizeof head, 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  bool is_get = received > 4 && memcmp(head, "GET ", 4) == 0 && memmem(head, (size_t)received, "\r\n\r\n", 4) != NULL;
  if (!is_get || send(fd, response, sizeof response - 1, MSG_NOSIGNAL) != sizeof response - 1) close(fd);
}

const Role http_role = {"http", accepted, readable, NULL};
