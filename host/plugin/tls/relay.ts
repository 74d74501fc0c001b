/**
 * Owns a connection whose TLS the host has: passes bytes, half-closes and resets between the peer outside and the guest's
 * socket, as fast as either side takes them. Knows streams; knows no certificate and no queue.
 */

import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import type { TLSSocket } from "node:tls";
import { destroyTls } from "./raw.js";
import type { Holder, RelayMemory } from "./relay-memory.js";

/** How long a peer that does not read is waited for, once the guest has closed the connection. */
const FLUSH_MS = 30_000;
/** How long the peer's own end is waited for, once all output is sent. */
const LINGER_MS = 2000;

export interface RelayOptions {
  readonly outer: TLSSocket;
  /** The host's end of the connection to the guest. */
  readonly inner: Socket;
  readonly memory: RelayMemory;
  /** The guest's end was closed so as to reset the connection. */
  readonly isReset: () => boolean;
  /** It is now: by the end of its run. */
  readonly setReset: () => void;
  /** The guest's end was closed, and not only shut down for writing. */
  readonly isClosed: () => boolean;
  /** The connection beneath {@link outer}. */
  readonly raw: Socket;
  /** The same for the guest. */
  readonly resetInner: () => void;
  /** May the peer's own end be waited for? */
  readonly mayLinger: () => boolean;
  /** Both connections are closed. */
  readonly onEnd: () => void;
}

export class Relay implements Holder {
  readonly #options: RelayOptions;
  #held = 0;
  #progressAtMs = performance.now();
  #isOver = false;
  /** Has the guest closed its end? What the peer still sends is dropped. */
  #guestIsGone = false;
  #open = 2;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
    const { outer, inner, memory } = options;
    memory.add(this);
    // On a TLSSocket that no tls.Server has made, "_tlsError" is for errors of the session.
    outer.on("error", this.#outerFailed).on("_tlsError", this.#outerFailed);
    inner.on("error", this.#innerFailed);
    for (const side of [outer, inner]) side.on("close", this.#onClose);
    outer.on("end", this.#outerEnded);
    if (outer.readableEnded) this.#outerEnded();
    inner.on("end", this.#innerEnded);
    outer.on("drain", this.#resumeInner);
    inner.on("drain", this.#resumeOuter);
    outer.on("data", (data: Buffer) => this.#pass(outer, data, inner));
    inner.on("data", (data: Buffer) => this.#pass(inner, data, outer));
  }

  get held(): number {
    return this.#held;
  }

  get progressAtMs(): number {
    return this.#progressAtMs;
  }

  /** There is room in memory again. */
  resume(): void {
    this.#resumeInner();
    this.#resumeOuter();
  }

  evict(): void {
    this.reset();
  }

  /** Ends it in such a way that either side finds it reset. */
  reset(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    const { outer, raw, inner, resetInner } = this.#options;
    destroyTls(outer, raw, true);
    resetInner();
    inner.destroy();
  }

  resetByGuest(): void {
    this.#options.setReset();
    this.reset();
  }

  /** Closes it where the guest has closed it, and its output is sent: the peer's own end is not waited for any longer. */
  endIfFlushed(): boolean {
    if (this.#guestIsGone) this.#finish();
    return this.#isOver;
  }

  /** To be called when nobody can wait any longer: what is flushed is closed, the rest reset. */
  end(): void {
    if (!this.endIfFlushed()) this.reset();
  }

  #pass(from: Socket, data: Buffer, to: Socket): void {
    const isDropped = this.#isOver || (to === this.#options.inner && this.#guestIsGone);
    if (isDropped || !to.writable) return;
    const hasRoom = to.write(data, this.#progress);
    this.#measure();
    if (this.#options.memory.isFull) {
      from.pause();
      this.#options.memory.wait(this);
    } else if (!hasRoom) from.pause();
  }

  readonly #progress = (): void => {
    this.#progressAtMs = performance.now();
    this.#measure();
  };

  readonly #resumeInner = (): void => this.#resume(this.#options.inner, this.#options.outer);

  readonly #resumeOuter = (): void => this.#resume(this.#options.outer, this.#options.inner);

  #resume(from: Socket, to: Socket): void {
    if (this.#isOver || !from.isPaused() || to.writableNeedDrain) return;
    if (this.#options.memory.isFull) this.#options.memory.wait(this);
    else from.resume();
  }

  #measure(): void {
    const { outer, inner, memory } = this.#options;
    const held =
      this.#open === 0 ? 0 : outer.readableLength + outer.writableLength + inner.readableLength + inner.writableLength;
    const before = this.#held;
    this.#held = held;
    if (held !== before) memory.change(held - before);
  }

  readonly #outerEnded = (): void => {
    if (this.#guestIsGone) this.#finish();
    else if (this.#options.inner.writable) this.#options.inner.end();
  };

  readonly #innerEnded = (): void => {
    const { outer, isReset, isClosed } = this.#options;
    if (isReset()) return this.reset();
    if (isClosed()) this.#guestHasGone();
    else outer.end();
  };

  /** Sends what the guest has sent before it closed its end, and then close_notify. */
  #guestHasGone(): void {
    if (this.#guestIsGone || this.#isOver) return;
    this.#guestIsGone = true;
    const { outer, inner } = this.#options;
    inner.destroy();
    // What the peer sends from now on is read, and dropped, so that its own end arrives.
    outer.resume();
    this.#timer = setTimeout(() => this.reset(), FLUSH_MS);
    outer.end(() => {
      clearTimeout(this.#timer);
      if (outer.readableEnded || !this.#options.mayLinger()) this.#finish();
      else this.#timer = setTimeout(this.#finish, LINGER_MS).unref();
    });
  }

  readonly #finish = (): void => {
    const { outer, raw } = this.#options;
    if (this.#isOver || !outer.writableFinished) return;
    clearTimeout(this.#timer);
    this.#isOver = true;
    destroyTls(outer, raw, false);
  };

  readonly #outerFailed = (): void => this.reset();

  readonly #innerFailed = (): void => {
    if (this.#isOver) return;
    if (this.#options.isReset() || !this.#options.isClosed()) this.reset();
    // The guest has closed its end before it read everything: what it has sent is passed on nevertheless.
    else this.#guestHasGone();
  };

  readonly #onClose = (): void => {
    this.#open--;
    this.#measure();
    if (this.#open > 0) {
      // Each side is closed by the other's end, in order, unless that has failed.
      const { outer, inner } = this.#options;
      if (outer.destroyed && !inner.destroyed && !outer.readableEnded) this.reset();
      return;
    }
    clearTimeout(this.#timer);
    this.#isOver = true;
    this.#options.memory.remove(this);
    this.#options.onEnd();
  };
}
