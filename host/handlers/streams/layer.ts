/**
 * Owns putting a layer between the loop and one channel at run time, for programs that do not subclass: callbacks that
 * take the place of those of the channel's class, and who has claimed a channel's input. Knows no stream and no handler
 * class.
 */

/** What layers use of a channel beyond its public methods: what a subclass could use. */
export interface Controls {
  setReadInterest(on: boolean): void;
  setWriteInterest(on: boolean): void;
  /** Sends what the socket takes at once, past any queue of the class. @returns how many bytes were taken */
  sendNow(pieces: readonly Uint8Array[]): number;
  /** Ends the writing half. @throws OSError ENOTSOCK for a file */
  endOutput(): void;
}

/** The part of a channel that layers are put on. */
export interface Layered {
  readonly fd: number;
  readonly connected: boolean;
  readonly connecting: boolean;
  readonly signal: AbortSignal;
  recv(maxBytes: number): Uint8Array;
  close(): void;
  readable(): boolean;
  writable(): boolean;
  handleRead(): void | Promise<void>;
  handleWrite(): void | Promise<void>;
  handleEof(): void | Promise<void>;
  handleClose(): void | Promise<void>;
  handleError(error: unknown): void | Promise<void>;
}

/** Whose input has been claimed, and by what. */
const claims = new WeakMap<object, string>();

/**
 * Records that the input of a channel goes to one consumer from now on.
 * @throws Error ERR_INPUT_CLAIMED if it goes to another already
 */
export function claimInput(channel: object, consumer: string): void {
  const former = claims.get(channel);
  if (former !== undefined) {
    throw Object.assign(new Error(`the input of ${String(channel)} goes to ${former} already`), {
      code: "ERR_INPUT_CLAIMED",
    });
  }
  claims.set(channel, consumer);
}

/** Has `lost` called when a call on the socket finds that the peer is gone: before handleClose, and only then. */
export function whenLost(channel: Layered, lost: () => void): void {
  const inner = channel as Layered & { outputLost(): void };
  const { outputLost } = inner;
  overlay<typeof inner>(inner, {
    outputLost() {
      lost();
      outputLost.call(channel);
    },
  });
}

/** Has `closed` called when the channel is closed; soon, if it is already. */
export function whenClosed(channel: Layered, closed: () => void): void {
  const { signal } = channel;
  if (signal.aborted) queueMicrotask(closed);
  else signal.addEventListener("abort", closed, { once: true });
}

/** Calls these callbacks of a channel in place of those of its class. */
export function overlay<T extends object>(channel: T, callbacks: Partial<T>): void {
  for (const [name, value] of Object.entries(callbacks)) {
    // Not enumerable, as methods are.
    Object.defineProperty(channel, name, { value, writable: true, configurable: true });
  }
}
