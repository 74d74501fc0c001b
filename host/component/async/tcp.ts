/** Owns the streams of TCP sockets: connections to accept, and the two halves of one. Leaves states to the sockets; knows no layout. */

import { type InetAddress, Ready } from "../../backend/backend.js";
import type { Connection } from "../connection.js";
import { errorCodeOf, INVALID_STATE, type SocketFailure } from "../network.js";
import { Notice } from "../watch.js";
import { Failed } from "../abi.js";
import type { TcpSocket } from "../tcp.js";
import { Pending, type Runtime } from "./runtime.js";
import { BYTES, ByteSource, drain, ENDED, OVER, Sink, Source, WAIT } from "./sources.js";
import type { Timer } from "./timers.js";
import { type Element, HostFuture, type ReadSide, type StreamEnd } from "./streams.js";

/** How a half of a connection has ended. */
type End = undefined | Failed<string>;

/** Descriptors are used up: then a listener tries again after this time. */
const PAUSE_NS = 100_000_000;

const failedAs = (code: string): Failed<string> =>
  new Failed(code === "EPIPE" ? "connection-broken" : errorCodeOf(code));

class Incoming extends ByteSource {
  readonly #connection: Connection;
  readonly #result: HostFuture;

  constructor({ poller }: Runtime, connection: Connection, result: HostFuture) {
    super(poller, BYTES, connection.watch, Ready.READ);
    this.#connection = connection;
    this.#result = result;
    connection.use();
  }

  override fill(target: Uint8Array): number {
    const received = this.#connection.receiveTo(target, target.length);
    if (typeof received === "number") return received === 0 ? WAIT : received;
    this.#result.resolve(received === "" ? undefined : failedAs(received));
    return OVER;
  }

  protected override close(): void {
    this.#result.resolve(undefined satisfies End);
    if (!this.#connection.inputIsClosed) this.#connection.shutdownInput();
    this.#connection.leave();
  }
}

class Outgoing extends Sink {
  readonly #connection: Connection;
  readonly #result: HostFuture;

  constructor({ poller }: Runtime, connection: Connection, result: HostFuture) {
    super(poller, connection.watch, Ready.WRITE);
    this.#connection = connection;
    this.#result = result;
    connection.use();
  }

  override put(data: Uint8Array): number {
    const sent = this.#connection.sendSome(data);
    if (typeof sent === "number") return sent === 0 ? WAIT : sent;
    this.#result.resolve(failedAs(sent));
    return OVER;
  }

  protected override close(): void {
    this.#result.resolve(undefined satisfies End);
    this.#connection.shutdownOutput();
    this.#connection.leave();
  }
}

/** Sockets to accept. It takes one at a time, and none that nobody asks for. */
class Accepting extends Source {
  readonly #socket: TcpSocket;
  readonly #connection: Connection;
  readonly #runtime: Runtime;
  /** Descriptors are used up. It stays ready, and would be tried again at once. */
  #pause: Timer | undefined;
  #isWanted = false;

  constructor(runtime: Runtime, socket: TcpSocket, connection: Connection, element: Element) {
    super(runtime.poller, element, connection.watch, Ready.READ);
    this.#runtime = runtime;
    this.#socket = socket;
    this.#connection = connection;
    connection.use();
  }

  protected override copy(end: StreamEnd): number {
    const accepted = this.#socket.accept();
    if (!(accepted instanceof Failed)) {
      end.put(accepted as never);
      return 1;
    }
    if (accepted.error === "new-socket-limit" || accepted.error === "out-of-memory") this.#hold();
    return WAIT;
  }

  protected override again(): void {
    if (this.#pause === undefined) super.again();
    else this.#isWanted = true;
  }

  override cancel(): void {
    super.cancel();
    this.#isWanted = false;
  }

  protected override hasMore(): boolean {
    return true;
  }

  protected override close(): void {
    if (this.#pause !== undefined) this.#runtime.timers.cancel(this.#pause);
    this.#connection.leave();
  }

  #hold(): void {
    const { timers, poller } = this.#runtime;
    this.#pause ??= timers.add(poller.nowNs + PAUSE_NS, () => {
      this.#pause = undefined;
      if (this.#isWanted) super.again();
      this.#isWanted = false;
    });
  }
}

export function bind(socket: TcpSocket, address: InetAddress): SocketFailure | undefined {
  return socket.startBind(address) ?? socket.finishBind();
}

export function connect(
  runtime: Runtime,
  socket: TcpSocket,
  address: InetAddress,
): SocketFailure | undefined | Pending<SocketFailure | undefined> {
  const failed = socket.startConnect(address) ?? socket.completeConnect();
  const { watch } = socket;
  if (failed?.error !== "would-block" || watch === undefined) return failed;
  const { poller } = runtime;
  const notice = new Notice(watch, Ready.WRITE, () => {
    const result = socket.completeConnect();
    if (result?.error === "would-block") poller.await(notice);
    else pending.settle(result);
  });
  const pending = new Pending<SocketFailure | undefined>(runtime, socket, () => poller.withdraw(notice));
  poller.await(notice);
  return pending;
}

/** Binds it to any port of any address, if it is not bound. @returns a stream of sockets */
export function listen(runtime: Runtime, socket: TcpSocket, element: Element): ReadSide | SocketFailure {
  const any = { host: socket.family === "ipv4" ? "0.0.0.0" : "::", port: 0 };
  const failed = (socket.isNew ? bind(socket, any) : undefined) ?? socket.startListen() ?? socket.finishListen();
  const connection = socket.listener;
  if (failed !== undefined || connection === undefined) return failed ?? INVALID_STATE;
  return new Accepting(runtime, socket, connection, element);
}

/** Once. @returns a stream of bytes, and how that has ended */
export function receive(runtime: Runtime, socket: TcpSocket, element: Element): readonly [ReadSide, ReadSide] {
  const result = new HostFuture(element);
  const connection = socket.takeInput();
  if (connection !== undefined) return [new Incoming(runtime, connection, result), result];
  result.resolve(INVALID_STATE);
  return [ENDED, result];
}

/** Once. @returns how it has ended */
export function send(runtime: Runtime, socket: TcpSocket, data: ReadSide, element: Element): ReadSide {
  const result = new HostFuture(element);
  const connection = socket.takeOutput();
  if (connection !== undefined) drain(runtime, data, new Outgoing(runtime, connection, result));
  else {
    data.dropReader();
    result.resolve(INVALID_STATE);
  }
  return result;
}
