/**
 * Owns the foreign function interface: every signature of libc that the Node backend calls. Knows no constant, no layout and
 * no meaning of a result.
 *
 * Nothing is loaded until {@link loadLibc} is called, so that importing the package does no harm where there is no
 * libc. A view is passed as the address of its first byte: libc reads and writes the view's own memory, no copy is
 * made. The view is kept alive by the caller for the length of the call, and no call keeps an address.
 */

import { bindFiles, type FileLibc } from "./libc-files.js";
import { koffiPath, loadKoffi } from "./koffi.js";

/** A pointer argument: a view, or an address (0n is NULL). */
export type Pointer = NodeJS.ArrayBufferView | bigint;

/** Calls that only Linux has, or that are made on Linux only. */
export interface LinuxCalls {
  /** `address` and `length` are addresses. */
  accept4(fd: number, address: number, length: number, flags: number): number;
  dup3(fd: number, newFd: number, flags: number): number;
  pipe2(descriptors: Pointer, flags: number): number;
  epoll_create1(flags: number): number;
  /** `event` is an address. */
  epoll_ctl(epollFd: number, operation: number, fd: number, event: number): number;
  /** `events` is an address. */
  epoll_wait(epollFd: number, events: number, capacity: number, timeoutMs: number): number;
  timerfd_create(clock: number, flags: number): number;
  timerfd_settime(fd: number, flags: number, setting: Pointer, former: Pointer): number;
  /** getsockopt(2) with addresses. */
  getsockoptAt(fd: number, level: number, option: number, value: number, length: number): number;
  /** Returns an error number rather than setting errno. */
  pthread_sigmask(how: number, set: Pointer, previous: Pointer): number;
  /** A call that libc has no function for. Pointers are addresses. */
  syscall(number: number, a: number, b: number, c: number, d: number, e: number): number;
}

/** A descriptor that Node's own loop watches. */
export interface LoopPoll {
  start(events: LoopPollEvents, callback: LoopPollCallback): void;
  ref(): void;
  unref(): void;
  close(): void;
}

export interface LoopPollEvents {
  readonly readable: boolean;
  readonly writable: boolean;
}

/** `status` is negative when libuv has stopped watching, as it does on POLLERR. */
export type LoopPollCallback = (status: number) => void;

/** An event loop of libuv, by its functions for embedding it in another loop. */
export interface EmbeddedLoop {
  /** The epoll set in which it waits. */
  readonly backendFd: number;
  /**
   * How long it would wait, in milliseconds, without a limit -1; 0 if it has something to do, or has yet to bring its epoll set up to
   * date. Counted from {@link nowMs}.
   */
  timeoutMs(): number;
  /** What it read last from the clock CLOCK_MONOTONIC, in whole milliseconds. */
  nowMs(): number;
  /** Has it read the clock, as it does itself after a wait. */
  updateTime(): void;
}

/** libc's calls: results as C gives them, -1 with {@link Libc.errno} for a failure. */
export interface Libc {
  /** errno of the last call. To be read before anything else is called. */
  errno(): number;
  /**
   * Watches `fd` on Node's own loop. Aborts the process if libuv refuses the descriptor: because it is not open, cannot
   * be polled (a regular file), or is watched by this loop already.
   */
  pollOnLoop(fd: number, events: LoopPollEvents, callback: LoopPollCallback): LoopPoll;
  /** The event loop of this thread; undefined where libuv's functions cannot be found. */
  embeddedLoop(): EmbeddedLoop | undefined;
  /** The address of a view's first byte; to be used while the view is alive. */
  addressOf(view: NodeJS.ArrayBufferView): bigint;

  socket(domain: number, type: number, protocol: number): number;
  socketpair(domain: number, type: number, protocol: number, descriptors: Pointer): number;
  bind(fd: number, address: Pointer, length: number): number;
  listen(fd: number, backlog: number): number;
  accept(fd: number, address: Pointer, length: Pointer): number;
  connect(fd: number, address: Pointer, length: number): number;
  shutdown(fd: number, how: number): number;
  recv(fd: number, target: Pointer, length: number, flags: number): number;
  send(fd: number, data: Pointer, length: number, flags: number): number;
  /** The same with addresses, which are the fastest to pass. */
  recvAt(fd: number, target: number, length: number, flags: number): number;
  sendAt(fd: number, data: number, length: number, flags: number): number;
  recvfromAt(
    fd: number,
    target: number,
    length: number,
    flags: number,
    address: Pointer,
    addressLength: Pointer,
  ): number;
  sendtoAt(fd: number, data: number, length: number, flags: number, address: Pointer, addressLength: number): number;
  sendmsg(fd: number, message: Pointer, flags: number): number;
  recvmsg(fd: number, message: Pointer, flags: number): number;
  getsockopt(fd: number, level: number, option: number, value: Pointer, length: Pointer): number;
  setsockopt(fd: number, level: number, option: number, value: Pointer, length: number): number;
  getsockname(fd: number, address: Pointer, length: Pointer): number;
  getpeername(fd: number, address: Pointer, length: Pointer): number;

