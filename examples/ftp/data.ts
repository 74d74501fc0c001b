/**
 * Owns data connections: how they are opened, passive or active, and the one transfer over each. Knows nothing of
 * commands and files.
 */

import { AsyncChat, Dispatcher, type InetAddress, OSError, type Socket, wrapTls, type WrapTlsOptions } from "wasyncore";

/** A data connection has failed, or was aborted. */
export class TransferError extends Error {}

/** A data connection that is still to be opened. */
export interface Opening {
  open(): Promise<DataChannel>;
  /** Cancels it, and closes a connection that {@link open} has not handed out. */
  close(): void;
}

/** The client connects: PASV, EPSV. Accepts one connection, from the address of the control connection alone. */
export class PassiveOpening extends Dispatcher implements Opening {
  readonly #peer: string;
  readonly #idleMs: number;
  readonly #tls: WrapTlsOptions | undefined;
  readonly #channel = withResolvers<DataChannel>();
  #taken: DataChannel | undefined;
  #handedOut = false;

  /** @param host the address of this server that the client is connected to; `peer` is the address of the client */
  constructor(host: string, peer: string, family: "IPv4" | "IPv6", idleMs: number, tls?: WrapTlsOptions) {
    super();
    this.#tls = tls;
    this.#peer = peer;
    this.#idleMs = idleMs;
    try {
      this.createSocket({ family });
      this.bind({ host, port: 0 });
      this.listen(1);
    } catch (error) {
      this.close();
      throw error;
    }
    const timer = this.map.callLater(idleMs, () => this.close());
    const stop = (): unknown => timer.cancel();
    this.#channel.promise.then(stop, stop);
  }

  get port(): number {
    return this.socket.localAddress().port ?? 0;
  }

  open(): Promise<DataChannel> {
    this.#handedOut = true;
    return this.#channel.promise;
  }

  override handleAccepted(socket: Socket, { host }: { readonly host?: string | undefined }): void {
    if (host !== this.#peer || this.#taken !== undefined) {
      socket.close();
      return;
    }
    this.#taken = new DataChannel(this.#tls === undefined ? socket : wrapTls(socket, this.#tls), this.#idleMs);
    this.#channel.resolve(this.#taken);
    super.close();
  }

  override close(): void {
    super.close();
    this.#channel.reject(new TransferError("no data connection"));
    if (!this.#handedOut) this.#taken?.abort();
  }
}

/** The client listens, and this server connects: PORT, EPRT. */
export class ActiveOpening implements Opening {
  readonly #address: InetAddress;
  readonly #family: "IPv4" | "IPv6";
  readonly #idleMs: number;
  readonly #tls: WrapTlsOptions | undefined;

  constructor(address: InetAddress, family: "IPv4" | "IPv6", idleMs: number, tls?: WrapTlsOptions) {
    this.#tls = tls;
    this.#address = address;
    this.#family = family;
    this.#idleMs = idleMs;
  }

  open(): Promise<DataChannel> {
    const channel = new DataChannel(undefined, this.#idleMs);
    try {
      channel.createSocket({ family: this.#family });
      channel.connect(this.#address);
      // RFC 4217: the server of the control connection is TLS's server on data connections, whoever connects.
      if (this.#tls !== undefined) wrapTls(channel, this.#tls);
    } catch (error) {
      channel.handleError(error);
    }
    return Promise.resolve(channel);
  }

  close(): void {
    // Nothing is opened before `open`.
  }
}

/** A data connection, for one transfer. */
export class DataChannel extends AsyncChat {
  readonly #ended = withResolvers<void>();
  /** Bytes that were queued so far, and whether that is all of them. */
  #given = 0;
  #allGiven = false;
  #write: ((data: Uint8Array) => Promise<void>) | undefined;

  constructor(socket: Socket | undefined, idleMs: number) {
    super(socket);
    this.idleTimeoutMs = idleMs;
    // Only `receive` reads. Not even the end of input counts otherwise: a client that sends nothing may end its half.
    this.pauseReading();
  }

  /** Sends, and closes. Resolves when the kernel has the last byte. @throws TransferError, or what `pieces` throws */
  transmit(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    this.pushWithProducer(this.#counted(pieces));
    this.closeWhenDone();
    return this.#ended.promise;
  }

  /** Receives until the client ends; reads on only when `write` is done. @throws TransferError, or what `write` throws */
  receive(write: (data: Uint8Array) => Promise<void>): Promise<void> {
    this.#write = write;
    this.resumeReading();
    return this.#ended.promise;
  }

  abort(): void {
    this.#fail(new TransferError("transfer aborted"));
  }

  override collectIncomingData(data: Uint8Array): void {
    this.pauseReading();
    this.#write?.(data).then(
      () => this.resumeReading(),
      (error: unknown) => this.#fail(error),
    );
  }

  override handleConnect(): void {}

  override handleEof(): void {
    // The end of the connection is the end of the file: it must be the client's.
    if (this.tlsTruncated) this.#fail(new TransferError("the data connection ended without TLS's close_notify"));
    else this.#ended.resolve();
    this.close();
  }

  override handleClose(): void {
    if (this.#allGiven && this.describe().bytesOut === this.#given) this.#ended.resolve();
    this.close();
  }

  override handleTimeout(): void {
    this.#fail(new TransferError("data connection was idle"));
  }

  override handleError(error: unknown): void {
    const { code } = error as NodeJS.ErrnoException;
    this.#fail(error instanceof OSError ? error : new TransferError(`data connection has failed (${code})`));
  }

  override close(): void {
    super.close();
    this.#ended.reject(new TransferError("data connection was closed"));
  }

  #fail(error: unknown): void {
    this.#ended.reject(error);
    this.close();
  }

  async *#counted(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      this.#given += piece.length;
      yield piece;
    }
    this.#allGiven = true;
  }
}

interface Resolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** Promise.withResolvers, which Node 20 does not have. */
function withResolvers<T>(): Resolvers<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  // Nobody may be waiting for it: then a rejection is not an unhandled one.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
