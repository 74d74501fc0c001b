/**
 * Owns TLS on a connected stream socket, behind the same seam as the socket itself: records on one side, plaintext on the
 * other. Knows the session and the socket; knows no loop and no handler.
 */

import type { ShutdownHow } from "../../backend/backend.js";
import { checkInteger } from "../../backend/check.js";
import { BlockingIOError, OSError } from "../../backend/errors.js";
import type { ConnectionState, Endpoint, EndpointAddresses, Layer, LayerHost } from "../endpoint.js";
import { plainBytes } from "../plain-bytes.js";
import type { Socket } from "../socket.js";
import { joined, receiveRecords } from "./bytes.js";
import { connectionError, hungUp, timedOut, truncated } from "./errors.js";
import { Lingering } from "./lingering.js";
import { nativeTransport } from "./native.js";
import { handshakeTimeoutOf, type WrapTlsOptions } from "./options.js";
import { TlsSession } from "./session.js";
import { StreamedTransport } from "./streamed.js";
import type { Transport } from "./transport.js";

const NO_BYTES = new Uint8Array(0);

export class TlsEndpoint implements Endpoint, Layer {
  readonly #socket: Socket;
  readonly #options: WrapTlsOptions;
  /** It has no session and no transport before the handshake begins. A server has none before the first bytes arrive: a silent peer costs no memory of node:tls. */
  #session: TlsSession | undefined;
  #transport: Transport | undefined;
  #host: LayerHost | undefined;
  #serverName: string | undefined;
  #isClosed = false;
  /** Bytes of the handler's output that belong before the handshake and are still to be sent. */
  #plainLeft = 0;
  #isConnected: boolean;
  #bytesIn: number;
  #bytesOut: number;
  /** An error of the socket itself: it is what `recv` and `send` throw. */
  #broken: OSError | undefined;
  /** The end of the socket's input; and whether the peer's close_notify was looked for since. */
  #socketEnded = false;
  #endIsKnown = false;
  #endTaken = false;
  #securedTaken = false;
  #failureTaken = false;
  #ownFailure: Error | undefined;
  #stopTimeout: (() => void) | undefined;
  #lingering: Lingering | undefined;
  /** Has the handler ended its output? And has all of it been sent, close_notify included? */
  #outputEnding = false;
  #outputEnded = false;

  /**
   * @param plainBytes how many bytes of the handler's pending output are to be sent before the handshake
   * @param serverName the name that the handler connects to
   */
  constructor(socket: Socket, options: WrapTlsOptions, plainBytes = 0, serverName?: string) {
    this.#socket = socket;
    this.#options = options;
    this.#plainLeft = plainBytes;
    this.#bytesIn = socket.bytesIn;
    this.#bytesOut = socket.bytesOut;
    this.#serverName = serverName;
    this.#isConnected = socket.connectionState().kind === "connected";
  }

  // The seam of Endpoint.

  get layer(): this {
    return this;
  }

  get fd(): number {
    return this.#isClosed ? -1 : this.#socket.fd;
  }

  get isStream(): boolean {
    return true;
  }

  /** Bytes received so far: of TLS, those of the plaintext. */
  get bytesIn(): number {
    return this.#bytesIn;
  }

  /** Bytes sent so far: of TLS, those of the plaintext. */
  get bytesOut(): number {
    return this.#bytesOut;
  }

  connectionState(): ConnectionState {
    return this.#socket.connectionState();
  }

  addresses(): EndpointAddresses {
    return this.#socket.addresses();
  }

