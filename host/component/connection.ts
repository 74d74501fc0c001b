/**
 * Owns a connection of a component: its descriptor, what was written and is not sent yet, and its two streams. Knows the backend seam;
 * knows no state before it.
 */

import { type Backend, Ready } from "../backend/backend.js";
import type { Failed } from "./abi.js";
import type { Poller } from "./polling.js";
import { type Unsent, Watch } from "./watch.js";
import type { HostBytes, Resource } from "./resources.js";
import type { SocketWorld } from "./socket-world.js";
import { CLOSED, failedWith, InputStream, NOTHING, OutputStream, readBuffer, type StreamError } from "./streams.js";
import { Trap } from "./trap.js";

/** How much a stream takes before the kernel has taken all of it. */
const WRITE_MAX = 65_536;

/** The descriptor of a socket, and what its streams share. */
export class Connection implements Unsent {
  fd: number;
  watch: Watch;
  /** "" once connected, or a code; undefined until it is known. */
  connected: string | undefined = "";
  inputIsClosed = false;
  /** Why nothing can be written any more; undefined while it can. */
  outputEnd: Failed<StreamError> | undefined;
  #unsent: Uint8Array | undefined;
  /** As many as the host counts for it. */
  #unsentBytes = 0;
  #shutsDown = false;
  #isClosing = false;
  #isLent = false;
  /** Who uses it, in addition to its socket. */
  #users = 0;
  readonly #backend: Backend;
  readonly #poller: Poller;
  readonly #bytes: HostBytes;
  readonly #world: SocketWorld;

  constructor(world: SocketWorld, fd: number) {
    this.#world = world;
    this.#backend = world.backend;
    this.#poller = world.poller;
    this.#bytes = world.bytes;
    this.fd = fd;
    this.watch = new Watch(fd);
  }

  /** Takes one of the host's sockets in the place of its own. */
  replace(fd: number): void {
    this.#poller.forget(this.watch);
    this.#backend.close(this.fd);
    this.fd = fd;
    this.watch = new Watch(fd);
  }

