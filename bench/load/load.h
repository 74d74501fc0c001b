/*
 * Owns what the parts of the load share: the options, connections, the measured window. Each mode is one file with one
 * function, listed at the end; main.c holds the table of them.
 */
#ifndef WASYNCORE_BENCH_LOAD_H
#define WASYNCORE_BENCH_LOAD_H

#include "../common.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  EVENTS_MAX = 1024,
  /* Connections opened before their echoes are awaited. Below any listener's backlog, so that none is refused. */
  BATCH_SIZE = 100,
  MESSAGE_MAX = 65536,
};

typedef struct {
  long port, connections, idle, size, warmup_ms, measure_ms, units_max, limit_s, server_pid;
} Options;

extern Options options;

/* What is sent: a pattern of printable bytes, so that an echo out of place is noticed. */
extern char message[MESSAGE_MAX];

typedef struct {
  int fd;
  /* What epoll watches it for; 0 before watch. */
  uint32_t events;
  long sent, received;
  uint64_t sent_ns;
} Connection;

/* connection.c */
int open_socket(bool reset_on_close, bool blocking);
void set_non_blocking(int fd);
Connection *open_echoing(long count);
void send_message(Connection *connection);
bool take_echo(Connection *connection, int flags);
/* Level-triggered, in the one epoll set of the program. */
void watch(Connection *connection, uint32_t events);
void change_watch(Connection *connection, uint32_t events);
int wait_events(struct epoll_event *events);

/* window.c: warm-up, then the measured time. Units are whatever the mode counts. */
uint64_t now_ns(void);
void window_start(void);
/* Counts units that are done now. False when the measurement is over. */
bool window_count(uint64_t now, double units);
void window_latency(uint64_t latency_ns);
void window_report(const char *mode);
long resident_bytes(void);

/* A file each. What they cannot do ends the program. */
void run_echo(void);
void run_push(void);
void run_connect(void);
void run_http(void);
void run_fanout(void);
void run_flood(void);
void run_hold(void);
void run_tls_echo(void);
void run_tls_handshake(void);

#endif
