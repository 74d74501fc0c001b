/*
 * Owns the measurement of libuv's timers, as timers.mjs measures those of JavaScript. They are in memory of the program's,
 * as in C a timer is a part of what it belongs to.
 *
 * usage: timers-uv KIND      start-cancel, cancel-all or fired; prints one line of JSON
 */
#include "../common.h"

#include <time.h>
#include <uv.h>

enum { COUNT = 100000, WARMUPS = 2 };

static const uint64_t LONG_MS = 3600000;
static uv_loop_t *loop;
static uv_timer_t timers[COUNT];

static void fired(uv_timer_t *timer) { (void)timer; }

static void measure(const char *kind) {
  uv_update_time(loop);
  if (strcmp(kind, "start-cancel") == 0) {
    for (int i = 0; i < COUNT; i++) {
      uv_timer_start(&timers[i], fired, LONG_MS, 0);
      uv_timer_stop(&timers[i]);
    }
  } else if (strcmp(kind, "cancel-all") == 0) {
    for (int i = 0; i < COUNT; i++) uv_timer_start(&timers[i], fired, LONG_MS, 0);
    for (int i = 0; i < COUNT; i++) uv_timer_stop(&timers[i]);
  } else if (strcmp(kind, "fired") == 0) {
    for (int i = 0; i < COUNT; i++) uv_timer_start(&timers[i], fired, 1, 0);
    uv_run(loop, UV_RUN_DEFAULT);
  } else {
    die("no kind \"%s\"", kind);
  }
}

static double cpu_ns(void) {
  struct timespec time;
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) != 0) die("clock_gettime: %s", strerror(errno));
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != 2) die("usage: timers-uv KIND");
  loop = uv_default_loop();
  for (int i = 0; i < COUNT; i++) uv_timer_init(loop, &timers[i]);
  for (int i = 0; i < WARMUPS; i++) measure(argv[1]);
  double before = cpu_ns();
  measure(argv[1]);
  printf("{\"units\":%d,\"cpuNsPerUnit\":%.1f}\n", COUNT, (cpu_ns() - before) / COUNT);
  return 0;
}
