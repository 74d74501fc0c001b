/*
 * Owns the server on libuv, as a C program would write it: uv_read_start with one buffer for all, uv_try_write, and
 * uv_write for what that did not take. Knows nothing of who measures it.
 *
 * usage: uv ROLE [READ_SIZE [TARGET_PORT]]      listens on a free port; the line on stdout names it
 */
#include "../common.h"

#include <stdbool.h>
#include <uv.h>

enum { BACKLOG = 4096, PUSH_SIZE = 1 << 20, PROXY_READ_SIZE = 65536 };

typedef struct Peer Peer;

struct Peer {
  uv_tcp_t tcp;
  /* The proxy's other side. */
  Peer *other;
  /* Fan-out: neighbours in the ring of all. */
  Peer *next, *previous;
  size_t writing;
};

typedef struct {
  uv_write_t request;
  Peer *peer;
  size_t length;
  char data[];
} Write;

static uv_loop_t *loop;
static size_t read_size = 8192;
static long target_port;
static char input[65536], pushed[PUSH_SIZE];
static Peer ring = {.next = &ring, .previous = &ring};

static void check(int status, const char *call) {
  if (status < 0) die("%s: %s", call, uv_strerror(status));
}

static void closed(uv_handle_t *handle) { free(handle->data); }

static void end(Peer *peer) {
  if (uv_is_closing((uv_handle_t *)&peer->tcp)) return;
  if (peer->next != NULL) {
    peer->next->previous = peer->previous;
    peer->previous->next = peer->next;
  }
  uv_close((uv_handle_t *)&peer->tcp, closed);
  if (peer->other != NULL) end(peer->other);
}

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)handle;
  (void)suggested;
  *buffer = uv_buf_init(input, (unsigned)read_size);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer);

static void written(uv_write_t *request, int status) {
  Write *write = (Write *)request;
  Peer *peer = write->peer;
  peer->writing -= write->length;
  free(write);
  if (status < 0) return;
  Peer *source = peer->other == NULL ? peer : peer->other;
  if (peer->writing == 0 && !uv_is_closing((uv_handle_t *)&source->tcp)) {
    uv_read_start((uv_stream_t *)&source->tcp, allocate, on_read);
  }
}

/* Sends all; a copy of what the kernel does not take is kept. `constant` data needs no copy. */
static void send_all(Peer *peer, char *data, size_t length, bool constant) {
  uv_buf_t buffer = uv_buf_init(data, (unsigned)length);
  int sent = peer->writing > 0 ? UV_EAGAIN : uv_try_write((uv_stream_t *)&peer->tcp, &buffer, 1);
  if (sent == UV_EAGAIN) sent = 0;
  if (sent < 0) {
    end(peer);
    return;
  }
  size_t left = length - (size_t)sent;
  if (left == 0) return;
  Write *write = malloc(sizeof *write + (constant ? 0 : left));
  if (write == NULL) die("out of memory");
  write->peer = peer;
  write->length = left;
  char *source = data + sent;
  if (!constant) source = memcpy(write->data, source, left);
  buffer = uv_buf_init(source, (unsigned)left);
  peer->writing += left;
  check(uv_write(&write->request, (uv_stream_t *)&peer->tcp, &buffer, 1, written), "uv_write");
}

/* What a role does with what has come. */

static void echo(Peer *peer, size_t length) {
  send_all(peer, input, length, false);
  if (peer->writing > 0) uv_read_stop((uv_stream_t *)&peer->tcp);
}

static void push(Peer *peer, size_t length) {
  (void)length;
  send_all(peer, pushed, PUSH_SIZE, true);
}

static void proxy(Peer *peer, size_t length) {
  send_all(peer->other, input, length, false);
  if (peer->other->writing > 0) uv_read_stop((uv_stream_t *)&peer->tcp);
}

static void http(Peer *peer, size_t length) {
  static char response[] =
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 22\r\nConnection: keep-alive\r\n\r\n"
      "Hello from wasyncore.\n";
  bool is_get = length > 4 && memcmp(input, "GET ", 4) == 0 && memmem(input, length, "\r\n\r\n", 4) != NULL;
  if (is_get) send_all(peer, response, sizeof response - 1, true);
  else end(peer);
}

