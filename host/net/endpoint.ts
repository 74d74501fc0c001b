/** Owns the seam between a handler and what it reads from and writes to: a socket, or a file. Knows neither. */

export interface Endpoint {
  /** The descriptor; -1 once closed. */
  readonly fd: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Up to `maxBytes`; nothing at end of input. @throws BlockingIOError, OSError */
  recv(maxBytes: number): Uint8Array;
  /** @returns how many bytes were taken, 0 where it would have to wait. @throws OSError */
  sendSome(data: Uint8Array): number;
  /** The same for several pieces together. */
  sendSomeOf(pieces: readonly Uint8Array[]): number;
  close(): void;
}
