/**
 * Owns TCP sockets of a component and their streams: the states of `wasi:sockets/tcp`, on descriptors of the backend. Knows the
 * backend seam; knows no layout.
 */

import type { Backend, InetAddress } from "../backend/backend.js";
import { Ready } from "../backend/backend.js";
import type { Failed } from "./abi.js";
import {
  type AddressFamily,
  CONCURRENCY_CONFLICT,
  type ErrorCode,
  failureOf,
  inetOf,
  INVALID_ARGUMENT,
  INVALID_STATE,
  isOfFamily,
  isRemote,
  isUnicast,
  NOT_IN_PROGRESS,
  type SocketFailure,
  WOULD_BLOCK,
} from "./network.js";
import { type Poller, type Source, type Unsent, Watch } from "./polling.js";
import { type HostBytes, Resource } from "./resources.js";
import { CLOSED, failedWith, InputStream, OutputStream, READ_MAX, type StreamError } from "./streams.js";
import type { SocketWorld } from "./socket-world.js";
import { Trap } from "./trap.js";

/** How much a stream takes before the kernel has taken all of it. */
const WRITE_MAX = 65_536;
const BACKLOG = 128;
const BACKLOG_MAX = 0x7fffffff;

type State =
  "default" | "bind-started" | "bound" | "listen-started" | "listening" | "connecting" | "connected" | "closed";

/** What Linux reports of a connection that has failed before it is accepted, and POSIX calls aborted. */
const ABORTED = new Set(
  "ECONNRESET ENETRESET EHOSTUNREACH EHOSTDOWN ENETDOWN ENETUNREACH EPROTO ENOPROTOOPT ENONET EOPNOTSUPP".split(" "),
);

export interface Connected {
  readonly input: TcpInput;
  readonly output: TcpOutput;
}

export class TcpSocket extends Resource implements Source {
  readonly deadlineNs = Infinity;
  readonly family: AddressFamily;
  readonly #world: SocketWorld;
  readonly #connection: Connection;
  #state: State;
  #backlog = BACKLOG;
  /** It is one of the host's listening sockets. */
  #isGranted = false;

  constructor(world: SocketWorld, fd: number, family: AddressFamily, state: "default" | "connected" = "default") {
    super(undefined);
    this.family = family;
    this.#world = world;
    this.#connection = new Connection(world, fd);
    this.#state = state;
  }

  get watch(): Watch | undefined {
    return this.#state === "connecting" || this.#state === "listening" ? this.#connection.watch : undefined;
  }

  get interest(): number {
    return this.#state === "connecting" ? Ready.WRITE : Ready.READ;
  }

  isImmediate(): boolean {
    return this.watch === undefined;
  }

  get isListening(): boolean {
    return this.#state === "listening";
  }

  /** The descriptor, for its options. */
  get fd(): number | SocketFailure {
    return this.#state === "connecting" || this.#state === "closed" ? INVALID_STATE : this.#connection.fd;
  }

