/*
 * Owns what the C programs of the benchmark share: ending with a message, numbers from the command line, the limit
 * of open files. Knows neither a server nor the load.
 */
#ifndef WASYNCORE_BENCH_COMMON_H
#define WASYNCORE_BENCH_COMMON_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* What one recv of every echo server takes at most. A message is no longer, so that it costs one recv and one send. */
#define ECHO_READ_SIZE 8192

/* Says what is wrong, with the program's name before it, and ends with status 1. */
__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s: ", program_invocation_short_name);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(1);
}

/* A whole number from min to max, or the end of the program. */
static inline long parse_number(const char *name, const char *text, long min, long max) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < min || value > max) {
    die("%s must be a whole number from %ld to %ld, got \"%s\"", name, min, max, text);
  }
  return value;
}

/* Raises the soft limit of open files to the hard one, as Node does at its start. Gives the limit. */
static inline rlim_t raise_open_files(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) die("getrlimit: %s", strerror(errno));
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) die("setrlimit: %s", strerror(errno));
  return limit.rlim_cur;
}

#endif
