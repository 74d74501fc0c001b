/*
 * Owns an HTTP client that counts: it keeps CONNECTIONS connections with one request outstanding each, closes a connection
 * after so many requests, and accounts for every request: answered, or how it failed. Knows nothing of who serves.
 *
 *   client PORT CONNECTIONS REQUESTS A_CONNECTION LIMIT_MS [RATE]
 *
 * REQUESTS 0: until LIMIT_MS is over. A_CONNECTION 1: HTTP/1.1 with "Connection: close". With RATE each connection asks at
 * fixed times, so many requests a second on all of them; a time is counted from when a request was due. On stdout a line for
 * each failure, "failed KIND MONOTONIC_MS"; in the end JSON.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "../common.h"

enum { CONNECTIONS_MAX = 10000, HEAD_MAX = 4096, EVENTS = 256, BUCKETS = 1 << 16, BUCKET_US = 20, FAILURES_TOLD = 10000 };
enum kind { REFUSED, RESET, ENDED, CUT, WRONG, LATE, KINDS };
static const char *const names[KINDS] = {"refused", "reset", "ended", "cut", "wrong", "late"};

/* A request that is not answered within this time is lost. */
static const long PATIENCE_US = 20000000;

struct connection {
  int fd, left, connected, is_idle;
  /* When its request was due. */
  long began_us;
  char head[HEAD_MAX + 1];
  size_t length, body;
  int has_head;
};

static struct connection connections[CONNECTIONS_MAX];
static struct sockaddr_in address = {.sin_family = AF_INET};
static int set, count, a_connection;
static long begun, requests, answered, failures[KINDS], opened, ended, last_us, end_us;
/* Between the requests of a connection; 0: none. */
static long interval_us;
static long latency[BUCKETS], max_us;
static char request[2][128];

static long now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int is_over(void) { return (requests > 0 && begun >= requests) || now_us() >= end_us; }

static void open_connection(struct connection *each);

static void close_connection(struct connection *each) {
  close(each->fd);
  each->fd = -1;
  if (is_over()) ended++;
  else open_connection(each);
}

static void fail(struct connection *each, enum kind kind) {
  if (failures[kind]++ < FAILURES_TOLD) printf("failed %s %ld\n", names[kind], now_us() / 1000);
  close_connection(each);
}

static void fail_by_errno(struct connection *each) {
  fail(each, errno == ECONNREFUSED ? REFUSED : errno == ECONNRESET || errno == EPIPE ? RESET : LATE);
}

static void ask(struct connection *each) {
  each->length = each->body = 0;
  each->has_head = 0;
  const char *text = request[each->left == 1];
  if (send(each->fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text)) fail_by_errno(each);
}