  readAt(fd: number, target: number, length: number): number;
  writeAt(fd: number, data: number, length: number): number;
  pipe(descriptors: Pointer): number;
  close(fd: number): number;
  /** fcntl(2) with an int. */
  fcntl(fd: number, command: number, value: number): number;
  /** ioctl(2) with a pointer. */
  ioctl(fd: number, request: number, value: Pointer): number;
  poll(descriptors: Pointer, count: number, timeoutMs: number): number;
  pollAt(descriptors: number, count: number, timeoutMs: number): number;
  clock_gettime(clock: number, time: Pointer): number;

  inet_pton(family: number, text: string, target: Pointer): number;
  inet_ntop(family: number, address: Pointer, target: Pointer, capacity: number): bigint | null;
  if_nametoindex(name: string): number;
  if_indextoname(index: number, target: Pointer): bigint | null;
  /** Writes the address of the list to `result`; free it with freeaddrinfo. */
  getaddrinfo(host: string, service: bigint, hints: Pointer, result: Pointer): number;
  freeaddrinfo(list: bigint): void;
  /** Copies memory at an address into a view. */
  memcpy(target: NodeJS.ArrayBufferView, source: bigint, length: number): void;

  /** The calls on files and paths, bound at the first use; undefined on other platforms, or where libc lacks them. */
  files(): FileLibc | undefined;
  /** undefined on other platforms. */
  readonly linux: LinuxCalls | undefined;
}

// The signatures that another thread of the process binds as well.
const READ = "intptr_t read(int fd, void *target, size_t length)";
// nfds_t is unsigned long on Linux and unsigned int elsewhere: both are passed in one register.
const POLL = "int poll(void *descriptors, unsigned long count, int timeoutMs)";

/** What another thread needs to call poll(2) and read(2): where koffi is, and the signatures. */
export interface ThreadBinding {
  readonly koffi: string;
  readonly poll: string;
  readonly read: string;
}

export function threadBinding(): ThreadBinding {
  return { koffi: koffiPath(), poll: POLL, read: READ };
}

let loaded: Libc | undefined;

/**
 * libc of this process, loaded at the first call.
 * @throws UnsupportedPlatformError where there is no libc that the backend knows, or no koffi for the platform.
 */
export function loadLibc(): Libc {
  loaded ??= bindLibc();
  return loaded;
}

/** ssize_t is intptr_t here: koffi does not know the name. */
function bindLibc(): Libc {
  const koffi = loadKoffi();
  const library = koffi.load(null);
  const bind = <F extends keyof Libc>(signature: string): Libc[F] => library.func(signature) as unknown as Libc[F];
  const fcntl = library.func("int fcntl(int fd, int command, ...)");
  let files: FileLibc | undefined;
  const ioctl = library.func("int ioctl(int fd, unsigned long request, ...)");

  return {
    errno: koffi.errno,
    pollOnLoop: (fd, events, callback) =>
      koffi.node.poll(fd, events, callback as unknown as () => void) as unknown as LoopPoll,
    embeddedLoop: () => bindLoop(koffi, library),
    addressOf: koffi.address,

    socket: bind<"socket">("int socket(int domain, int type, int protocol)"),
    socketpair: bind<"socketpair">("int socketpair(int domain, int type, int protocol, void *descriptors)"),
    bind: bind<"bind">("int bind(int fd, const void *address, uint32_t length)"),
    listen: bind<"listen">("int listen(int fd, int backlog)"),
    accept: bind<"accept">("int accept(int fd, void *address, void *length)"),
    connect: bind<"connect">("int connect(int fd, const void *address, uint32_t length)"),
    shutdown: bind<"shutdown">("int shutdown(int fd, int how)"),
    recv: bind<"recv">("intptr_t recv(int fd, void *target, size_t length, int flags)"),
    send: bind<"send">("intptr_t send(int fd, const void *data, size_t length, int flags)"),
    recvAt: bind<"recvAt">("intptr_t recv(int fd, uintptr_t target, size_t length, int flags)"),
    sendAt: bind<"sendAt">("intptr_t send(int fd, uintptr_t data, size_t length, int flags)"),
    recvfromAt: bind<"recvfromAt">(
      "intptr_t recvfrom(int fd, uintptr_t target, size_t length, int flags, void *address, void *addressLength)",
    ),
    sendtoAt: bind<"sendtoAt">(
      "intptr_t sendto(int fd, uintptr_t data, size_t length, int flags, const void *address, uint32_t addressLength)",
    ),
    sendmsg: bind<"sendmsg">("intptr_t sendmsg(int fd, const void *message, int flags)"),
    recvmsg: bind<"recvmsg">("intptr_t recvmsg(int fd, void *message, int flags)"),
    getsockopt: bind<"getsockopt">("int getsockopt(int fd, int level, int option, void *value, void *length)"),
    setsockopt: bind<"setsockopt">("int setsockopt(int fd, int level, int option, const void *value, uint32_t length)"),
    getsockname: bind<"getsockname">("int getsockname(int fd, void *address, void *length)"),
    getpeername: bind<"getpeername">("int getpeername(int fd, void *address, void *length)"),

    readAt: bind<"readAt">("intptr_t read(int fd, uintptr_t target, size_t length)"),
    writeAt: bind<"writeAt">("intptr_t write(int fd, uintptr_t data, size_t length)"),
    pipe: bind<"pipe">("int pipe(void *descriptors)"),
    close: bind<"close">("int close(int fd)"),
    fcntl: (fd, command, value) => fcntl(fd, command, "int", value) as number,
    ioctl: (fd, request, value) => ioctl(fd, request, "void *", value) as number,
    poll: bind<"poll">(POLL),
    pollAt: bind<"pollAt">("int poll(uintptr_t descriptors, unsigned long count, int timeoutMs)"),
    clock_gettime: bind<"clock_gettime">("int clock_gettime(int clock, void *time)"),

    inet_pton: bind<"inet_pton">("int inet_pton(int family, const char *text, void *target)"),
    inet_ntop: bind<"inet_ntop">("void *inet_ntop(int family, const void *address, void *target, uint32_t capacity)"),
    if_nametoindex: bind<"if_nametoindex">("unsigned int if_nametoindex(const char *name)"),
    if_indextoname: bind<"if_indextoname">("void *if_indextoname(unsigned int index, void *target)"),
    getaddrinfo: bind<"getaddrinfo">(
      "int getaddrinfo(const char *host, const void *service, const void *hints, void *result)",
    ),
    freeaddrinfo: bind<"freeaddrinfo">("void freeaddrinfo(void *list)"),
    memcpy: bind<"memcpy">("void memcpy(void *target, const void *source, size_t length)"),

    files: () => (files ??= process.platform === "linux" ? bindFiles(library) : undefined),
    linux: process.platform === "linux" ? bindLinux(library) : undefined,
  };
}

