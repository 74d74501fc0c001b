// Owns the floor of JavaScript: epoll_wait, recv and send through koffi with addresses that are computed once, and nothing
// of wasyncore. What a server in JavaScript costs beyond this is its own. Knows nothing of who measures it.
//
// usage: node bench/servers/floor.mjs ROLE [READ_SIZE]      echo or http; listens on a free port; the line on stdout names it

import koffi from "koffi";

const AF_INET = 2;
const SOCK_STREAM_NONBLOCK = 0o4001;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
const MSG_NOSIGNAL = 0x4000;
const EVENTS_MAX = 1024;
/** struct epoll_event on x86-64 is packed; elsewhere its data is aligned. */
const EVENT_SIZE = process.arch === "x64" ? 12 : 16;
const DATA_OFFSET = EVENT_SIZE - 8;

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int, int, int)");
const setsockopt = libc.func("int setsockopt(int, int, int, const void *, int)");
const bind = libc.func("int bind(int, const void *, int)");
const listen = libc.func("int listen(int, int)");
const getsockname = libc.func("int getsockname(int, void *, void *)");
const accept4 = libc.func("int accept4(int, uintptr_t, uintptr_t, int)");
const close = libc.func("int close(int)");
const epollCreate = libc.func("int epoll_create1(int)");
const epollCtl = libc.func("int epoll_ctl(int, int, int, void *)");
const epollWait = libc.func("int epoll_wait(int, uintptr_t, int, int)");
const recv = libc.func("intptr_t recv(int, uintptr_t, size_t, int)");
const send = libc.func("intptr_t send(int, uintptr_t, size_t, int)");

const addressOf = (view) => Number(koffi.address(view));

function check(result, call) {
  if (result < 0) throw new Error(`${call}: errno ${koffi.errno()}`);
  return result;
}

const [role, readSizeText = "8192"] = process.argv.slice(2);
const readSize = Number(readSizeText);
const buffer = new Uint8Array(readSize);
const response = Buffer.from(
  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 22\r\nConnection: keep-alive\r\n\r\nHello from wasyncore.\n",
);
const bufferAt = addressOf(buffer);
const responseAt = addressOf(response);

const isEcho = role === "echo";
if (!isEcho && role !== "http") throw new Error(`no role "${role}"`);

const set = check(epollCreate(0), "epoll_create1");
const oneEvent = Buffer.alloc(EVENT_SIZE);
oneEvent.writeUInt32LE(EPOLLIN, 0);

function watch(fd) {
  oneEvent.writeInt32LE(fd, DATA_OFFSET);
  check(epollCtl(set, EPOLL_CTL_ADD, fd, oneEvent), "epoll_ctl");
}

const listener = check(socket(AF_INET, SOCK_STREAM_NONBLOCK, 0), "socket");
const one = Buffer.from([1, 0, 0, 0]);
check(setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, one, 4), "setsockopt");
const address = Buffer.from([AF_INET, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
check(bind(listener, address, address.length), "bind");
check(listen(listener, 4096), "listen");
check(getsockname(listener, address, Buffer.from([address.length, 0, 0, 0])), "getsockname");
watch(listener);
console.log(`listening on 127.0.0.1:${address.readUInt16BE(2)}`);

/** A short send ends the connection: what is left is nowhere kept here, and a peer with one short message never causes it. */
function serve(fd) {
  const length = recv(fd, bufferAt, readSize, 0);
  if (length > 0) {
    const size = isEcho ? length : response.length;
    if (send(fd, isEcho ? bufferAt : responseAt, size, MSG_NOSIGNAL) === size) return;
  } else if (length < 0 && koffi.errno() === koffi.os.errno.EAGAIN) {
    return;
  }
  close(fd);
}

const events = Buffer.alloc(EVENT_SIZE * EVENTS_MAX);
const descriptors = new Int32Array(events.buffer, events.byteOffset, events.length / 4);
const eventsAt = addressOf(events);
while (true) {
  const ready = epollWait(set, eventsAt, EVENTS_MAX, -1);
  for (let i = 0; i < ready; i++) {
    const fd = descriptors[(i * EVENT_SIZE + DATA_OFFSET) >> 2];
    if (fd !== listener) {
      serve(fd);
      continue;
    }
    for (let accepted; (accepted = accept4(listener, 0, 0, SOCK_STREAM_NONBLOCK & ~1)) >= 0;) watch(accepted);
  }
}
