/* Owns the role "fanout": what one connection sends goes to all the others. */
#include "server.h"

static int connections[DESCRIPTORS_MAX];
static int places[DESCRIPTORS_MAX];
static int count;

static void accepted(int fd) {
  places[fd] = count;
  connections[count++] = fd;
  watch(fd, EPOLLIN);
}

static void end(int fd) {
  int last = connections[--count];
  connections[places[fd]] = last;
  places[last] = places[fd];
  forget(fd);
  close(fd);
}

static void readable(int fd) {
  static char buffer[65536];
  ssize_t received = recv(fd, buffer, read_size, 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (received <= 0) {
    end(fd);
    return;
  }
  /* From the last one down: what takes the place of one that is gone has been served. */
  for (int i = count - 1; i >= 0; i--) {
    int other = connections[i];
    if (other != fd && !send_all(other, buffer, (size_t)received)) end(other);
  }
}

static void writable(int fd) {
  if (!flush(fd)) end(fd);
}

const Role fanout_role = {"fanout", accepted, readable, writable};
