/* Owns the role "proxy": a connection to the target for each that is accepted; what one side sends goes to the other. */
#include "server.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static int peers[DESCRIPTORS_MAX];
static char buffer[PROXY_READ_SIZE];

/* On the loopback a connection is there at once, so this one connects before it is made non-blocking. */
static void accepted(int fd) {
  int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)target_port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (far < 0 || connect(far, (struct sockaddr *)&address, sizeof address) != 0) die("connect: %s", strerror(errno));
  make_prompt(far);
  peers[fd] = far;
  peers[far] = fd;
  watch(fd, EPOLLIN);
  watch(far, EPOLLIN);
}

static void end(int fd) {
  int peer = peers[fd];
  forget(fd);
  forget(peer);
  close(fd);
  close(peer);
}

/* One side is not read as long as the other keeps output. */
static void rewatch(int fd) {
  change_watch(fd, (kept_bytes(peers[fd]) == 0 ? EPOLLIN : 0) | (kept_bytes(fd) > 0 ? EPOLLOUT : 0));
}

static void readable(int fd) {
  int peer = peers[fd];
  ssize_t received = recv(fd, buffer, sizeof buffer, 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (received <= 0 || !send_all(peer, buffer, (size_t)received)) {
    end(fd);
  } else if (kept_bytes(peer) > 0) {
    rewatch(fd);
    rewatch(peer);
  }
}

static void writable(int fd) {
  if (!flush(fd)) {
    end(fd);
  } else if (kept_bytes(fd) == 0) {
    rewatch(fd);
    rewatch(peers[fd]);
  }
}

const Role proxy_role = {"proxy", accepted, readable, writable};
