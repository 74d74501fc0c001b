/**
 * Owns one TLS connection of node:tls: its handshake, what it has decrypted and not yet passed on, and how it ended. Knows
 * the records' stream; knows no socket and no handler.
 */

import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { nodeTls } from "./builtin.js";
import { joined } from "./bytes.js";
import { hungUp, unverifiable, writeError } from "./errors.js";
import { contextOf, type TlsClientOptions, type TlsServerOptions, type WrapTlsOptions } from "./options.js";
import type { Transport } from "./transport.js";

/** Plaintext that node:tls may hold: of one `send`, or of several small ones between two iterations of Node's event loop. */
const PENDING_BYTES_MAX = 65_536;

const NO_BYTES = new Uint8Array(0);

/** What a session's owner is notified of, also outside of a call. */
export interface SessionOwner {
  sessionChanged(): void;
  /** The connection, which node:tls writes to, has failed. */
  connectionFailed(error: Error): void;
}

/** node:tls has this on every TLSSocket, and uses it for `tls.Server`; its types do not mention it. */
interface Verifying {
  readonly ssl?: { verifyError?: () => NodeJS.ErrnoException | null };
}

export class TlsSession {
  readonly socket: TLSSocket;
  readonly #owner: SessionOwner;
  readonly #transport: Transport;
  readonly #chunks: Uint8Array[] = [];
  /** Has the handshake succeeded, and the peer's certificate been accepted? */
  isSecure = false;
  /** Has the peer sent its close_notify? */
  peerEnded = false;
  /** What ended the session. */
  failure: Error | undefined;
  /** Has node:tls as much plaintext as it may hold? Then it says when it has encrypted it. */
  #isFull = false;
  #isDestroyed = false;
  /** Plaintext that node:tls is given in the next tick, in one piece: {@link write} says which. */
  #deferred: Uint8Array[] = [];
  #deferredLength = 0;
  /** Is the owner to be notified when it has been given? */
  #notifiesDeferred = false;

