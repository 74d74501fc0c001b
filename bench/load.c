/*
 * Owns the load: busy connections with one message outstanding each, idle ones beside them, and the server's CPU time
 * read at the first and the last counted message. Knows no server but by its port and its process id.
 *
 * One line of JSON on stdout; what goes wrong is said on stderr, with status 1.
 */
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum {
  EVENTS_MAX = 1024,
  /* Connections opened before their echoes are awaited. Below any listener's backlog, so that none is turned away. */
  BATCH_SIZE = 100,
  /* Descriptors that this program and the servers need beside the connections. */
  DESCRIPTORS_SPARE = 64,
};

static struct {
  long port, connections, idle, messages, warmup, size, limit_s, server_pid;
} options = {.connections = 50, .messages = 100000, .warmup = -1, .size = 64, .limit_s = 60};

static const char usage[] =
    "usage: load --port P [--connections N] [--idle K] [--messages M] [--warmup W] [--size BYTES]\n"
    "            [--server-pid PID] [--limit-s S]\n"
    "  --connections  busy connections, each with one message outstanding (50)\n"
    "  --idle         connections that stay silent while the others are measured (0)\n"
    "  --messages     messages counted (100000)\n"
    "  --warmup       messages before those, not counted (a tenth of --messages)\n"
    "  --size         bytes a message, 1 to 8192 (64)\n"
    "  --server-pid   whose CPU time to read\n"
    "  --limit-s      the whole run ends in failure after this many seconds (60)\n";

typedef struct {
  int fd;
  long received;
  uint64_t sent_ns;
} Connection;

static char message[ECHO_READ_SIZE];

static uint64_t now_ns(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) die("clock_gettime: %s", strerror(errno));
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* User and system time out of /proc, in jiffies: for where the process has no CPU clock that we may read. */
static uint64_t proc_cpu_ns(pid_t pid) {
  char path[32], line[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) die("%s: %s", path, strerror(errno));
  size_t length = fread(line, 1, sizeof line - 1, file);
  fclose(file);
  line[length] = '\0';
  /* The second field, the name, may hold anything; after its last parenthesis come fields 3, 4, ...: 14 and 15. */
  const char *rest = strrchr(line, ')');
  unsigned long user, system;
  if (rest == NULL || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2) {
    die("%s: not understood", path);
  }
  return (uint64_t)(user + system) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

static bool has_cpu_clock;

/* CPU time of all threads of the server, user and system, since it began. */
static uint64_t server_cpu_ns(void) {
  clockid_t clock;
  struct timespec time;
  pid_t pid = (pid_t)options.server_pid;
  has_cpu_clock = clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &time) == 0;
  if (!has_cpu_clock) return proc_cpu_ns(pid);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void on_limit(int signal_number) {
  (void)signal_number;
  static const char text[] = "load: the time limit is over (--limit-s)\n";
  ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
  (void)ignored;
  _exit(1);
}

static int open_connection(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket: %s", strerror(errno));
  /* A reset instead of a farewell: thousands of connections in TIME_WAIT would burden the runs that follow. */
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0) die("SO_LINGER: %s", strerror(errno));
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    if (errno == EADDRNOTAVAIL) {
      die("no local port is free for %ld connections: widen net.ipv4.ip_local_port_range, or ask for fewer",
          options.connections + options.idle);
    }
    die("connect to 127.0.0.1:%ld: %s", options.port, strerror(errno));
  }
  return fd;
}

static void send_message(Connection *connection) {
  connection->received = 0;
  ssize_t sent = send(connection->fd, message, (size_t)options.size, MSG_NOSIGNAL);
  if (sent < 0) die("send: %s", strerror(errno));
  if (sent != options.size) die("send took %zd of %ld bytes", sent, options.size);
}

/* Takes what is there and holds it against what was sent. True when the echo is whole. */
static bool take_echo(Connection *connection, int flags) {
  char buffer[ECHO_READ_SIZE];
  size_t missing = (size_t)(options.size - connection->received);
  ssize_t length = recv(connection->fd, buffer, missing, flags);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (length < 0) die("recv: %s", strerror(errno));
  if (length == 0) die("the server closed a connection");
  if (memcmp(buffer, message + connection->received, (size_t)length) != 0) die("the echo differs from what was sent");
  connection->received += length;
  return connection->received == options.size;
}

/* Opens connections in batches. An echo on each is the proof that the server has accepted it. */
static void open_connections(Connection *connections, long count) {
  for (long first = 0; first < count; first += BATCH_SIZE) {
    long end = first + BATCH_SIZE < count ? first + BATCH_SIZE : count;
    for (long i = first; i < end; i++) {
      connections[i].fd = open_connection();
      send_message(&connections[i]);
    }
    for (long i = first; i < end; i++) {
      while (!take_echo(&connections[i], 0)) continue;
    }
  }
}

typedef struct {
  uint64_t wall_ns, cpu_ns;
} Sample;

static Sample take_sample(void) {
  Sample sample = {.wall_ns = now_ns(CLOCK_MONOTONIC)};
  if (options.server_pid > 0) sample.cpu_ns = server_cpu_ns();
  return sample;
}