static void fanout(Peer *peer, size_t length) {
  Peer *next;
  for (Peer *each = ring.next; each != &ring; each = next) {
    next = each->next;
    if (each != peer) send_all(each, input, length, false);
  }
}

static const struct {
  const char *name;
  void (*received)(Peer *peer, size_t length);
} roles[] = {{"echo", echo}, {"push", push}, {"proxy", proxy}, {"http", http}, {"fanout", fanout}};

static size_t role;

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer) {
  (void)buffer;
  if (length < 0) end(stream->data);
  else if (length > 0) roles[role].received(stream->data, (size_t)length);
}

static Peer *new_peer(void) {
  Peer *peer = calloc(1, sizeof *peer);
  if (peer == NULL) die("out of memory");
  peer->tcp.data = peer;
  check(uv_tcp_init(loop, &peer->tcp), "uv_tcp_init");
  return peer;
}

static void connected(uv_connect_t *request, int status) {
  Peer *far = request->data;
  free(request);
  if (status < 0) {
    end(far);
    return;
  }
  check(uv_tcp_nodelay(&far->tcp, 1), "uv_tcp_nodelay");
  uv_read_start((uv_stream_t *)&far->tcp, allocate, on_read);
  uv_read_start((uv_stream_t *)&far->other->tcp, allocate, on_read);
}

static void connect_target(Peer *near) {
  Peer *far = new_peer();
  near->other = far;
  far->other = near;
  struct sockaddr_in address;
  check(uv_ip4_addr("127.0.0.1", (int)target_port, &address), "uv_ip4_addr");
  uv_connect_t *request = malloc(sizeof *request);
  if (request == NULL) die("out of memory");
  request->data = far;
  check(uv_tcp_connect(request, &far->tcp, (struct sockaddr *)&address, connected), "uv_tcp_connect");
}

static void accepted(uv_stream_t *listener, int status) {
  check(status, "listener");
  Peer *peer = new_peer();
  check(uv_accept(listener, (uv_stream_t *)&peer->tcp), "uv_accept");
  if (roles[role].received == fanout) {
    peer->next = ring.next;
    peer->previous = &ring;
    ring.next->previous = peer;
    ring.next = peer;
  }
  if (roles[role].received == proxy) connect_target(peer);
  else uv_read_start((uv_stream_t *)&peer->tcp, allocate, on_read);
}

int main(int argc, char **argv) {
  if (argc < 2 || argc > 4) die("usage: uv ROLE [READ_SIZE [TARGET_PORT]]");
  enum { ROLES = sizeof roles / sizeof *roles };
  while (role < ROLES && strcmp(roles[role].name, argv[1]) != 0) role++;
  if (role == ROLES) die("no role \"%s\"", argv[1]);
  if (argc > 2) read_size = (size_t)parse_number("READ_SIZE", argv[2], 1, 65536);
  if (argc > 3) target_port = parse_number("TARGET_PORT", argv[3], 1, 65535);
  if (roles[role].received == proxy) read_size = PROXY_READ_SIZE;
  for (size_t i = 0; i < PUSH_SIZE; i++) pushed[i] = (char)i;
  raise_open_files();
  signal(SIGPIPE, SIG_IGN);

  loop = uv_default_loop();
  uv_tcp_t listener;
  struct sockaddr_in address;
  int length = sizeof address;
  check(uv_tcp_init(loop, &listener), "uv_tcp_init");
  check(uv_ip4_addr("127.0.0.1", 0, &address), "uv_ip4_addr");
  check(uv_tcp_bind(&listener, (struct sockaddr *)&address, 0), "uv_tcp_bind");
  /* Connections that it accepts inherit it. */
  check(uv_tcp_nodelay(&listener, 1), "uv_tcp_nodelay");
  check(uv_listen((uv_stream_t *)&listener, BACKLOG, accepted), "uv_listen");
  check(uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &length), "uv_tcp_getsockname");
  printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}
