/*
 * Owns the mode "hold": opens connections that have each had one echo and then stay silent, and reports how much more
 * memory the server has resident than without them.
 */
#include "load.h"

#include <time.h>

/* Opened first: what a server allocates once, it has allocated then. */
enum { FIRST = 200, LOOK_NS = 100 * 1000 * 1000 };

/* The memory that the server has resident when it has not changed for `measure_ms`, or after five times as long. */
static long settled_bytes(void) {
  const struct timespec pause = {.tv_nsec = LOOK_NS};
  long looks = options.measure_ms * 1000000 / LOOK_NS;
  long last = resident_bytes();
  for (long same = 0, looked = 0; same < looks && looked < 5 * looks; looked++) {
    nanosleep(&pause, NULL);
    long bytes = resident_bytes();
    same = bytes == last ? same + 1 : 0;
    last = bytes;
  }
  return last;
}

void run_hold(void) {
  open_echoing(FIRST);
  long before = settled_bytes();
  open_echoing(options.idle);
  long after = settled_bytes();
  printf("{\"mode\":\"hold\",\"idle\":%ld,\"residentBytes\":%ld,\"bytesPerConnection\":%.1f}\n", options.idle, after,
         (double)(after - before) / (double)options.idle);
}
