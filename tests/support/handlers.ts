/**
 * Owns the handlers that tests watch: they write down what they are told. Knows the public API alone.
 */

import { type ChannelMap, Dispatcher, type Socket, type SocketAddress } from "wasyncore";

/** Callbacks of a Dispatcher that a loop may call. */
export const CALLBACKS = [
  "readable",
  "writable",
  "handleAccept",
  "handleAccepted",
  "handleConnect",
  "handleRead",
  "handleWrite",
  "handleExpt",
  "handleClose",
] as const;

export type Callback = (typeof CALLBACKS)[number];

/** Keeps its log to itself. */
export class Quiet extends Dispatcher {
  readonly logged: string[] = [];

  override log(message: string): void {
    this.logged.push(message);
  }

  override logInfo(message: string, type = "info"): void {
    this.logged.push(`${type}: ${message}`);
  }
}

/** Writes down reads, errors and closes, and otherwise is as a Dispatcher is. */
export class Recorder extends Quiet {
  readonly received: Buffer[] = [];
  readonly errors: unknown[] = [];
  closes = 0;
  readonly readSize: number;

  constructor(socket: Socket | undefined, map: ChannelMap, readSize = 65536) {
    super(socket, map);
    this.readSize = readSize;
  }

  get text(): string {
    return Buffer.concat(this.received).toString();
  }

  override handleRead(): void {
    this.received.push(Buffer.from(this.recv(this.readSize)));
  }

  override handleError(error: unknown): void {
    this.errors.push(error);
    super.handleError(error);
  }

  override handleClose(): void {
    this.closes += 1;
    this.close();
  }
}

/** Listens, and records what its connections receive. */
export class Server extends Dispatcher {
  readonly accepted: Recorder[] = [];

  constructor(map: ChannelMap) {
    super(undefined, map);
    this.createSocket();
    this.bind({ host: "127.0.0.1", port: 0 });
    this.listen(5);
  }

  get address(): SocketAddress {
    return this.socket.localAddress();
  }

  override handleAccepted(socket: Socket): void {
    this.accepted.push(new Recorder(socket, this.map));
  }
}

/** A client that connects to a server. */
export function connected(map: ChannelMap, to: SocketAddress): Recorder {
  const client = new Recorder(undefined, map);
  client.createSocket();
  client.connect(to);
  return client;
}

/** Does something of a test's choice in one of its callbacks, and writes all of them down. */
export class Acting extends Quiet {
  readonly told: string[] = [];
  readonly errors: unknown[] = [];
  readonly #where: Callback;
  readonly #act: (self: Acting) => void;

  constructor(where: Callback, act: (self: Acting) => void, map: ChannelMap) {
    super(undefined, map);
    this.#where = where;
    this.#act = act;
  }

  /** How often a callback was called. */
  times(name: string): number {
    return this.told.filter((each) => each === name).length;
  }

  #tell(name: Callback): void {
    this.told.push(name);
    if (name === this.#where) this.#act(this);
  }

  override readable(): boolean {
    // Only where the test is about it: a handler that is asked is another kind of handler.
    if (this.#where === "readable") this.#tell("readable");
    return true;
  }

  override writable(): boolean {
    if (this.#where === "writable") this.#tell("writable");
    return this.#where === "handleWrite";
  }

  override handleAccept(): void {
    this.#tell("handleAccept");
    if (this.fd >= 0) super.handleAccept();
  }

  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    socket.close();
    this.#tell("handleAccepted");
  }

  override handleConnect(): void {
    this.#tell("handleConnect");
  }

  override handleRead(): void {
    this.#tell("handleRead");
    if (this.fd >= 0) this.recv(65536);
  }

  override handleWrite(): void {
    this.#tell("handleWrite");
  }

  override handleExpt(): void {
    this.#tell("handleExpt");
    if (this.fd >= 0) this.socket.recvOutOfBand();
  }

  override handleClose(): void {
    this.#tell("handleClose");
    this.close();
  }

  override handleError(error: unknown): void {
    this.errors.push(error);
    super.handleError(error);
  }
}
