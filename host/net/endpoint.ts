/**
 * Owns the seam between a handler and what it reads from and writes to: a socket, a file, or a layer on top of one.
 * Knows none of them.
 */

import type { Socket } from "./socket.js";
import type { ShutdownHow, SocketAddress } from "../backend/backend.js";

/** The state of an endpoint when a handler takes it over. */
export type ConnectionState =
  /** A stream socket that is neither connected nor listening: it has no events. */
  | { readonly kind: "unconnected"; readonly address?: undefined }
  /** A connection, open or ended, and its peer where that is known; or a file. */
  | { readonly kind: "connected"; readonly address?: SocketAddress | undefined }
  /** A listening socket, and where it listens. */
  | { readonly kind: "listening"; readonly address: SocketAddress }
  /** A datagram socket, which needs no connection. */
  | { readonly kind: "connectionless"; readonly address?: undefined };

/** Where an endpoint is bound, and its peer, as far as the operating system knows. */
export interface EndpointAddresses {
  readonly local?: SocketAddress | undefined;
  readonly remote?: SocketAddress | undefined;
}

/** What a {@link Layer} calls on the map that polls its descriptor. */
export interface LayerHost {
  /** Does a loop that waits for the map keep the process alive? */
  readonly keepsAlive: boolean;
  /** What the layer wants of the descriptor, or has for its handler, has changed outside of a call of the host. */
  changed(): void;
  /** Calls back once. @returns a call that cancels it */
  callLater(delayMs: number, callback: () => void): () => void;
}

/**
 * A protocol between a descriptor and its handler, such as TLS. It decides what the descriptor is watched for, and is
 * notified of its readiness before the handler is. None of its methods throws.
 */
export interface Layer {
  /** Has bytes, or the end of input, for the handler. */
  readonly hasInput: boolean;
  /** Has bytes for the handler. */
  readonly hasUnread: boolean;
  /** Takes bytes from the handler. */
  readonly hasRoom: boolean;
  /** Has an error, or the news that the connection is secure, for the handler. */
  readonly hasNews: boolean;
  /** A handler has joined a map. */
  attach(host: LayerHost): void;
  /** The handler has left its map. */
  detach(): void;
  /** Is the descriptor to be watched for reading, given whether the handler wants to read? */
  watchesRead(wanted: boolean): boolean;
  /** The same for writing. */
  watchesWrite(wanted: boolean): boolean;
  /** The descriptor is connected. */
  connected(): void;
  /** The descriptor can be read. */
  readable(): void;
  /** The descriptor can be written. */
  writable(): void;
  /**
   * The descriptor has an error, while the handler may read.
   * @returns whether the handler finds it when it has read what came before it; otherwise it is to be notified
   */
  failed(code: string): boolean;
  /** Takes an error that the handler is to be notified of. */
  takeFailure(): Error | undefined;
  /** Takes the news that the connection has become secure. */
  takeSecured(): boolean;
}

export interface Endpoint {
  /** The descriptor; -1 once closed. */
  readonly fd: number;
  /** A protocol of its own between the descriptor and the handler. @internal */
  readonly layer?: Layer | undefined;
  /** The socket that it is layered on, if it is. @internal */
  readonly socket?: Socket | undefined;
  /** Is it a stream of bytes, whose input has an end? @internal */
  readonly isStream: boolean;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** The current state. A pending error is not consumed: the next call throws it. @throws OSError EBADF @internal */
  connectionState(): ConnectionState;
  /** Never throws. @internal */
  addresses(): EndpointAddresses;
  /** Receives up to `maxBytes`; empty at end of input. @throws BlockingIOError, OSError */
  recv(maxBytes: number): Uint8Array;
  /** Receives into `target`. @returns how many bytes, 0 at end of input. @throws BlockingIOError, OSError, TypeError */
  recvInto(target: Uint8Array): number;
  /** Sends. @returns how many bytes were taken, 0 where it would have to wait. @throws OSError @internal */
  sendSome(data: Uint8Array): number;
  /** The same for several pieces together. @internal */
  sendSomeOf(pieces: readonly Uint8Array[]): number;
  /** Ends one half of the connection, or both. @throws OSError ENOTSOCK for a file */
  shutdown(how: ShutdownHow): void;
  close(): void;
}
