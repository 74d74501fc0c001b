/*
 * Owns the measured window: the warm-up, the units counted, their latencies, and the server's CPU time, which is read at
 * the first and at the last counted unit and says how long both take. Knows no mode and no socket.
 */
#include "load.h"

#include <sched.h>
#include <sys/types.h>
#include <time.h>

enum { LATENCIES_MAX = 1 << 20, STRETCH_MAX = 10, LOOK_NS = 5000000 };

typedef struct {
  uint64_t wall_ns, cpu_ns;
  unsigned long user_ticks, system_ticks;
} Sample;

/* The start of the warm-up, of what is measured, and its end. */
static Sample start, begin, end;
static uint64_t next_look_ns;
static double units;
static bool measuring, has_cpu_clock;
static uint32_t latencies_ns[LATENCIES_MAX];
static size_t latency_count;

static uint64_t clock_ns(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) die("clock_gettime: %s", strerror(errno));
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* A file of /proc/PID, as text. */
static void read_proc(const char *name, char *text, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/%s", options.server_pid, name);
  FILE *file = fopen(path, "r");
  if (file == NULL) die("%s: %s", path, strerror(errno));
  size_t length = fread(text, 1, size - 1, file);
  fclose(file);
  text[length] = '\0';
}

/* User and system time in clock ticks, commonly of 10 ms each. */
static void proc_ticks(unsigned long *user, unsigned long *system) {
  char line[1024];
  read_proc("stat", line, sizeof line);
  /* The second field, the name, may hold anything; after its last parenthesis come fields 3, 4, ...: 14 and 15. */
  const char *rest = strrchr(line, ')');
  if (rest == NULL || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", user, system) != 2) {
    die("/proc/%ld/stat: unexpected format", options.server_pid);
  }
}

/* CPU time of all threads of the server since it began; in clock ticks where this process may not read its clock. */
static uint64_t server_cpu_ns(const Sample *sample) {
  clockid_t clock;
  struct timespec time;
  has_cpu_clock = clock_getcpuclockid((pid_t)options.server_pid, &clock) == 0 && clock_gettime(clock, &time) == 0;
  if (!has_cpu_clock) {
    return (uint64_t)(sample->user_ticks + sample->system_ticks) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
  }
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Memory that the server has resident. */
long resident_bytes(void) {
  char text[4096];
  read_proc("status", text, sizeof text);
  const char *line = strstr(text, "\nVmRSS:");
  long kib;
  if (line == NULL || sscanf(line, "\nVmRSS: %ld kB", &kib) != 1) die("no VmRSS in /proc/%ld/status", options.server_pid);
  return kib * 1024;
}

/* The CPU that the server ran on last; -1 when nobody knows. */
static int server_cpu(void) {
  char line[1024];
  read_proc("stat", line, sizeof line);
  char *rest = strrchr(line, ')');
  /* Field 39; the parenthesis ends the second. */
  for (int field = 2; rest != NULL && field < 39; field++) rest = strchr(rest + 1, ' ');
  return rest == NULL ? -1 : atoi(rest + 1);
}

static Sample take_sample(uint64_t now) {
  Sample sample = {.wall_ns = now};
  if (options.server_pid > 0) {
    proc_ticks(&sample.user_ticks, &sample.system_ticks);
    sample.cpu_ns = server_cpu_ns(&sample);
  }
  return sample;
}

void window_start(void) { start = take_sample(now_ns()); }

/*
 * Has the server used `ms` of CPU time since? In this way a measurement weighs the same whatever else runs on the machine.
 * It takes STRETCH_MAX times as long at most, in which a server that has little to do uses less.
 */
static bool has_used(const Sample *since, uint64_t now, long ms) {
  uint64_t wanted_ns = (uint64_t)ms * 1000000u, passed_ns = now - since->wall_ns;
  if (passed_ns < wanted_ns) return false;
  if (options.server_pid == 0 || passed_ns >= STRETCH_MAX * wanted_ns) return true;
  if (now < next_look_ns) return false;
  next_look_ns = now + LOOK_NS;
  return take_sample(now).cpu_ns - since->cpu_ns >= wanted_ns;
}

bool window_count(uint64_t now, double count) {
  if (!measuring) {
    if (!has_used(&start, now, options.warmup_ms)) return true;
    measuring = true;
    begin = take_sample(now);
    return true;
  }
  units += count;
  if (units < (double)options.units_max && !has_used(&begin, now, options.measure_ms)) return true;
  end = take_sample(now);
  return false;
}

/* Latencies up to 4.29 s; of very many the first million. */
void window_latency(uint64_t latency_ns) {
  if (!measuring || latency_count == LATENCIES_MAX) return;
  latencies_ns[latency_count++] = latency_ns < UINT32_MAX ? (uint32_t)latency_ns : UINT32_MAX;
}

static int compare(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return (a > b) - (a < b);
}

/* One line of JSON. */
void window_report(const char *mode) {
  double seconds = (double)(end.wall_ns - begin.wall_ns) / 1e9;
  printf("{\"mode\":\"%s\",\"connections\":%ld,\"idle\":%ld,\"size\":%ld,", mode, options.connections, options.idle,
         options.size);
  printf("\"units\":%.3f,\"seconds\":%.6f,\"unitsPerSecond\":%.3f", units, seconds, units / seconds);
  if (options.server_pid > 0) {
    printf(",\"cpuNsPerUnit\":%.1f,\"cpuShare\":%.3f,\"cpuSource\":\"%s\"", (double)(end.cpu_ns - begin.cpu_ns) / units,
           (double)(end.cpu_ns - begin.cpu_ns) / (double)(end.wall_ns - begin.wall_ns), has_cpu_clock ? "clock" : "proc");
  }
  unsigned long user = end.user_ticks - begin.user_ticks, system = end.system_ticks - begin.system_ticks;
  if (user + system > 0) printf(",\"systemShare\":%.3f", (double)system / (double)(user + system));
  printf(",\"loadCpu\":%d", sched_getcpu());
  if (options.server_pid > 0) printf(",\"serverCpu\":%d", server_cpu());
  if (latency_count > 0) {
    qsort(latencies_ns, latency_count, sizeof *latencies_ns, compare);
    printf(",\"latencyP50Us\":%.1f,\"latencyP99Us\":%.1f", latencies_ns[latency_count / 2] / 1e3,
           latencies_ns[latency_count * 99 / 100] / 1e3);
  }
  printf("}\n");
}
