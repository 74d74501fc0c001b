/** Owns the seam between the loop and the handlers: what the loop calls on one. Knows neither. */

import { OSError } from "./errors";

/** A handler as the loop sees it. `Dispatcher` is one. */
export abstract class Channel {
  /** Its name in the engine, while it is in the map. */
  slot: i32 = -1;
  generation: u32 = 0;
  /** Is it listed as one that left something to read? */
  isKeeping: bool = false;
  nextKeeping: Channel | null = null;

  abstract get fd(): i32;
  /** Asked every turn, before the poll, where it was registered so: bits of interest. */
  abstract sampleInterest(): i32;
  /** Reads before {@link handleReadEvent}. @returns whether there is something to tell. */
  abstract readAhead(): bool;
  /** Keeps what {@link handleReadEvent} left. @returns whether there is something. */
  abstract keepAhead(): bool;
  abstract handleReadEvent(): void;
  abstract handleWriteEvent(): void;
  abstract handleExptEvent(): void;
  abstract handleConnectEvent(): void;
  /** @returns whether one was taken, so that more may be waiting. */
  abstract handleAcceptEvent(): bool;
  abstract handleCloseEvent(): void;
  abstract handleError(error: OSError): void;
  /** Makes the error that `handleError` is given for a pending socket error. */
  abstract socketError(errno: i32): OSError;
  abstract close(): void;
}