  /** "" when it is connected, a code when that has failed; undefined while neither is known. */
  connectResult(): string | undefined {
    if (this.connected !== undefined) return this.connected;
    if (!this.#poller.isReady({ ...NO_SOURCE, watch: this.watch, interest: Ready.WRITE })) return undefined;
    const taken = this.watch.takeError();
    const error = taken === 0 ? this.#backend.getOption(this.fd, "SO_ERROR") : taken;
    this.connected = error === 0 ? "" : this.#backend.errorCode(-Math.abs(error));
    return this.connected;
  }

  get isSending(): boolean {
    return this.#unsent !== undefined;
  }

  receive(length: number): Uint8Array | Failed<StreamError> {
    const received = this.receiveTo(readBuffer, length);
    if (typeof received === "number") return received === 0 ? NOTHING : readBuffer.subarray(0, received);
    return received === "" ? CLOSED : failedWith(received);
  }

  /** @returns how many bytes, 0 where nothing has arrived; at the end of input "", or why it has failed */
  receiveTo(target: Uint8Array, length: number): number | string {
    const result = this.#backend.recv(this.fd, target, length);
    if (result > 0) return result;
    // At the end of input, what a wait has found says more.
    const errno = result === 0 ? this.watch.takeError() : result;
    if (errno !== 0 && this.#isAgain(errno)) return 0;
    this.inputIsClosed = true;
    return errno === 0 ? "" : this.#backend.errorCode(errno);
  }

  /** Sends what the kernel takes, and keeps nothing. @returns how many bytes, 0 where it takes none now; or why it has failed */
  sendSome(data: Uint8Array): number | string {
    const sent = this.#backend.send(this.fd, data);
    if (sent >= 0) return sent;
    return this.#isAgain(sent) ? 0 : this.#failure(sent);
  }

  send(data: Uint8Array): Failed<StreamError> | undefined {
    const sent = this.#backend.send(this.fd, data);
    if (sent === data.length) return undefined;
    if (sent < 0 && !this.#isAgain(sent)) return this.#fail(sent);
    const rest = data.slice(Math.max(0, sent));
    if (!this.#bytes.take(rest.length)) {
      this.outputEnd = CLOSED;
      return failedWith("ENOBUFS");
    }
    this.#unsentBytes = rest.length;
    this.#unsent = rest;
    this.#poller.addUnsent(this);
    return undefined;
  }

  flush(): boolean {
    while (this.#unsent !== undefined) {
      const sent = this.#backend.send(this.fd, this.#unsent);
      if (sent < 0) {
        if (this.#isAgain(sent)) return false;
        this.outputEnd ??= this.#fail(sent);
        this.#unsent = undefined;
      } else this.#unsent = sent === this.#unsent.length ? undefined : this.#unsent.subarray(sent);
    }
    if (this.#shutsDown) this.#backend.shutdown(this.fd, "write");
    this.abandon();
    return true;
  }

  abandon(): void {
    this.#unsent = undefined;
    this.#bytes.give(this.#unsentBytes);
    this.#unsentBytes = 0;
    if (this.#isClosing) this.#close();
  }

  shutdownInput(): void {
    this.#backend.shutdown(this.fd, "read");
    this.inputIsClosed = true;
  }

  shutdownOutput(): void {
    if (this.outputEnd !== undefined) return;
    this.outputEnd = CLOSED;
    if (this.#unsent === undefined) this.#backend.shutdown(this.fd, "write");
    else this.#shutsDown = true;
  }

  /** It stays open for this user, whatever its socket does. */
  use(): void {
    this.#users += 1;
  }

  leave(): void {
    this.#users -= 1;
    if (this.#isClosing) this.#close();
  }

  /** Closes it, once what was written is sent and nobody uses it. @param isLent the host's, which gets it back */
  close(isLent: boolean): void {
    this.#isClosing = true;
    this.#isLent = isLent;
    this.#close();
  }

  #close(): void {
    if (this.#users > 0 || this.#unsent !== undefined) return;
    this.#poller.forget(this.watch);
    if (this.#isLent) this.#world.returnListener(this.fd);
    else this.#backend.close(this.fd);
  }

  #isAgain(errno: number): boolean {
    const code = this.#backend.errorCode(errno);
    return code === "EAGAIN" || code === "EWOULDBLOCK";
  }

  #failure(errno: number): string {
    const pending = this.watch.takeError();
    return this.#backend.errorCode(pending === 0 ? errno : pending);
  }

  #fail(errno: number): Failed<StreamError> {
    const code = this.#failure(errno);
    this.outputEnd = CLOSED;
    return code === "EPIPE" ? CLOSED : failedWith(code);
  }
}

const NO_SOURCE = { deadlineNs: Infinity, isImmediate: () => false };

export class TcpInput extends InputStream {
  readonly interest = Ready.READ;
  readonly #connection: Connection;

  constructor(socket: Resource, connection: Connection) {
    super(socket);
    this.#connection = connection;
  }

  get watch(): Watch {
    return this.#connection.watch;
  }

  isImmediate(): boolean {
    return this.#connection.inputIsClosed;
  }

  protected override get isEnded(): boolean {
    return this.#connection.inputIsClosed;
  }

  protected override take(length: number): Uint8Array | Failed<StreamError> {
    return this.#connection.receive(length);
  }

  override release(): void {
    // Its socket closes it.
  }
}

export class TcpOutput extends OutputStream {
  readonly interest = Ready.WRITE;
  readonly #connection: Connection;

  constructor(socket: Resource, connection: Connection) {
    super(socket);
    this.#connection = connection;
  }

  get watch(): Watch {
    return this.#connection.watch;
  }

  isImmediate(): boolean {
    const { isSending, outputEnd } = this.#connection;
    return outputEnd !== undefined && !isSending;
  }

  override check(): number | Failed<StreamError> {
    const { isSending, outputEnd } = this.#connection;
    if (isSending) return 0;
    if (outputEnd === undefined) return WRITE_MAX;
    // A failure is reported once; from then on the stream is closed.
    this.#connection.outputEnd = CLOSED;
    return outputEnd;
  }

  override put(data: Uint8Array): Failed<StreamError> | undefined {
    const { isSending, outputEnd } = this.#connection;
    if (isSending) throw new Trap("it wrote to a stream without asking whether it may");
    if (outputEnd !== undefined) return outputEnd;
    return data.length === 0 ? undefined : this.#connection.send(data);
  }

  override flush(): Failed<StreamError> | undefined {
    const { isSending, outputEnd } = this.#connection;
    return isSending ? undefined : outputEnd;
  }

  override release(): void {
    // Its socket closes it.
  }
}
