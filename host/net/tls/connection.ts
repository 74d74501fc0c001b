/**
 * Owns one connection under TLS: its session and how records get there, its ends, and what has broken it. Knows the socket;
 * knows no handler, and nothing of what a handler has been notified of.
 */

import { BlockingIOError, type OSError } from "../../backend/errors.js";
import type { Socket } from "../socket.js";
import { receiveRecords } from "./bytes.js";
import { connectionError, hungUp, truncated } from "./errors.js";
import { Lingering } from "./lingering.js";
import { nativeTransport } from "./native.js";
import type { WrapTlsOptions } from "./options.js";
import { TlsSession } from "./session.js";
import { StreamedTransport } from "./streamed.js";
import type { Transport } from "./transport.js";

/** What a connection calls on its owner. */
export interface ConnectionOwner {
  /** May Node keep the process alive while it has something to send? */
  readonly keepsAlive: boolean;
  /** Something has changed outside of a call. */
  changed(): void;
}

export class TlsConnection {
  readonly #socket: Socket;
  readonly #options: WrapTlsOptions;
  readonly #serverName: string | undefined;
  readonly #owner: ConnectionOwner;
  /** Undefined before the handshake begins; on a server before the first bytes arrive: a silent peer costs little memory. */
  session: TlsSession | undefined;
  #transport: Transport | undefined;
  /** An error of the socket itself: it is what `recv` and `send` throw. */
  broken: OSError | undefined;
  /** The end of the socket's input; and whether the peer's close_notify was looked for since. */
  socketEnded = false;
  endIsKnown = false;
  #ownFailure: Error | undefined;
  /** Has the handler ended its output? And has all of it been sent, close_notify included? */
  outputEnding = false;
  #outputEnded = false;
  #lingering: Lingering | undefined;

  constructor(socket: Socket, options: WrapTlsOptions, serverName: string | undefined, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#options = options;
    this.#serverName = serverName;
    this.#owner = owner;
  }

  /** Is the handshake over, and the peer's certificate accepted? */
  get isSecure(): boolean {
    return this.session?.isSecure === true;
  }

  get hasInput(): boolean {
    return this.session?.hasInput === true;
  }

  /** How many bytes {@link TlsSession.write} takes now. */
  get room(): number {
    return this.session === undefined || this.hasRecords ? 0 : this.session.room;
  }

  /** Are there records that {@link flush} is to send? */
  get hasRecords(): boolean {
    return this.#transport?.hasRecords === true;
  }

  /** What ended it, beside an error of the socket. */
  get failure(): Error | undefined {
    return this.#ownFailure ?? this.session?.failure;
  }

  /** Has input ended, in a way that is no failure? */
  get hasEnded(): boolean {
    return this.session?.peerEnded === true || (this.endIsKnown && this.failure === undefined);
  }

  /** Has it ended without the peer's close_notify? */
  get isTruncated(): boolean {
    return this.endIsKnown && this.session?.peerEnded !== true;
  }

  /** May there be more to receive? */
  get reads(): boolean {
    if (this.socketEnded || this.broken !== undefined) return false;
    return this.failure === undefined && this.session?.peerEnded !== true;
  }

  /** A client speaks first. */
  begin(): void {
    if (this.#options.isServer !== true) this.#open();
  }

  receive(): void {
    // A listener of node:tls within the call that passes on what was received before.
    if (this.#transport?.isReceiving === true) return;
    receiveRecords(this.#socket, this.#give, this.#fail);
  }

  /** Sends records as far as the connection takes them. */
  flush(): void {
    this.#transport?.flush();
  }

  /** Ends the output, by close_notify, after everything that was sent. */
  end(): void {
    this.outputEnding = true;
    if (this.isSecure) this.session?.end();
  }

  /** Ends it with an error, before it is secure. */
  fail(error: Error): void {
    this.#ownFailure ??= error;
    this.#owner.changed();
  }

  /** Closes, perhaps later: see {@link Lingering}. */
  close(): void {
    const { session } = this;
    const isOver = this.broken !== undefined || session?.failure !== undefined || this.#outputEnded;
    // node:tls does not report every record that a reset connection has refused.
    if (session === undefined || !session.isSecure || isOver || !this.#socket.hasPeer) return this.#release();
    this.#lingering = new Lingering(
      () => this.flush(),
      () => this.#release(),
    );
    session.end();
  }

  readonly #give = (records: Uint8Array): void => {
    if (records.length > 0) this.#open().give(records);
    else this.#inputEnded();
  };

  #open(): Transport {
    this.#transport ??= this.#newTransport();
    this.session ??= new TlsSession(this.#transport, this.#options, this.#serverName, {
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
    const native = this.#owner.keepsAlive ? nativeTransport(this.#socket, owner) : undefined;
    return native ?? new StreamedTransport(this.#socket, owner);
  }

  #changed(): void {
    if (this.outputEnding && this.isSecure) this.session?.end();
    if (this.session?.failure !== undefined) this.#lingering?.end();
    this.#owner.changed();
  }

  #inputEnded(): void {
    this.socketEnded = true;
    if (this.isSecure) process.nextTick(this.#lookForCloseNotify);
    else this.#ownFailure ??= hungUp();
  }

  /** In the next tick: node:tls reports a close_notify that it has read in a tick of its own. */
  readonly #lookForCloseNotify = (): void => {
    this.endIsKnown = true;
    if (this.isTruncated && this.#options.requireCloseNotify === true) this.#ownFailure ??= truncated();
    this.#changed();
  };

  #recordsWaiting(): void {
    this.#lingering?.retry();
    this.#owner.changed();
  }

  #endOutput(): void {
    this.#outputEnded = true;
    if (this.#lingering !== undefined) this.#lingering.end();
    else this.#transport?.endOutput();
  }

  /** The connection has failed, unless the call would only have had to wait. */
  readonly #fail = (error: unknown): void => {
    if (error instanceof BlockingIOError) return;
    this.broken ??= connectionError(error);
    this.#transport?.clear();
    this.session?.destroy();
    if (this.#lingering !== undefined) this.#lingering.end();
    else this.#owner.changed();
  };

  #release(): void {
    this.session?.destroy();
    this.#transport?.clear();
    this.#socket.close();
  }
}