  /** @param host the peer's name, for the check of its certificate where there is no `servername` */
  constructor(transport: Transport, options: WrapTlsOptions, host: string | undefined, owner: SessionOwner) {
    this.#owner = owner;
    this.#transport = transport;
    const { stream } = transport;
    const socket = options.isServer === true ? accepting(stream, options) : connecting(stream, options, host);
    this.socket = socket;
    transport.attach(socket);
    socket.on("data", (data: Buffer) => this.#chunks.push(new Uint8Array(data.buffer, data.byteOffset, data.length)));
    socket.on("end", () => {
      this.peerEnded = true;
      owner.sessionChanged();
    });
    socket.on("drain", () => {
      this.#isFull = false;
      owner.sessionChanged();
    });
    socket.on("error", (error) => this.#fail(error));
    // On a server's TLSSocket that no tls.Server made, "error" is for errors of the handshake alone.
    socket.on("_tlsError", (error: Error) => this.#fail(error));
    socket.on("close", () => {
      const isOrderly = this.peerEnded && socket.writableFinished;
      if (!this.#isOver && !isOrderly) this.#fail(hungUp());
    });
    if (options.isServer === true) {
      socket.disableRenegotiation();
      socket.on("secure", () => this.#verify(options));
    } else {
      socket.on("secureConnect", () => this.#secured());
    }
    // Otherwise in the next tick, and what is decrypted before that would be delayed.
    socket.read(0);
  }

  get hasInput(): boolean {
    return this.#chunks.length > 0;
  }

  /** How many bytes {@link write} takes now. */
  get room(): number {
    if (!this.isSecure || this.#isFull || this.failure !== undefined) return 0;
    return Math.max(0, PENDING_BYTES_MAX - this.socket.writableLength - this.#deferredLength);
  }

  /** Is there plaintext that is not encrypted yet? */
  get isWriting(): boolean {
    return this.socket.writableLength > 0;
  }

  /** Takes up to `maxBytes` of what has been decrypted. */
  take(maxBytes: number): Uint8Array {
    const chunks = this.#chunks;
    if (chunks.length < 2) return this.#takeFirst(maxBytes);
    let length = 0;
    for (const { length: each } of chunks) length += each;
    const all = new Uint8Array(Math.min(length, maxBytes));
    for (let at = 0; at < all.length;) {
      const part = this.#takeFirst(all.length - at);
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  /** Encrypts; `data` has at most {@link room} bytes. It may be changed afterwards. */
  write(data: Uint8Array): void {
    // A listener of "session", say, runs within a call of SSL_read: a record from there would break the session.
    const { isReceiving } = this.#transport;
    if (isReceiving) this.#notifiesDeferred = true;
    // What waits for an earlier write to be completed is not encrypted before that. Many short answers are one record then.
    if (isReceiving || this.#deferredLength > 0 || this.isWriting) return this.#defer(data);
    if (!this.socket.write(data)) this.#isFull = true;
  }

  /** Sends close_notify after everything that was written. */
  end(): void {
    const { socket } = this;
    if (socket.destroyed || socket.writableEnded) return;
    if (this.#transport.isReceiving) return process.nextTick(() => this.end());
    this.#writeDeferred();
    this.#transport.beforeEnd(socket);
    socket.end();
  }

  /** Nothing is reported any more. */
  destroy(): void {
    this.#isDestroyed = true;
    this.socket.destroy();
  }

  get #isOver(): boolean {
    return this.failure !== undefined || this.#isDestroyed;
  }

  #defer(data: Uint8Array): void {
    if (this.#deferredLength === 0) {
      process.nextTick(() => {
        const isNotified = this.#notifiesDeferred;
        this.#writeDeferred();
        if (isNotified && !this.#isOver) this.#owner.sessionChanged();
      });
    }
    this.#deferred.push(new Uint8Array(data));
    this.#deferredLength += data.length;
  }

  #writeDeferred(): void {
    const deferred = this.#deferred;
    if (deferred.length === 0) return;
    const length = this.#deferredLength;
    this.#deferred = [];
    this.#deferredLength = 0;
    this.#notifiesDeferred = false;
    const { socket } = this;
    if (socket.destroyed || socket.writableEnded) return;
    if (!socket.write(joined(deferred, length))) this.#isFull = true;
  }

  #takeFirst(maxBytes: number): Uint8Array {
    const [first = NO_BYTES] = this.#chunks;
    if (first.length <= maxBytes) {
      this.#chunks.shift();
      return first;
    }
    this.#chunks[0] = first.subarray(maxBytes);
    return first.slice(0, maxBytes);
  }

  #verify({ requestCert, rejectUnauthorized }: TlsServerOptions): void {
    const { socket } = this;
    if (requestCert === true) {
      const { ssl } = socket as unknown as Verifying;
      // A Node that cannot be asked has nobody authorized.
      const error = ssl?.verifyError === undefined ? unverifiable() : ssl.verifyError();
      socket.authorized = error === null;
      if (error !== null) {
        socket.authorizationError = (error.code ?? error.message) as unknown as Error;
        if (rejectUnauthorized !== false) return this.#fail(error);
      }
    }
    this.#secured();
  }

  #secured(): void {
    this.isSecure = true;
    this.#owner.sessionChanged();
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    const failed = writeError(error);
    if (failed !== undefined) return this.#owner.connectionFailed(failed);
    this.failure = error;
    this.socket.destroy();
    this.#owner.sessionChanged();
  }
}

function accepting(stream: Duplex, options: TlsServerOptions): TLSSocket {
  return new (nodeTls().TLSSocket)(stream, {
    ...options,
    secureContext: contextOf(options),
    rejectUnauthorized: options.rejectUnauthorized !== false,
  });
}

function connecting(stream: Duplex, options: TlsClientOptions, host: string | undefined): TLSSocket {
  const servername = options.servername ?? (host !== undefined && isIP(host) === 0 ? host : undefined);
  return nodeTls().connect({
    ...options,
    socket: stream,
    secureContext: contextOf(options),
    ...(servername === undefined ? {} : { servername }),
    ...(host === undefined ? {} : { host }),
  });
}
