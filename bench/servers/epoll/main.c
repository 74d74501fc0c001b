/*
 * Owns the reference server: level-triggered epoll, and nothing between a readiness event and the system calls for it. It
 * is the least that each workload can cost in the manner of asyncore. Knows nothing of who measures it.
 *
 * usage: epoll ROLE [READ_SIZE [TARGET_PORT]]      listens on a free port; the line on stdout names it
 */
#include "server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

enum { EVENTS_MAX = 1024, BACKLOG = 4096 };

size_t read_size = 8192;
long target_port;

static int set;
static const Role *const roles[] = {&echo_role, &push_role, &proxy_role, &http_role, &fanout_role};

static void set_events(int operation, int fd, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  if (epoll_ctl(set, operation, fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
}

void watch(int fd, uint32_t events) { set_events(EPOLL_CTL_ADD, fd, events); }

void change_watch(int fd, uint32_t events) { set_events(EPOLL_CTL_MOD, fd, events); }

void make_prompt(int fd) {
  int on = 1;
  if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) die("fcntl: %s", strerror(errno));
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) die("TCP_NODELAY: %s", strerror(errno));
}

static int listen_on_loopback(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket: %s", strerror(errno));
  /* Connections that it accepts inherit TCP_NODELAY. */
  make_prompt(fd);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (bind(fd, (struct sockaddr *)&address, length) != 0) die("bind: %s", strerror(errno));
  if (listen(fd, BACKLOG) != 0) die("listen: %s", strerror(errno));
  if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) die("getsockname: %s", strerror(errno));
  printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

/* Accepts all that wait. Out of descriptors is the end: a measurement on fewer connections would mislead. */
static void accept_all(int listener, const Role *role) {
  while (1) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= DESCRIPTORS_MAX) die("more than %d descriptors", DESCRIPTORS_MAX);
    if (fd >= 0) role->accepted(fd);
    else if (errno == EAGAIN) return;
    else if (errno != EINTR && errno != ECONNABORTED) die("accept: %s", strerror(errno));
  }
}

static const Role *find_role(const char *name) {
  for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
    if (strcmp(roles[i]->name, name) == 0) return roles[i];
  }
  die("no role \"%s\"", name);
}

int main(int argc, char **argv) {
  if (argc < 2 || argc > 4) die("usage: epoll ROLE [READ_SIZE [TARGET_PORT]]");
  const Role *role = find_role(argv[1]);
  if (argc > 2) read_size = (size_t)parse_number("READ_SIZE", argv[2], 1, 65536);
  if (argc > 3) target_port = parse_number("TARGET_PORT", argv[3], 1, 65535);
  raise_open_files();

  set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) die("epoll_create1: %s", strerror(errno));
  int listener = listen_on_loopback();
  watch(listener, EPOLLIN);

  static struct epoll_event events[EVENTS_MAX];
  while (1) {
    int ready = epoll_wait(set, events, EVENTS_MAX, -1);
    if (ready < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) accept_all(listener, role);
      else if (events[i].events & EPOLLOUT) role->writable(fd);
      else role->readable(fd);
    }
  }
}
