/*
 * Owns the command line of the load, and the table of its modes. Knows no server but by its port and its process id.
 *
 * One line of JSON on stdout; what goes wrong is reported on stderr, with status 1. It ends by itself: after --limit-s at
 * the latest.
 */
#include "load.h"

#include <getopt.h>
#include <signal.h>

/* Descriptors that this program and the servers need beside the connections. */
enum { DESCRIPTORS_SPARE = 300 };

Options options = {
    .connections = 50, .size = 64, .warmup_ms = 100, .measure_ms = 300, .units_max = 100000000, .limit_s = 60};
char message[MESSAGE_MAX];

static const struct {
  const char *name;
  void (*run)(void);
} modes[] = {{"echo", run_echo},     {"push", run_push},   {"connect", run_connect}, {"http", run_http},
             {"fanout", run_fanout}, {"flood", run_flood}, {"hold", run_hold},
             {"tls-echo", run_tls_echo}, {"tls-handshake", run_tls_handshake}};

static const char usage[] =
    "usage: load MODE --port P [options]\n"
    "  echo, push, connect, http, fanout, flood, hold, tls-echo or tls-handshake; what each does opens its file\n"
    "  --server-pid PID   whose CPU time and memory to read\n"
    "  --connections N    busy connections (50)\n"
    "  --idle N           silent connections beside them (0)\n"
    "  --size BYTES       of a message, 1 to 65536 (64)\n"
    "  --warmup-ms N      CPU time of the server before what is measured (100)\n"
    "  --measure-ms N     CPU time of the server that is measured (300)\n"
    "  --units-max N      stop measuring after so many units\n"
    "  --limit-s S        the whole run fails after so many seconds (60)\n";

static void on_limit(int signal_number) {
  (void)signal_number;
  static const char text[] = "load: it has not ended within the time limit\n";
  ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
  (void)ignored;
  _exit(1);
}

static void parse_options(int argc, char **argv) {
  static const struct {
    const char *name;
    long *value;
    long min, max;
  } known[] = {
      {"port", &options.port, 1, 65535},
      {"server-pid", &options.server_pid, 1, INT32_MAX},
      {"connections", &options.connections, 1, 60000},
      {"idle", &options.idle, 0, 60000},
      {"size", &options.size, 1, MESSAGE_MAX},
      {"warmup-ms", &options.warmup_ms, 0, 60000},
      {"measure-ms", &options.measure_ms, 1, 600000},
      {"units-max", &options.units_max, 1, 1000000000},
      {"limit-s", &options.limit_s, 1, 3600},
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
  if (options.port == 0) die("--port is required");
}

int main(int argc, char **argv) {
  parse_options(argc, argv);
  if (optind != argc - 1) die("one mode is required: load --help");
  signal(SIGALRM, on_limit);
  alarm((unsigned)options.limit_s);

  long needed = options.connections + options.idle + DESCRIPTORS_SPARE;
  rlim_t limit = raise_open_files();
  if ((rlim_t)needed > limit) {
    die("%ld open files are needed here and in the server, and the hard limit (ulimit -Hn) is %llu", needed,
        (unsigned long long)limit);
  }
  for (size_t i = 0; i < sizeof message; i++) message[i] = (char)('!' + i % 94);

  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    if (strcmp(argv[optind], modes[i].name) != 0) continue;
    modes[i].run();
    if (modes[i].run != run_hold) window_report(modes[i].name);
    return 0;
  }
  die("no mode \"%s\": load --help", argv[optind]);
}
