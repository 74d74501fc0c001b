/**
 * Owns the chat channels that tests talk through: on an endpoint in memory, which gives what it is told to give and
 * takes as much as it is told to take, and on sockets.
 */

import { AsyncChat, BlockingIOError, type ChannelMap, type OSError, type Socket } from "wasyncore";
import type { ConnectionState, Endpoint, EndpointAddresses } from "../../host/net/endpoint.js";

/** No descriptor of the process has such a number, and nothing polls it. */
let nextFd = 1_000_000;

/** An endpoint without an operating system. */
export class Memory implements Endpoint {
  /** What recv gives, in order; then it would have to wait. */
  readonly incoming: Uint8Array[] = [];
  /** What each send call took. */
  readonly sends: Buffer[] = [];
  /** How many pieces the largest send had. */
  mostPieces = 0;
  /** How many bytes can be taken still. */
  room = Infinity;
  /** Thrown by the next send. */
  sendError: OSError | undefined;
  fd = nextFd++;
  bytesIn = 0;
  bytesOut = 0;

  get sent(): Buffer {
    return Buffer.concat(this.sends);
  }

  recv(maxBytes: number): Uint8Array {
    const [data] = this.incoming;
    if (data === undefined) throw new BlockingIOError("EAGAIN", { errno: -11, syscall: "recv" });
    if (data.length > maxBytes) this.incoming[0] = data.subarray(maxBytes);
    else this.incoming.shift();
    return data.slice(0, maxBytes);
  }

  recvInto(target: Uint8Array): number {
    const data = this.recv(target.length);
    target.set(data);
    return data.length;
  }

  sendSome(data: Uint8Array): number {
    return this.sendSomeOf([data]);
  }

  sendSomeOf(pieces: readonly Uint8Array[]): number {
    if (this.sendError !== undefined) throw this.sendError;
    this.mostPieces = Math.max(this.mostPieces, pieces.length);
    const all = Buffer.concat(pieces);
    const taken = Math.min(all.length, this.room);
    this.room -= taken;
    this.sends.push(all.subarray(0, taken));
    return taken;
  }

  readonly isStream = true;

  connectionState(): ConnectionState {
    return { kind: "connected" };
  }

  addresses(): EndpointAddresses {
    return {};
  }

  shutdown(): void {}

  close(): void {
    this.fd = -1;
  }
}

/** Writes down, in order, what it is told; an error closes nothing. */
export class Chat extends AsyncChat {
  /** "data text", "found", "too long", "timeout", "eof", "close", "error message". */
  readonly told: string[] = [];
  drains = 0;
  readonly messages: string[] = [];
  readonly errors: unknown[] = [];
  readonly logged: string[] = [];
  /** Called in `foundTerminator`. */
  onFound: (() => void) | undefined;

  override collectIncomingData(data: Uint8Array): void {
    this.told.push(`data ${Buffer.from(data).toString("latin1")}`);
    this._collectIncomingData(data);
  }

  override foundTerminator(): void {
    this.told.push("found");
    this.messages.push(this.collected());
    this.onFound?.();
  }

  override handleDrain(): void {
    this.drains += 1;
  }

  override handleClose(): void {
    this.told.push("close");
    super.handleClose();
  }

  override handleError(error: unknown): void {
    this.told.push(`error ${error instanceof Error ? error.message : String(error)}`);
    this.errors.push(error);
  }

  override logInfo(message: string, type = "info"): void {
    this.logged.push(`${type}: ${message}`);
  }

  /** What was collected since the last message. */
  collected(): string {
    return Buffer.from(this._getData()).toString("latin1");
  }
}

/** A chat in memory: it is driven by calling its callbacks. */
export class MemoryChat extends Chat {
  readonly memory = new Memory();

  constructor(map: ChannelMap) {
    super(undefined, map);
    this.setEndpoint(this.memory);
  }

  /** A read for each piece, or more where it is longer than a read. */
  feed(...pieces: readonly (string | Uint8Array)[]): void {
    for (const piece of pieces) {
      this.memory.incoming.push(typeof piece === "string" ? Buffer.from(piece) : piece);
      while (this.memory.incoming.length > 0 && this.fd >= 0) this.handleReadEvent();
    }
  }

  /** Is it watched for writing? */
  get isWatchedForWriting(): boolean {
    return this.map.snapshot().some(({ fd, interest }) => fd === this.fd && interest.write);
  }
}

/** A chat on a socket, with lines. */
export function lineChat(socket: Socket, map: ChannelMap): Chat {
  const chat = new Chat(socket, map);
  chat.setTerminator("\n");
  return chat;
}

/** Cuts `data` at every place in `cuts`, which are fractions of its length. */
export function cutAt(data: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => Math.floor(cut * data.length)), data.length].toSorted((a, b) => a - b);
  return places.slice(1).flatMap((end, index) => {
    const piece = data.subarray(places[index], end);
    return piece.length === 0 ? [] : [piece];
  });
}