  startBind(address: InetAddress): SocketFailure | undefined {
    if (!isUnicast(address.host) || !isOfFamily(address.host, this.family)) return INVALID_ARGUMENT;
    if (this.#state !== "default") return INVALID_STATE;
    const granted = this.#world.listenerAt(address);
    if (granted !== undefined) {
      this.#connection.replace(granted);
      this.#isGranted = true;
    } else {
      const failed = this.#world.bind(this.#connection.fd, address);
      if (failed !== undefined) return failed;
    }
    this.#state = "bind-started";
    return undefined;
  }

  finishBind(): SocketFailure | undefined {
    return this.#step("bind-started", "bound");
  }

  startConnect(address: InetAddress): SocketFailure | undefined {
    if (this.#state === "connecting") return CONCURRENCY_CONFLICT;
    if (this.#isGranted || (this.#state !== "default" && this.#state !== "bound")) return INVALID_STATE;
    const { host } = address;
    if (!isUnicast(host) || !isRemote(address) || !isOfFamily(host, this.family)) return INVALID_ARGUMENT;
    const refused = this.#world.mayConnect(address);
    if (refused !== undefined) return refused;
    const result = this.#world.backend.connect(this.#connection.fd, address);
    const code = result < 0 ? this.#world.backend.errorCode(result) : "";
    if (code === "EACCES" || code === "EPERM") return failureOf(code);
    this.#state = "connecting";
    this.#connection.connected = code === "EINPROGRESS" ? undefined : code;
    return undefined;
  }

  finishConnect(): Connected | SocketFailure {
    if (this.#state !== "connecting") return NOT_IN_PROGRESS;
    const code = this.#connection.connectResult();
    if (code === undefined) return WOULD_BLOCK;
    if (code !== "") {
      this.#state = "closed";
      return failureOf(code);
    }
    this.#state = "connected";
    return this.streams();
  }

  /** The streams of a connection: once. */
  streams(): Connected {
    return { input: new TcpInput(this, this.#connection), output: new TcpOutput(this, this.#connection) };
  }

  startListen(): SocketFailure | undefined {
    if (this.#state !== "bound") return INVALID_STATE;
    this.#state = "listen-started";
    return undefined;
  }

  finishListen(): SocketFailure | undefined {
    if (this.#state !== "listen-started") return NOT_IN_PROGRESS;
    const result = this.#isGranted ? 0 : this.#world.backend.listen(this.#connection.fd, this.#backlog);
    this.#state = result < 0 ? "closed" : "listening";
    return result < 0 ? this.#world.failure(result) : undefined;
  }

  accept(): TcpSocket | SocketFailure {
    if (this.#state !== "listening") return INVALID_STATE;
    const { backend } = this.#world;
    const accepted = backend.accept(this.#connection.fd);
    if (typeof accepted !== "number") return new TcpSocket(this.#world, accepted.fd, this.family, "connected");
    const code = backend.errorCode(accepted);
    return failureOf(ABORTED.has(code) ? "ECONNABORTED" : code);
  }

  localAddress(): InetAddress | SocketFailure {
    if (!["bound", "connected", "listening"].includes(this.#state)) return INVALID_STATE;
    const address = this.#world.backend.localAddress(this.#connection.fd);
    return typeof address === "number" ? this.#world.failure(address) : inetOf(address);
  }

  remoteAddress(): InetAddress | SocketFailure {
    if (this.#state !== "connected") return INVALID_STATE;
    const address = this.#world.backend.remoteAddress(this.#connection.fd);
    return typeof address === "number" ? this.#world.failure(address) : inetOf(address);
  }

  setBacklog(size: bigint): SocketFailure | undefined {
    if (size === 0n) return INVALID_ARGUMENT;
    const backlog = Number(size > BigInt(BACKLOG_MAX) ? BACKLOG_MAX : size);
    if (this.#state === "listening") {
      if (!this.#isGranted && this.#world.backend.listen(this.#connection.fd, backlog) < 0)
        return failureOf("EOPNOTSUPP");
    } else if (this.#state !== "default" && this.#state !== "bound") return INVALID_STATE;
    this.#backlog = backlog;
    return undefined;
  }

  shutdown(how: "receive" | "send" | "both"): SocketFailure | undefined {
    if (this.#state !== "connected") return INVALID_STATE;
    if (how !== "send") this.#connection.shutdownInput();
    if (how !== "receive") this.#connection.shutdownOutput();
    return undefined;
  }

  override release(): void {
    if (this.#isGranted) this.#world.returnListener(this.#connection.fd);
    this.#connection.close(this.#isGranted);
  }

  #step(from: State, to: State): SocketFailure | undefined {
    if (this.#state !== from) return NOT_IN_PROGRESS;
    this.#state = to;
    return undefined;
  }
}

/** The descriptor of a socket, and what its streams share. */
class Connection implements Unsent {
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
  readonly #backend: Backend;
  readonly #poller: Poller;
  readonly #bytes: HostBytes;

  constructor({ backend, poller, bytes }: SocketWorld, fd: number) {
    this.#backend = backend;
    this.#poller = poller;
    this.#bytes = bytes;
    this.fd = fd;
    this.watch = new Watch(fd);
  }

  /** Takes one of the host's sockets in the place of its own. */
  replace(fd: number): void {
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
    const result = this.#backend.recv(this.fd, received, length);
    if (result > 0) return received.subarray(0, result);
    // At the end of input, what a wait has found says more.
    const errno = result === 0 ? this.watch.takeError() : result;
    const code = errno === 0 ? "" : this.#backend.errorCode(errno);
    if (code === "EAGAIN" || code === "EWOULDBLOCK") return NOTHING;
    this.inputIsClosed = true;
    return code === "" ? CLOSED : failedWith(code);
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
    this.#bytes.give(this.#unsentBytes);
    this.#unsentBytes = 0;
    if (this.#shutsDown) this.#backend.shutdown(this.fd, "write");
    if (this.#isClosing) this.#close();
    return true;
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

  /** Closes it, once what was written is sent. @param isLent it is not closed, only not used any more */
  close(isLent: boolean): void {
    if (isLent) this.#poller.forget(this.watch);
    else if (this.#unsent === undefined) this.#close();
    else this.#isClosing = true;
  }

  #close(): void {
    this.#poller.forget(this.watch);
    this.#backend.close(this.fd);
  }

  #isAgain(errno: number): boolean {
    const code = this.#backend.errorCode(errno);
    return code === "EAGAIN" || code === "EWOULDBLOCK";
  }

  #fail(errno: number): Failed<StreamError> {
    const pending = this.watch.takeError();
    const code = this.#backend.errorCode(pending === 0 ? errno : pending);
    this.outputEnd = CLOSED;
    return code === "EPIPE" ? CLOSED : failedWith(code);
  }
}

const NO_SOURCE = { deadlineNs: Infinity, isImmediate: () => false };
const NOTHING = new Uint8Array(0);
const received = new Uint8Array(READ_MAX);

export class TcpInput extends InputStream {
  readonly interest = Ready.READ;
  readonly #connection: Connection;

  constructor(socket: TcpSocket, connection: Connection) {
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

  constructor(socket: TcpSocket, connection: Connection) {
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
    // A failure is told once; afterwards the stream is closed.
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

export type { ErrorCode };
