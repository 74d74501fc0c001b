/**
 * Owns TLS on a connected stream socket, behind the same seam as the socket itself: records on one side, plaintext on the
 * other; and what the handler has been notified of. Knows the connection and the socket; knows no loop and no handler.
 */

import type { ShutdownHow } from "../../backend/backend.js";
import { checkInteger } from "../../backend/check.js";
import { BlockingIOError, OSError } from "../../backend/errors.js";
import type { ConnectionState, Endpoint, EndpointAddresses, Layer, LayerHost } from "../endpoint.js";
import { plainBytes } from "../plain-bytes.js";
import type { Socket } from "../socket.js";
import { joined } from "./bytes.js";
import { type ConnectionOwner, TlsConnection } from "./connection.js";
import { timedOut } from "./errors.js";
import { handshakeTimeoutOf, type TLSSocket, type WrapTlsOptions } from "./options.js";

const NO_BYTES = new Uint8Array(0);

export class TlsEndpoint implements Endpoint, Layer, ConnectionOwner {
  readonly socket: Socket;
  readonly #options: WrapTlsOptions;
  readonly #connection: TlsConnection;
  #host: LayerHost | undefined;
  #serverName: string | undefined;
  #isClosed = false;
  /** Bytes of the handler's output that belong before the handshake and are still to be sent. */
  #plainLeft = 0;
  #isConnected: boolean;
  #bytesIn: number;
  #bytesOut: number;
  /** An error that the socket was found to have: it is thrown when all input has been taken. */
  #pendingError: OSError | undefined;
  /** What the handler has taken. */
  #endTaken = false;
  #securedTaken = false;
  #failureTaken = false;
  #stopTimeout: (() => void) | undefined;
  /** Is the end of the socket's input no longer watched until it is known what it is? */
  #hasRested = false;

  /**
   * @param plainBytes how many bytes of the handler's pending output are to be sent before the handshake
   * @param serverName the name that the handler connects to
   */
  constructor(socket: Socket, options: WrapTlsOptions, plainBytes = 0, serverName?: string) {
    this.socket = socket;
    this.#options = options;
    this.#plainLeft = plainBytes;
    this.#bytesIn = socket.bytesIn;
    this.#bytesOut = socket.bytesOut;
    this.#serverName = serverName;
    this.#connection = new TlsConnection(socket, options, serverName, this);
    this.#isConnected = socket.connectionState().kind === "connected";
  }

  // The seam of Endpoint.

  get layer(): this {
    return this;
  }

  get fd(): number {
    return this.#isClosed ? -1 : this.socket.fd;
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
    return this.socket.connectionState();
  }

  addresses(): EndpointAddresses {
    return this.socket.addresses();
  }