/*
 * Keeps every connection busy until warm-up and counted messages are echoed. The load does not slacken towards the
 * end: as many messages are under way at the second sample as at the first. Latencies are kept up to 4.29 s.
 */
static void run(Connection *connections, uint32_t *latencies_ns, Sample *begin, Sample *end) {
  int set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) die("epoll_create1: %s", strerror(errno));
  for (long i = 0; i < options.connections; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
    if (epoll_ctl(set, EPOLL_CTL_ADD, connections[i].fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
    connections[i].sent_ns = now_ns(CLOCK_MONOTONIC);
    send_message(&connections[i]);
  }

  static struct epoll_event events[EVENTS_MAX];
  long echoed = -options.warmup;
  if (echoed == 0) *begin = take_sample();
  while (1) {
    int ready = epoll_wait(set, events, EVENTS_MAX, -1);
    if (ready < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < ready; i++) {
      Connection *connection = events[i].data.ptr;
      if (!take_echo(connection, MSG_DONTWAIT)) continue;
      uint64_t now = now_ns(CLOCK_MONOTONIC);
      uint64_t latency_ns = now - connection->sent_ns;
      if (echoed >= 0) latencies_ns[echoed] = latency_ns < UINT32_MAX ? (uint32_t)latency_ns : UINT32_MAX;
      echoed++;
      if (echoed == 0) *begin = take_sample();
      if (echoed == options.messages) {
        *end = take_sample();
        return;
      }
      connection->sent_ns = now;
      send_message(connection);
    }
  }
}

static int compare(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return (a > b) - (a < b);
}

static void report(uint32_t *latencies_ns, Sample begin, Sample end) {
  long count = options.messages;
  qsort(latencies_ns, (size_t)count, sizeof *latencies_ns, compare);
  double seconds = (double)(end.wall_ns - begin.wall_ns) / 1e9;
  printf("{\"connections\":%ld,\"idle\":%ld,\"size\":%ld,\"messages\":%ld,\"seconds\":%.6f,\"messagesPerSecond\":%.0f,",
         options.connections, options.idle, options.size, count, seconds, (double)count / seconds);
  printf("\"latencyP50Us\":%.1f,\"latencyP99Us\":%.1f,", latencies_ns[count / 2] / 1e3,
         latencies_ns[count * 99 / 100] / 1e3);
  if (options.server_pid > 0) {
    printf("\"cpuNsPerMessage\":%.1f,\"cpuSource\":\"%s\"}\n", (double)(end.cpu_ns - begin.cpu_ns) / (double)count,
           has_cpu_clock ? "clock" : "proc");
  } else {
    printf("\"cpuNsPerMessage\":null,\"cpuSource\":null}\n");
  }
}

static void parse_options(int argc, char **argv) {
  static const struct {
    const char *name;
    long *value;
    long min, max;
  } known[] = {
      {"port", &options.port, 1, 65535},         {"connections", &options.connections, 1, 60000},
      {"idle", &options.idle, 0, 60000},         {"messages", &options.messages, 1, 100000000},
      {"warmup", &options.warmup, 0, 100000000}, {"size", &options.size, 1, ECHO_READ_SIZE},
      {"limit-s", &options.limit_s, 1, 3600},    {"server-pid", &options.server_pid, 1, INT32_MAX},
  };
  enum { KNOWN = sizeof known / sizeof *known };
  struct option names[KNOWN + 2] = {[KNOWN] = {"help", no_argument, NULL, 'h'}};
  for (int i = 0; i < KNOWN; i++) names[i] = (struct option){known[i].name, required_argument, NULL, 0};

  int index, result;
  while ((result = getopt_long(argc, argv, "h", names, &index)) != -1) {
    if (result == 'h') {
      fputs(usage, stdout);
      exit(0);
    }
    if (result != 0) exit(1);
    *known[index].value = parse_number(known[index].name, optarg, known[index].min, known[index].max);
  }
  if (optind < argc) die("unexpected argument \"%s\"", argv[optind]);
  if (options.port == 0) die("--port is required");
  if (options.warmup < 0) options.warmup = options.messages / 10;
}

int main(int argc, char **argv) {
  parse_options(argc, argv);
  signal(SIGALRM, on_limit);
  alarm((unsigned)options.limit_s);

  long connections_total = options.connections + options.idle;
  rlim_t limit = raise_open_files();
  if ((rlim_t)(connections_total + DESCRIPTORS_SPARE) > limit) {
    die("%ld connections need %ld open files here and in the server, and the hard limit (RLIMIT_NOFILE, ulimit -Hn) "
        "is %llu: raise it, or ask for fewer connections",
        connections_total, connections_total + DESCRIPTORS_SPARE, (unsigned long long)limit);
  }

  for (size_t i = 0; i < sizeof message; i++) message[i] = (char)('!' + i % 94);
  Connection *connections = calloc((size_t)connections_total, sizeof *connections);
  uint32_t *latencies_ns = calloc((size_t)options.messages, sizeof *latencies_ns);
  if (connections == NULL || latencies_ns == NULL) die("out of memory");

  Sample begin, end;
  open_connections(connections, connections_total);
  run(connections, latencies_ns, &begin, &end);
  report(latencies_ns, begin, end);
  free(latencies_ns);
  free(connections);
  return 0;
}