/* A request begins with the connection that it is made on. */
static void open_connection(struct connection *each) {
  begun++;
  opened++;
  each->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (each->fd < 0) die("socket: %s", strerror(errno));
  int on = 1;
  setsockopt(each->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  each->left = a_connection;
  each->connected = each->is_idle = 0;
  each->began_us = now_us();
  struct epoll_event event = {.events = EPOLLOUT, .data.ptr = each};
  if (epoll_ctl(set, EPOLL_CTL_ADD, each->fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
  if (connect(each->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
    /* Not by recursion: the event of the failed socket follows. */
    if (errno != ECONNREFUSED) die("connect: %s", strerror(errno));
  }
}

static void answer(struct connection *each) {
  long us = now_us() - each->began_us;
  if (us > max_us) max_us = us;
  long bucket = us / BUCKET_US;
  latency[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  answered++;
  if (--each->left == 0 || is_over()) {
    close_connection(each);
    return;
  }
  begun++;
  long now = now_us();
  each->began_us = interval_us == 0 ? now : each->began_us + interval_us;
  if (each->began_us > now) each->is_idle = 1;
  else ask(each);
}

static void receive(struct connection *each) {
  static char body[65536];
  while (1) {
    ssize_t received = each->has_head ? recv(each->fd, body, sizeof body, 0)
                                      : recv(each->fd, each->head + each->length, HEAD_MAX - each->length, 0);
    if (received < 0) {
      if (errno != EAGAIN && errno != EINTR) fail_by_errno(each);
      return;
    }
    if (received == 0) {
      fail(each, each->length == 0 ? ENDED : CUT);
      return;
    }
    if (!each->has_head) {
      each->length += (size_t)received;
      each->head[each->length] = '\0';
      char *end = strstr(each->head, "\r\n\r\n");
      char *length = strcasestr(each->head, "\r\ncontent-length:");
      if (end == NULL && each->length < HEAD_MAX) continue;
      if (end == NULL || length == NULL || strncmp(each->head, "HTTP/1.1 200 ", 13) != 0) {
        fail(each, WRONG);
        return;
      }
      each->has_head = 1;
      each->body = strtoul(length + 17, NULL, 10);
      received = each->length - (size_t)(end + 4 - each->head);
    }
    if ((size_t)received > each->body) {
      fail(each, WRONG);
      return;
    }
    each->body -= (size_t)received;
    if (each->body == 0) {
      answer(each);
      return;
    }
  }
}

static void work(struct connection *each, unsigned events) {
  if (each->fd < 0) return;
  if (each->connected) {
    receive(each);
    return;
  }
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(each->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0 || (events & EPOLLOUT) == 0) {
    errno = error;
    fail_by_errno(each);
    return;
  }
  each->connected = 1;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = each};
  if (epoll_ctl(set, EPOLL_CTL_MOD, each->fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
  if (interval_us == 0) {
    ask(each);
    return;
  }
  /* One after the other. */
  each->is_idle = 1;
  each->began_us = now_us() + interval_us * (each - connections) / count;
}

static void look_for_late(void) {
  long now = now_us();
  if (now - last_us < 1000000) return;
  last_us = now;
  for (int i = 0; i < count; i++) {
    if (connections[i].fd >= 0 && !connections[i].is_idle && now - connections[i].began_us > PATIENCE_US) fail(&connections[i], LATE);
  }
}

/* Asks on those connections whose time has come. @returns how long until the next, at most a tenth of a second */
static long ask_when_due(void) {
  long now = now_us(), next = now + 100000;
  for (int i = 0; i < count; i++) {
    struct connection *each = &connections[i];
    if (each->fd < 0 || !each->is_idle) continue;
    if (each->began_us <= now) {
      each->is_idle = 0;
      ask(each);
    } else if (each->began_us < next) next = each->began_us;
  }
  return next - now;
}

static void end_idle(void) {
  for (int i = 0; i < count; i++) {
    if (connections[i].fd < 0 || !connections[i].is_idle) continue;
    begun--;
    close_connection(&connections[i]);
  }
}

static double percentile(double share) {
  long wanted = (long)(share * (double)answered), seen = 0;
  for (long i = 0; i < BUCKETS; i++) {
    seen += latency[i];
    if (seen >= wanted) return (double)((i + 1) * BUCKET_US) / 1000;
  }
  return (double)max_us / 1000;
}

int main(int argc, char **argv) {
  if (argc < 6) die("PORT CONNECTIONS REQUESTS A_CONNECTION LIMIT_MS [RATE]");
  address.sin_port = htons((unsigned short)parse_number("PORT", argv[1], 1, 65535));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  count = (int)parse_number("CONNECTIONS", argv[2], 1, CONNECTIONS_MAX);
  requests = parse_number("REQUESTS", argv[3], 0, 100000000);
  a_connection = (int)parse_number("A_CONNECTION", argv[4], 1, 1000000);
  long limit_us = 1000 * parse_number("LIMIT_MS", argv[5], 1, 3600000);
  if (argc > 6) interval_us = 1000000L * count / parse_number("RATE", argv[6], 1, 1000000);
  setvbuf(stdout, NULL, _IOLBF, 0);
  raise_open_files();
  for (int closes = 0; closes < 2; closes++) {
    snprintf(request[closes], sizeof request[closes], "GET / HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
             closes ? "Connection: close\r\n" : "");
  }
  set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) die("epoll_create1: %s", strerror(errno));
  long began = last_us = now_us();
  end_us = began + limit_us;
  for (int i = 0; i < count; i++) {
    if (is_over()) {
      connections[i].fd = -1;
      ended++;
    } else open_connection(&connections[i]);
  }
  static struct epoll_event events[EVENTS];
  while (ended < count) {
    long wait_us = interval_us == 0 ? 100000 : ask_when_due();
    struct timespec wait = {.tv_nsec = wait_us * 1000};
    int ready = epoll_pwait2(set, events, EVENTS, &wait, NULL);
    if (ready < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < ready; i++) work(events[i].data.ptr, events[i].events);
    look_for_late();
    if (interval_us > 0 && is_over()) end_idle();
  }
  double seconds = (double)(now_us() - began) / 1e6;
  printf("{\"begun\":%ld,\"answered\":%ld,\"connections\":%ld,\"seconds\":%.3f,\"aSecond\":%.1f,", begun, answered, opened,
         seconds, (double)answered / seconds);
  printf("\"p50Ms\":%.2f,\"p99Ms\":%.2f,\"maxMs\":%.2f,\"failed\":{", percentile(0.5), percentile(0.99),
         (double)max_us / 1000);
  for (int kind = 0; kind < KINDS; kind++) printf("%s\"%s\":%ld", kind == 0 ? "" : ",", names[kind], failures[kind]);
  printf("}}\n");
  return 0;
}