  recv(maxBytes: number): Uint8Array {
    checkInteger("maxBytes", maxBytes, 0, 0x7fffffff);
    this.#checkOpen("recv");
    if (maxBytes === 0) return NO_BYTES;
    const connection = this.#connection;
    if (!connection.hasInput) this.readable();
    const { session } = connection;
    if (session?.hasInput === true) {
      const data = session.take(maxBytes);
      this.#bytesIn += data.length;
      return data;
    }
    if (connection.broken !== undefined) throw connection.broken;
    const failure = this.takeFailure();
    if (failure !== undefined) throw failure;
    if (!connection.hasEnded) throw new BlockingIOError("EAGAIN", { syscall: "recv" });
    if (this.#pendingError !== undefined) throw this.#pendingError;
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
    const connection = this.#connection;
    if (connection.broken !== undefined) throw connection.broken;
    if (connection.outputEnding) throw new OSError("EPIPE", { syscall: "send" });
    if (this.#plainLeft > 0) return this.#sendPlain(data);
    const length = Math.min(data.length, connection.room);
    if (length > 0) connection.session?.write(length === data.length ? data : data.subarray(0, length));
    // node:tls encrypts at once where it can.
    if (connection.broken !== undefined) throw connection.broken;
    this.#bytesOut += length;
    return length;
  }

  sendSomeOf(pieces: readonly Uint8Array[]): number {
    const [first] = pieces;
    if (first === undefined) return 0;
    if (pieces.length === 1 || this.#plainLeft > 0) return this.sendSome(first);
    // One record of many pieces.
    return this.sendSome(joined(pieces, this.#connection.room));
  }

  /** Ends the writing half by close_notify, after everything that was sent. */
  shutdown(how: ShutdownHow): void {
    this.#checkOpen("shutdown");
    if (how !== "read") this.#connection.end();
    if (how !== "write") this.socket.shutdown("read");
  }

  /**
   * Closes. What `send` took is still sent, and close_notify: for that the descriptor may stay open a little longer, in the
   * background, see {@link Lingering}.
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.detach();
    this.#connection.close();
  }

  // The seam of Layer.

  get hasInput(): boolean {
    const { broken, hasInput, hasEnded } = this.#connection;
    return broken !== undefined || hasInput || (hasEnded && !this.#endTaken);
  }

  get hasUnread(): boolean {
    return this.#connection.hasInput;
  }

  get hasRoom(): boolean {
    return this.#plainLeft > 0 || this.#connection.broken !== undefined || this.#connection.room > 0;
  }

  get hasNews(): boolean {
    return (!this.#failureTaken && this.#connection.failure !== undefined) || (this.isSecure && !this.#securedTaken);
  }

  attach(host: LayerHost): void {
    this.#host = host;
    const timeoutMs = handshakeTimeoutOf(this.#options);
    if (timeoutMs > 0 && !this.isSecure)
      this.#stopTimeout = host.callLater(timeoutMs, () => {
        if (!this.isSecure) this.#connection.fail(timedOut());
      });
    if (this.#isConnected && this.#plainLeft === 0) this.#connection.begin();
  }

  detach(): void {
    this.#host = undefined;
    this.#stopTimer();
  }

  watchesRead(wanted: boolean): boolean {
    const connection = this.#connection;
    // At its end the socket stays readable, and is watched until the handler has taken the end: an error that ended it is
    // the handler's then.
    if (connection.socketEnded) {
      return wanted && !this.#isEndResting && !this.#endTaken && connection.failure === undefined;
    }
    if (!this.#reads) return false;
    return connection.isSecure ? wanted && !connection.hasInput : true;
  }

  watchesWrite(wanted: boolean): boolean {
    return this.#connection.hasRecords || (wanted && this.hasRoom);
  }

  connected(): void {
    this.#isConnected = true;
    if (this.#plainLeft === 0) this.#connection.begin();
  }

  readable(): void {
    if (!this.#reads) return;
    const connection = this.#connection;
    connection.receive();
    // Until it is known what the end is, each turn would find it ready. From after this turn on, whose errors belong to it.
    if (connection.socketEnded && !connection.endIsKnown) this.#host?.callLater(0, this.#restAtEnd);
  }

  writable(): void {
    this.#connection.flush();
  }

  failed(code: string): boolean {
    if (!this.#isConnected || this.#endTaken || this.#failureTaken) return false;
    this.#pendingError ??= new OSError(code, { syscall: "recv" });
    return true;
  }

  takeFailure(): Error | undefined {
    if (this.#failureTaken) return undefined;
    const { failure } = this.#connection;
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
    return this.#connection.isSecure;
  }

  /** Node's socket, for what it knows of the session: undefined before the handshake begins. */
  get tlsSocket(): TLSSocket | undefined {
    return this.#connection.session?.socket;
  }

  /** Has the connection ended without the peer's close_notify? */
  get isTruncated(): boolean {
    return this.#connection.isTruncated;
  }

  /** The same on another socket, before the handshake. */
  movedTo(socket: Socket): TlsEndpoint {
    return new TlsEndpoint(socket, this.#options, this.#plainLeft, this.#serverName);
  }

  /** The handler has dropped its pending output: none of it belongs before the handshake any more. */
  plainOutputDropped(): void {
    if (this.#plainLeft === 0) return;
    this.#plainLeft = 0;
    this.#connection.begin();
    this.#host?.changed();
  }

  // The seam of ConnectionOwner.

  get keepsAlive(): boolean {
    return this.#host?.keepsAlive === true;
  }

  changed(): void {
    this.#host?.changed();
  }

  /** Is the socket read at all at the moment? */
  get #reads(): boolean {
    return this.#isConnected && this.#plainLeft === 0 && this.#connection.reads;
  }

  readonly #restAtEnd = (): void => {
    this.#hasRested = true;
    this.changed();
  };

  get #isEndResting(): boolean {
    return this.#hasRested && !this.#connection.endIsKnown;
  }

  #sendPlain(data: Uint8Array): number {
    const part = data.length > this.#plainLeft ? data.subarray(0, this.#plainLeft) : data;
    const sent = this.socket.sendSome(part);
    this.#plainLeft -= sent;
    this.#bytesOut += sent;
    if (this.#plainLeft === 0) this.#connection.begin();
    return sent;
  }

  #stopTimer(): void {
    this.#stopTimeout?.();
    this.#stopTimeout = undefined;
  }

  #checkOpen(syscall: string): void {
    if (this.#isClosed) throw new OSError("EBADF", { syscall });
  }
}
