/*
 * Owns an HTTP server on the listening socket that its runtime gives it: wasi-libc's poll, a state for each connection.
 * Knows nothing of who runs it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENER = 3, CONNECTIONS_MAX = 4096, HEAD_MAX = 2048, PIECE = 16384 };

struct connection {
  char head[HEAD_MAX];
  size_t length;
  /* Of the response: what is left of the head in `out`, then this many zero bytes. */
  char out[512];
  size_t at, end, bytes;
  int closes;
};

static struct pollfd watched[CONNECTIONS_MAX + 1];
static struct connection *connections[CONNECTIONS_MAX + 1];
static nfds_t count = 1;
static const char zeros[PIECE];

static void accept_all(void) {
  while (count <= CONNECTIONS_MAX) {
    int fd = accept(LISTENER, NULL, NULL);
    if (fd < 0) return;
    struct connection *new = calloc(1, sizeof *new);
    if (new == NULL || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
      free(new);
      close(fd);
      continue;
    }
    connections[count] = new;
    watched[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
  }
}

static void respond(struct connection *each, const char *status, const char *text, size_t bytes) {
  const char *connection = each->closes ? "close" : "keep-alive";
  each->at = 0;
  each->bytes = bytes;
  each->end = (size_t)snprintf(each->out, sizeof each->out,
                               "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n%s", status,
                               strlen(text) + bytes, connection, text);
}

/* A whole head: what it asks for. */
static void serve(struct connection *each) {
  static char path[256];
  each->closes = strcasestr(each->head, "\r\nconnection: close\r\n") != NULL;
  if (sscanf(each->head, "GET %255s HTTP/1.1\r\n", path) != 1) respond(each, "400 Bad Request", "", 0);
  else if (strcmp(path, "/") == 0) respond(each, "200 OK", "hello\n", 0);
  else if (strcmp(path, "/who") == 0) respond(each, "200 OK", getenv("VERSION") ? getenv("VERSION") : "", 0);
  else if (strncmp(path, "/bytes/", 7) == 0) respond(each, "200 OK", "", strtoul(path + 7, NULL, 10));
  else if (strcmp(path, "/trap") == 0) __builtin_trap();
  else respond(each, "404 Not Found", "", 0);
}

/* Sends what the kernel takes. False when the connection is over. */
static int flush(struct connection *each, int fd) {
  while (each->at < each->end || each->bytes > 0) {
    int is_head = each->at < each->end;
    size_t wanted = is_head ? each->end - each->at : each->bytes < PIECE ? each->bytes : PIECE;
    ssize_t sent = send(fd, is_head ? each->out + each->at : zeros, wanted, 0);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    if (is_head) each->at += (size_t)sent;
    else each->bytes -= (size_t)sent;
  }
  return !each->closes;
}

/* Serves the requests that have come, one after the other. False when the connection is over. */
static int work(struct connection *each, int fd) {
  while (1) {
    if (!flush(each, fd)) return 0;
    if (each->at < each->end || each->bytes > 0) return 1;
    char *blank = strstr(each->head, "\r\n\r\n");
    if (blank != NULL) {
      size_t used = (size_t)(blank + 4 - each->head);
      serve(each);
      memmove(each->head, each->head + used, each->length - used + 1);
      each->length -= used;
      continue;
    }
    ssize_t received = recv(fd, each->head + each->length, HEAD_MAX - 1 - each->length, 0);
    if (received < 0) return errno == EAGAIN || errno == EINTR;
    if (received == 0) return 0;
    each->length += (size_t)received;
    each->head[each->length] = '\0';
  }
}

int main(void) {
  if (fcntl(LISTENER, F_SETFL, O_NONBLOCK) != 0) {
    perror("descriptor 3");
    return 1;
  }
  watched[0] = (struct pollfd){.fd = LISTENER, .events = POLLIN};
  while (1) {
    if (poll(watched, count, -1) < 0 && errno != EINTR) {
      perror("poll");
      return 1;
    }
    /* From the last one down: what takes the place of one that is over has been served. */
    for (nfds_t i = count - 1; i > 0; i--) {
      struct connection *each = connections[i];
      if (watched[i].revents != 0 && !work(each, watched[i].fd)) {
        close(watched[i].fd);
        free(each);
        count--;
        watched[i] = watched[count];
        connections[i] = connections[count];
        continue;
      }
      watched[i].events = each->at < each->end || each->bytes > 0 ? POLLOUT : POLLIN;
    }
    if (watched[0].revents != 0) accept_all();
  }
}
