/*
 * Owns what the roles of the reference server share: watching descriptors, and output that the kernel did not take. A
 * role is one file; main.c holds the table of them.
 */
#ifndef WASYNCORE_BENCH_SERVER_H
#define WASYNCORE_BENCH_SERVER_H

#include "../../common.h"

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 65536, PUSH_SIZE = 1 << 20, PROXY_READ_SIZE = 65536 };

typedef struct {
  const char *name;
  /* A connection was accepted. */
  void (*accepted)(int fd);
  void (*readable)(int fd);
  /* May be NULL where output never waits. */
  void (*writable)(int fd);
} Role;

extern const Role echo_role, push_role, proxy_role, http_role, fanout_role;

/* What one recv of the echo takes at most, and where the proxy connects to. */
extern size_t read_size;
extern long target_port;

void watch(int fd, uint32_t events);
void change_watch(int fd, uint32_t events);
/* Non-blocking, and with TCP_NODELAY. */
void make_prompt(int fd);

/* output.c: sends, and keeps a copy of what the kernel does not take; false when the peer is gone. */
bool send_all(int fd, const char *data, size_t length);
/* Sends what is kept. False when the peer is gone. */
bool flush(int fd);
size_t kept_bytes(int fd);
void forget(int fd);

#endif