function bindLoop(
  koffi: typeof import("koffi"),
  library: ReturnType<(typeof import("koffi"))["load"]>,
): EmbeddedLoop | undefined {
  try {
    const found = new BigUint64Array(1);
    const find = library.func("int napi_get_uv_event_loop(void *environment, void *loop)");
    if (find(koffi.node.env, found) !== 0) return undefined;
    const loop = Number(found[0]);
    const backendFd = library.func("int uv_backend_fd(uintptr_t loop)");
    const timeoutMs = library.func("int uv_backend_timeout(uintptr_t loop)");
    const nowMs = library.func("uint64_t uv_now(uintptr_t loop)");
    const updateTime = library.func("void uv_update_time(uintptr_t loop)");
    return {
      backendFd: backendFd(loop) as number,
      timeoutMs: () => timeoutMs(loop) as number,
      nowMs: () => Number(nowMs(loop)),
      updateTime: () => updateTime(loop) as undefined,
    };
  } catch {
    // This Node does not export them.
    return undefined;
  }
}

function bindLinux(library: ReturnType<(typeof import("koffi"))["load"]>): LinuxCalls {
  const bind = <F extends keyof LinuxCalls>(signature: string): LinuxCalls[F] =>
    library.func(signature) as unknown as LinuxCalls[F];
  return {
    accept4: bind<"accept4">("int accept4(int fd, uintptr_t address, uintptr_t length, int flags)"),
    dup3: bind<"dup3">("int dup3(int fd, int newFd, int flags)"),
    pipe2: bind<"pipe2">("int pipe2(void *descriptors, int flags)"),
    epoll_create1: bind<"epoll_create1">("int epoll_create1(int flags)"),
    epoll_ctl: bind<"epoll_ctl">("int epoll_ctl(int epollFd, int operation, int fd, uintptr_t event)"),
    epoll_wait: bind<"epoll_wait">("int epoll_wait(int epollFd, uintptr_t events, int capacity, int timeoutMs)"),
    timerfd_create: bind<"timerfd_create">("int timerfd_create(int clock, int flags)"),
    timerfd_settime: bind<"timerfd_settime">(
      "int timerfd_settime(int fd, int flags, const void *setting, void *former)",
    ),
    getsockoptAt: bind<"getsockoptAt">(
      "int getsockopt(int fd, int level, int option, uintptr_t value, uintptr_t length)",
    ),
    pthread_sigmask: bind<"pthread_sigmask">("int pthread_sigmask(int how, const void *set, void *previous)"),
    syscall: bind<"syscall">("long syscall(long number, intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e)"),
  };
}
