/** Owns what the four kinds of sockets have in common, as the calls of the seam need it. Knows none of them. */

import type { Family, SocketAddress, SocketType } from "../backend/backend.js";
import type { SimFile } from "./file.js";
import type { Options } from "./options.js";

/** A datagram that has arrived, and who sent it. */
export interface Message {
  readonly data: Uint8Array;
  readonly address: SocketAddress;
  readonly files: readonly SimFile[];
}

/** What {@link SimSocket.receiveMessage} found. */
export interface Found {
  readonly data: Uint8Array;
  readonly address: SocketAddress;
  readonly files: readonly SimFile[];
}

export interface SimSocket extends SimFile {
  readonly family: Family;
  readonly type: SocketType;
  readonly options: Options;
  readonly isListening: boolean;
  sendBytes: number;
  receiveBytes: number;
  lowWater: number;
  isInline: boolean;
  readonly localAddress: SocketAddress;
  readonly remoteAddress: SocketAddress | undefined;
  bind(address: SocketAddress): number;
  listen(backlog: number): number;
  /** A connection that waits, which {@link unaccept} gives back. */
  accept(): SimSocket | number;
  unaccept(socket: SimSocket): void;
  connect(address: SocketAddress): number;
  shutdown(how: "read" | "write" | "both"): number;
  receive(target: Uint8Array, most: number): number;
  /** The same, and all of it stays unread; of a datagram, its beginning. */
  peek(target: Uint8Array, most: number): number;
  /** As an array of its own. */
  takeBytes(most: number): Uint8Array | number;
  /** The same, with what came along. */
  receiveMessage(most: number): Found | number;
  receiveUrgent(target: Uint8Array, room: number): number;
  /** The bytes are copied where they are taken. */
  send(data: Uint8Array): number;
  sendPieces(pieces: readonly Uint8Array[]): number;
  sendUrgent(data: Uint8Array): number;
  sendTo(data: Uint8Array, address: SocketAddress): number;
  sendFiles(data: Uint8Array, files: readonly SimFile[]): number;
  /** Is it one end of a connection? */
  readonly isPaired: boolean;
}
