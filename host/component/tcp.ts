/**
 * Owns TCP sockets of a component: the states of `wasi:sockets/tcp`, on descriptors of the backend. Leaves what goes through
 * a connection to it; knows no layout.
 */

import { type InetAddress, Ready } from "../backend/backend.js";
import { Connection, TcpInput, TcpOutput } from "./connection.js";
import {
  type AddressFamily,
  CONCURRENCY_CONFLICT,
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
import type { Source, Watch } from "./watch.js";
import { Resource } from "./resources.js";
import type { SocketWorld } from "./socket-world.js";

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
  #hasInput = false;
  #hasOutput = false;

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
    return this.completeConnect() ?? this.streams();
  }

  completeConnect(): SocketFailure | undefined {
    if (this.#state !== "connecting") return NOT_IN_PROGRESS;
    const code = this.#connection.connectResult();
    if (code === undefined) return WOULD_BLOCK;
    if (code !== "") {
      this.#state = "closed";
      return failureOf(code);
    }
    this.#state = "connected";
    return undefined;
  }

  /** What is read of a connection: once. */
  takeInput(): Connection | undefined {
    if (this.#state !== "connected" || this.#hasInput) return undefined;
    this.#hasInput = true;
    return this.#connection;
  }

  takeOutput(): Connection | undefined {
    if (this.#state !== "connected" || this.#hasOutput) return undefined;
    this.#hasOutput = true;
    return this.#connection;
  }

  get listener(): Connection | undefined {
    return this.#state === "listening" ? this.#connection : undefined;
  }

  get isNew(): boolean {
    return this.#state === "default";
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
    this.#connection.close(this.#isGranted);
  }

  #step(from: State, to: State): SocketFailure | undefined {
    if (this.#state !== from) return NOT_IN_PROGRESS;
    this.#state = to;
    return undefined;
  }
}
