/**
 * Owns waiting for an epoll set through one of Node's own handles: in worker threads of Node on Linux. Such a handle is
 * closed by Node itself however the thread ends, which a native addon's is not.
 *
 * The handle is a UDP socket's whose descriptor is replaced by a duplicate of the epoll set's before libuv first polls it.
 * When the set has something ready, libuv wakes up and tries to receive; recvmsg(2) answers ENOTSOCK, and the socket emits
 * "error". Nothing is read and nothing changes, so this repeats in every iteration while something is ready:
 * level-triggered.
 */

import { createSocket } from "node:dgram";
import { OSError } from "../../backend/errors.js";
import { AF_INET, errorCode, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "../constants.js";
import type { Libc, LinuxCalls } from "../libc.js";
import { forgetDescriptor } from "../threads/records.js";
import { EPOLL_CTL_ADD, EVENT_FD } from "../epoll-layout.js";
import type { LoopWatch, WatchedDescriptor } from "./watch.js";

/** An epoll set that this thread's event loop waits for. */
export class HandleDescriptor implements WatchedDescriptor {
  readonly #watch: LoopWatch;
  readonly #socket = createSocket("udp4");
  #closed = false;

  /** @throws OSError where there is no descriptor left */
  constructor(libc: Libc, linux: LinuxCalls, watch: LoopWatch, epollFd: number) {
    this.#watch = watch;
    const fd = libc.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw failure(libc, "socket");
    // The handle closes it, however the thread ends.
    forgetDescriptor(fd);
    this.#socket.on("error", this.#onReady);
    this.#socket.bind({ fd, exclusive: true });
    if (linux.dup3(epollFd, fd, SOCK_CLOEXEC) >= 0) return;
    const error = failure(libc, "dup3");
    this.close();
    throw error;
  }

  /** Waits for one descriptor: an epoll set of its own, which only the handle keeps open. */
  static ofOne(
    libc: Libc,
    linux: LinuxCalls,
    watch: LoopWatch,
    fd: number,
    events: number,
  ): HandleDescriptor | undefined {
    const epollFd = linux.epoll_create1(SOCK_CLOEXEC);
    if (epollFd < 0) return undefined;
    // As large as V8 keeps outside of its heap, where it does not move.
    const event = new Uint32Array(32);
    event[0] = events;
    event[EVENT_FD] = fd;
    try {
      if (linux.epoll_ctl(epollFd, EPOLL_CTL_ADD, fd, Number(libc.addressOf(event))) < 0) return undefined;
      return new HandleDescriptor(libc, linux, watch, epollFd);
    } catch {
      return undefined;
    } finally {
      libc.close(epollFd);
    }
  }

  /** Nothing to do: libuv never stops waiting for it. */
  rearm(): void {}

  setReferenced(on: boolean): void {
    if (on) this.#socket.ref();
    else this.#socket.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  readonly #onReady = (): void => {
    if (!this.#closed) this.#watch.wake();
  };
}

function failure(libc: Libc, syscall: string): OSError {
  const errno = -libc.errno();
  return new OSError(errorCode(errno), { errno, syscall });
}
