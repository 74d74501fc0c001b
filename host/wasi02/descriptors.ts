/**
 * Owns the table of descriptors: numbers for what WASI 0.2 has as resources, standard input, output and error among them;
 * and each one's pollables, one a direction, made on first use and kept. Knows no bytes and no addresses.
 *
 * A host traps when a resource goes before those that came of it: pollables are dropped first, then streams, then sockets.
 */

import { getStderr } from "wasi:cli/stderr@0.2.0";
import { getStdin } from "wasi:cli/stdin@0.2.0";
import { getStdout } from "wasi:cli/stdout@0.2.0";
import type { Pollable } from "wasi:io/poll@0.2.0";
import type { InputStream, OutputStream } from "wasi:io/streams@0.2.0";
import type { IpSocketAddress } from "wasi:sockets/network@0.2.0";
import type { TcpSocket } from "wasi:sockets/tcp@0.2.0";
import type { IncomingDatagramStream, OutgoingDatagramStream, UdpSocket } from "wasi:sockets/udp@0.2.0";
import type { Family } from "../backend/backend.js";

/** How far a socket is. One that is OPEN has its streams. */
export const Stage = { NEW: 0, BOUND: 1, LISTENING: 2, CONNECTING: 3, OPEN: 4, FAILED: 5 } as const;

/** What is subscribed to. */
interface Subscribable extends Disposable {
  subscribe(): Pollable;
}

const STDIO_COUNT = 3;

/** What is behind a number. */
export class Descriptor {
  readonly family: Exclude<Family, "unix">;
  readonly tcp: TcpSocket | undefined;
  readonly udp: UdpSocket | undefined;
  input: InputStream | undefined;
  output: OutputStream | undefined;
  incoming: IncomingDatagramStream | undefined;
  outgoing: OutgoingDatagramStream | undefined;
  /** Which of standard input, output and error it is. */
  stdio: number | undefined;
  /** Input that was read ahead, none at its end: for `peek`, and by poll sets. -errno where that has failed. */
  peeked: Uint8Array | number | undefined;
  /** A datagram that was received ahead: for `peek`. */
  peekedDatagram: { readonly data: Uint8Array; readonly remoteAddress: IpSocketAddress } | undefined;
  /** -errno of a failed connection until it is read, as SO_ERROR. */
  error = 0;
  /** Has its writing half been ended, by the program at least? Its reading half? Has it been closed? */
  ends = false;
  endsInput = false;
  isClosed = false;
  /** Has the host output to send before that is done? Until when may it, once it is closed? */
  hasPendingOutput = false;
  untilNs = Infinity;
  /** The poll sets that watch it: their lists hold its pollables. */
  readonly watchers = new Set<{ changed(): void }>();
  /** To whom a UDP socket sends by default. */
  peer: IpSocketAddress | undefined;
  readonly options = new Map<string, number>();
  #stage: number;
  #reading: Pollable | undefined;
  #writing: Pollable | undefined;

  constructor(family: Exclude<Family, "unix">, stage: number, tcp: TcpSocket | undefined, udp: UdpSocket | undefined) {
    this.family = family;
    this.#stage = stage;
    this.tcp = tcp;
    this.udp = udp;
  }

  get stage(): number {
    return this.#stage;
  }

  set stage(stage: number) {
    this.#stage = stage;
    this.changed();
  }

  /** Notifies the poll sets: other pollables have become its own, or it is ready, whatever the host says, or no longer so. */
  changed(): void {
    for (const each of this.watchers) each.changed();
  }

  get isSocket(): boolean {
    return this.tcp !== undefined || this.udp !== undefined;
  }

  /** Ready when there is something to read; undefined where that cannot happen. */
  get reading(): Pollable | undefined {
    this.#reading ??= this.#readSource()?.subscribe();
    return this.#reading;
  }

  /** Ready when something can be written, or a connection is made; undefined where that cannot happen. */
  get writing(): Pollable | undefined {
    this.#writing ??= this.#writeSource()?.subscribe();
    return this.#writing;
  }

  #readSource(): Subscribable | undefined {
    return this.input ?? this.incoming ?? (this.stage === Stage.LISTENING ? this.tcp : undefined);
  }

  #writeSource(): Subscribable | undefined {
    return this.output ?? this.outgoing ?? (this.stage === Stage.CONNECTING ? this.tcp : undefined);
  }

  /** Drops the pollables, which belong to a stage or to streams that are over. */
  dropPollables(): void {
    this.changed();
    this.#reading?.[Symbol.dispose]();
    this.#writing?.[Symbol.dispose]();
    this.#reading = undefined;
    this.#writing = undefined;
  }

  /** Drops the pollables and the streams. */
  dropStreams(): void {
    this.dropPollables();
    for (const stream of [this.input, this.output, this.incoming, this.outgoing]) stream?.[Symbol.dispose]();
    this.input = undefined;
    this.output = undefined;
    this.incoming = undefined;
    this.outgoing = undefined;
  }

  /** Drops everything. */
  free(): void {
    this.dropStreams();
    this.tcp?.[Symbol.dispose]();
    this.udp?.[Symbol.dispose]();
  }
}

export class Descriptors {
  readonly #table: (Descriptor | undefined)[] = [];
  /** Which of standard input, output and error have been opened or closed: those are not opened again. */
  readonly #opened = [false, false, false];
  /** There is no free number below this one. */
  #lowest = STDIO_COUNT;

  at(fd: number): Descriptor | undefined {
    if (!Number.isInteger(fd)) return undefined;
    if (fd >= 0 && fd < STDIO_COUNT && this.#opened[fd] === false) this.#openStdio(fd);
    return this.#table[fd];
  }

  /** Gives it the lowest free number, as POSIX does. */
  add(descriptor: Descriptor): number {
    let fd = this.#lowest;
    while (this.#table[fd] !== undefined) fd += 1;
    this.#lowest = fd + 1;
    this.#table[fd] = descriptor;
    return fd;
  }

  /** Frees the number; what it stood for is the caller's. */
  remove(fd: number): void {
    this.#table[fd] = undefined;
    if (fd >= STDIO_COUNT) this.#lowest = Math.min(this.#lowest, fd);
  }

  /** Frees all numbers; what they stood for is the caller's. */
  removeAll(): Descriptor[] {
    return this.#table.splice(0).filter((descriptor) => descriptor !== undefined);
  }

  #openStdio(fd: number): void {
    this.#opened[fd] = true;
    this.#table[fd] = standardStream(fd);
  }
}

/** @param stdio 0, 1 or 2. Each call makes another descriptor of the same stream. */
export function standardStream(stdio: number): Descriptor {
  const descriptor = new Descriptor("IPv4", Stage.OPEN, undefined, undefined);
  descriptor.stdio = stdio;
  if (stdio === 0) descriptor.input = getStdin();
  else descriptor.output = stdio === 1 ? getStdout() : getStderr();
  return descriptor;
}
