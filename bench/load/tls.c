/*
 * Owns the modes "tls-echo" and "tls-handshake": the same as "echo" and "connect", over TLS. A unit of the second is a
 * connection that has made a whole handshake, sent one message, had its echo, and is closed. Certificates are not verified,
 * and no session is resumed. Built with OpenSSL where that is found.
 */
#include "load.h"

#ifdef WITH_OPENSSL

#include <openssl/err.h>
#include <openssl/ssl.h>

typedef struct {
  Connection connection;
  SSL *ssl;
} Secure;

static SSL_CTX *context;

__attribute__((noreturn)) static void die_of_tls(const char *what) {
  die("%s: %s", what, ERR_reason_error_string(ERR_peek_last_error()) ?: "the server closed the connection");
}

static Secure *make_connections(void) {
  context = SSL_CTX_new(TLS_client_method());
  if (context == NULL) die_of_tls("SSL_CTX_new");
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  Secure *connections = calloc((size_t)options.connections, sizeof *connections);
  if (connections == NULL) die("out of memory");
  return connections;
}

static void open_next(Secure *secure, bool blocking) {
  secure->connection = (Connection){.fd = open_socket(blocking, blocking), .sent_ns = now_ns()};
  secure->ssl = SSL_new(context);
  if (secure->ssl == NULL || SSL_set_fd(secure->ssl, secure->connection.fd) != 1) die_of_tls("SSL_new");
  SSL_set_connect_state(secure->ssl);
}

/* Has the call to be repeated when the descriptor is ready? What it waits for is watched. */
static bool has_to_wait(Secure *secure, int result, const char *what) {
  if (result > 0) return false;
  switch (SSL_get_error(secure->ssl, result)) {
    case SSL_ERROR_WANT_READ:
      change_watch(&secure->connection, EPOLLIN);
      return true;
    case SSL_ERROR_WANT_WRITE:
      change_watch(&secure->connection, EPOLLIN | EPOLLOUT);
      return true;
    default:
      die_of_tls(what);
  }
}

static void send_next(Secure *secure) {
  Connection *connection = &secure->connection;
  /* A message is shorter than any send buffer, and the one before it has come back. */
  if (SSL_write(secure->ssl, message, (int)options.size) != options.size) die_of_tls("SSL_write");
  connection->sent = options.size;
  connection->received = 0;
}

/* True when the echo is whole. */
static bool take_next(Secure *secure) {
  static char buffer[MESSAGE_MAX];
  Connection *connection = &secure->connection;
  while (connection->received < options.size) {
    int length = SSL_read(secure->ssl, buffer, (int)(options.size - connection->received));
    if (has_to_wait(secure, length, "SSL_read")) return false;
    if (memcmp(buffer, message + connection->received, (size_t)length) != 0) die("the echo differs from what was sent");
    connection->received += length;
  }
  return true;
}

void run_tls_echo(void) {
  Secure *connections = make_connections();
  for (long i = 0; i < options.connections; i++) {
    open_next(&connections[i], true);
    if (SSL_do_handshake(connections[i].ssl) != 1) die_of_tls("SSL_do_handshake");
    /* The blocking echo has the server's session tickets read as well. */
    send_next(&connections[i]);
    if (!take_next(&connections[i])) die("a blocking read would have to wait");
  }
  window_start();
  for (long i = 0; i < options.connections; i++) {
    Connection *connection = &connections[i].connection;
    set_non_blocking(connection->fd);
    watch(connection, EPOLLIN);
    connection->sent_ns = now_ns();
    send_next(&connections[i]);
  }
  static struct epoll_event events[EVENTS_MAX];
  while (1) {
    int ready = wait_events(events);
    for (int i = 0; i < ready; i++) {
      Secure *secure = events[i].data.ptr;
      if (!take_next(secure)) continue;
      uint64_t now = now_ns();
      window_latency(now - secure->connection.sent_ns);
      if (!window_count(now, 1)) return;
      secure->connection.sent_ns = now;
      send_next(secure);
    }
  }
}

void run_tls_handshake(void) {
  Secure *connections = make_connections();
  window_start();
  for (long i = 0; i < options.connections; i++) {
    open_next(&connections[i], false);
    watch(&connections[i].connection, EPOLLIN | EPOLLOUT);
  }
  static struct epoll_event events[EVENTS_MAX];
  while (1) {
    int ready = wait_events(events);
    for (int i = 0; i < ready; i++) {
      Secure *secure = events[i].data.ptr;
      Connection *connection = &secure->connection;
      if (connection->sent == 0) {
        if (has_to_wait(secure, SSL_do_handshake(secure->ssl), "SSL_do_handshake")) continue;
        change_watch(connection, EPOLLIN);
        send_next(secure);
      }
      if (!take_next(secure)) continue;
      SSL_shutdown(secure->ssl);
      SSL_free(secure->ssl);
      close(connection->fd);
      uint64_t now = now_ns();
      window_latency(now - connection->sent_ns);
      if (!window_count(now, 1)) return;
      open_next(secure, false);
      watch(connection, EPOLLIN | EPOLLOUT);
    }
  }
}

#else

void run_tls_echo(void) { die("it was built without OpenSSL"); }

void run_tls_handshake(void) { die("it was built without OpenSSL"); }

#endif
