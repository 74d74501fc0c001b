/**
 * Owns taking connections from a listening socket on the host's own event loop, in a way that can be paused: what is not
 * taken waits in the kernel's backlog. Knows no TLS.
 */

import type { Backend, SocketAddress } from "../../backend/backend.js";
import { ReadWatch } from "./read-watch.js";

/** So many connections are taken before the event loop goes on: to the handshakes of those that were taken before. */
const ACCEPT_MAX = 16;
/** For how long nothing is taken when the process has no descriptor left. */
const RETRY_MS = 100;

export interface AcceptorOptions {
  /** May one more be taken now? Asked again after {@link Acceptor.check}. */
  readonly mayAccept: () => boolean;
  /** Owns the descriptor. */
  readonly onConnection: (fd: number, address: SocketAddress) => void;
  /** accept(2) has failed for want of descriptors or memory: a code such as "EMFILE". */
  readonly onFailure: (code: string) => void;
}

export class Acceptor {
  readonly #backend: Backend;
  readonly #fd: number;
  readonly #options: AcceptorOptions;
  readonly #watch: ReadWatch;
  #retry: NodeJS.Timeout | undefined;

  constructor(backend: Backend, fd: number, options: AcceptorOptions) {
    this.#backend = backend;
    this.#fd = fd;
    this.#options = options;
    this.#watch = new ReadWatch(backend, fd, this.#accept);
    this.check();
  }

  /** Goes on, or pauses, as `mayAccept` says. */
  check(): void {
    this.#watch.set(this.#retry === undefined && this.#options.mayAccept());
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#watch.close();
  }

  readonly #accept = (): void => {
    for (let count = 0; count < ACCEPT_MAX && !this.#watch.isClosed && this.#options.mayAccept(); count++) {
      const accepted = this.#backend.accept(this.#fd);
      if (typeof accepted !== "number") {
        this.#options.onConnection(accepted.fd, accepted.address);
        continue;
      }
      const code = this.#backend.errorCode(accepted);
      if (code === "ECONNABORTED") continue;
      if (code !== "EAGAIN" && code !== "EWOULDBLOCK") this.#rest(code);
      break;
    }
    this.check();
  };

  /** It would be found ready without end. */
  #rest(code: string): void {
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.check();
    }, RETRY_MS).unref();
    this.#options.onFailure(code);
  }
}