  recv(maxBytes: number): Uint8Array {
    checkInteger("maxBytes", maxBytes, 0, 0x7fffffff);
    this.#checkOpen("recv");
    if (maxBytes === 0) return NO_BYTES;
    if (!this.#session?.hasInput && this.#reads) this.#receive();
    if (this.#session?.hasInput === true) {
      const data = this.#session.take(maxBytes);
      this.#bytesIn += data.length;
      return data;
    }
    if (this.#broken !== undefined) throw this.#broken;
    const failure = this.takeFailure();
    if (failure !== undefined) throw failure;
    if (!this.#hasEnded) throw new BlockingIOError("EAGAIN", { syscall: "recv" });
    this.#endTaken = true;
    return NO_BYTES;
  }

  /** The same, into `target`. @returns how many bytes, 0 at end of input */
  recvInto(target: Uint8Array): number {
    const plain = plainBytes("target", target);
    const data = this.recv(plain.length);
    plain.set(data);
    return data.length;
  }

  sendSome(data: Uint8Array): number {
    this.#checkOpen("send");
    if (this.#broken !== undefined) throw this.#broken;
    if (this.#outputEnding) throw new OSError("EPIPE", { syscall: "send" });
    if (this.#plainLeft > 0) return this.#sendPlain(data);
    const session = this.#session;
    if (session === undefined || this.#hasRecords) return 0;
    const length = Math.min(data.length, session.room);
    if (length > 0) session.write(length === data.length ? data : data.subarray(0, length));
    this.#bytesOut += length;
    return length;
  }

  sendSomeOf(pieces: readonly Uint8Array[]): number {
    const [first] = pieces;
    if (first === undefined) return 0;
    if (pieces.length === 1 || this.#plainLeft > 0) return this.sendSome(first);
    // One record of many pieces.
    return this.sendSome(joined(pieces, this.#session?.room ?? 0));
  }

  /** Ends the writing half by close_notify, after everything that was sent. */
  shutdown(how: ShutdownHow): void {
    this.#checkOpen("shutdown");
    if (how !== "read") {
      this.#outputEnding = true;
      if (this.isSecure) this.#session?.end();
    }
    if (how !== "write") this.#socket.shutdown("read");
  }

  /**
   * Closes. What `send` took is still sent, and close_notify: for that the descriptor may stay open a little longer, in the
   * background, see {@link Lingering}.
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.detach();
    const session = this.#session;
    const isOver = this.#broken !== undefined || session?.failure !== undefined || this.#outputEnded;
    if (session === undefined || !session.isSecure || isOver) return this.#release();
    this.#lingering = new Lingering(
      () => this.#transport?.flush(),
      () => this.#release(),
    );
    session.end();
  }

  // The seam of Layer.

  get hasInput(): boolean {
    if (this.#broken !== undefined || this.#session?.hasInput === true) return true;
    return this.#hasEnded && !this.#endTaken;
  }

  get hasRoom(): boolean {
    if (this.#broken !== undefined || this.#plainLeft > 0) return true;
    return !this.#hasRecords && (this.#session?.room ?? 0) > 0;
  }

  get hasNews(): boolean {
    return (this.#failure !== undefined && !this.#failureTaken) || (this.isSecure && !this.#securedTaken);
  }

  attach(host: LayerHost): void {
    this.#host = host;
    const timeoutMs = handshakeTimeoutOf(this.#options);
    if (timeoutMs > 0 && !this.isSecure) this.#stopTimeout = host.callLater(timeoutMs, () => this.#timeOut());
    if (this.#isConnected && this.#plainLeft === 0) this.#begin();
  }

  detach(): void {
    this.#host = undefined;
    this.#stopTimer();
  }

  watchesRead(wanted: boolean): boolean {
    // At its end the socket stays readable. From when it is known what the end is until the handler has taken it, it is
    // watched: an error that ended it is the handler's then. Before that each turn would find it ready, to no avail.
    if (this.#socketEnded) return wanted && this.#endIsKnown && !this.#endTaken && this.#failure === undefined;
    if (!this.#reads) return false;
    return this.isSecure ? wanted && !this.#session?.hasInput : true;
  }

  watchesWrite(wanted: boolean): boolean {
    return this.#hasRecords || (wanted && this.hasRoom);
  }

  connected(): void {
    this.#isConnected = true;
    if (this.#plainLeft === 0) this.#begin();
  }

  readable(): void {
    if (this.#reads) this.#receive();
  }

  writable(): void {
    this.#transport?.flush();
  }

  takeFailure(): Error | undefined {
    if (this.#failureTaken) return undefined;
    const failure = this.#failure;
    if (failure !== undefined) {
      this.#failureTaken = true;
      this.#stopTimer();
    }
    return failure;
  }

  takeSecured(): boolean {
    if (this.#securedTaken || !this.isSecure) return false;
    this.#securedTaken = true;
    this.#stopTimer();
    return true;
  }

  // For the handler.

  /** Is the handshake over, and the peer's certificate accepted? */
  get isSecure(): boolean {
    return this.#session?.isSecure === true;
  }

  /** Node's socket, for what it knows of the session: undefined before the handshake begins. */
  get tlsSocket(): TlsSession["socket"] | undefined {
    return this.#session?.socket;
  }

  /** Has the connection ended without the peer's close_notify? */
  get isTruncated(): boolean {
    return this.#endIsKnown && this.#session?.peerEnded !== true;
  }

  /** The same on another socket, before the handshake. */
  movedTo(socket: Socket): TlsEndpoint {
    return new TlsEndpoint(socket, this.#options, this.#plainLeft, this.#serverName);
  }

  /** The handler has dropped its pending output: none of it belongs before the handshake any more. */
  plainOutputDropped(): void {
    if (this.#plainLeft === 0) return;
    this.#plainLeft = 0;
    this.#begin();
    this.#host?.changed();
  }

  get #failure(): Error | undefined {
    return this.#ownFailure ?? this.#session?.failure;
  }

  get #hasEnded(): boolean {
    return this.#session?.peerEnded === true || (this.#endIsKnown && this.#failure === undefined);
  }

  /** Is the socket read at all at the moment? */
  get #reads(): boolean {
    if (!this.#isConnected || this.#plainLeft > 0 || this.#socketEnded || this.#broken !== undefined) return false;
    return this.#failure === undefined && this.#session?.peerEnded !== true;
  }

  /** A client speaks first. */
  #begin(): void {
    if (this.#options.isServer !== true) this.#open();
  }

  #open(): Transport {
    this.#transport ??= this.#newTransport();
    this.#session ??= new TlsSession(this.#transport, this.#options, this.#serverName, {
      sessionChanged: () => this.#changed(),
      connectionFailed: this.#fail,
    });
    return this.#transport;
  }

  #newTransport(): Transport {
    const owner = {
      recordsWaiting: () => this.#recordsWaiting(),
      outputEnded: () => this.#endOutput(),
      connectionFailed: this.#fail,
    };
    // What Node has to send itself keeps the process alive, which a map may not.
    const native = this.#host?.keepsAlive === true ? nativeTransport(this.#socket, owner) : undefined;
    return native ?? new StreamedTransport(this.#socket, owner);
  }

  #changed(): void {
    if (this.#outputEnding && this.isSecure) this.#session?.end();
    if (this.#session?.failure !== undefined) this.#lingering?.end();
    this.#host?.changed();
  }

  #receive(): void {
    receiveRecords(this.#socket, this.#give, this.#fail);
  }

  readonly #give = (records: Uint8Array): void => {
    if (records.length > 0) this.#open().give(records);
    else this.#inputEnded();
  };

  #inputEnded(): void {
    this.#socketEnded = true;
    if (this.isSecure) process.nextTick(this.#lookForCloseNotify);
    else this.#ownFailure ??= hungUp();
  }

  /** In the next tick: node:tls reports a close_notify that it has read in a tick of its own. */
  readonly #lookForCloseNotify = (): void => {
    this.#endIsKnown = true;
    if (this.isTruncated && this.#options.requireCloseNotify === true) this.#ownFailure ??= truncated();
    this.#changed();
  };

  #sendPlain(data: Uint8Array): number {
    const part = data.length > this.#plainLeft ? data.subarray(0, this.#plainLeft) : data;
    const sent = this.#socket.sendSome(part);
    this.#plainLeft -= sent;
    this.#bytesOut += sent;
    if (this.#plainLeft === 0) this.#begin();
    return sent;
  }

  get #hasRecords(): boolean {
    return this.#transport?.hasRecords === true;
  }

  #recordsWaiting(): void {
    this.#lingering?.retry();
    this.#host?.changed();
  }

  #endOutput(): void {
    this.#outputEnded = true;
    if (this.#lingering !== undefined) this.#lingering.end();
    else this.#transport?.endOutput();
  }

  /** The connection has failed, unless the call would only have had to wait. */
  readonly #fail = (error: unknown): void => {
    if (error instanceof BlockingIOError) return;
    this.#broken ??= connectionError(error);
    this.#transport?.clear();
    this.#session?.destroy();
    if (this.#lingering !== undefined) this.#lingering.end();
    else this.#host?.changed();
  };

  #stopTimer(): void {
    this.#stopTimeout?.();
    this.#stopTimeout = undefined;
  }

  #timeOut(): void {
    if (this.isSecure) return;
    this.#ownFailure ??= timedOut();
    this.#host?.changed();
  }

  #release(): void {
    this.#session?.destroy();
    this.#transport?.clear();
    this.#socket.close();
  }

  #checkOpen(syscall: string): void {
    if (this.#isClosed) throw new OSError("EBADF", { syscall });
  }
}
