/**
 * Owns the input of a channel that is read by somebody other than its class: as chunks, with back-pressure. Knows the
 * layer; knows no stream, and not how output is sent.
 */

import { BlockingIOError, OSError } from "../../backend/errors.js";
import { isOverride, declareLibraryMethods } from "../library.js";
import { type Controls, type Layered, claimInput, overlay, whenClosed, whenLost } from "./layer.js";

/** Maximum number of bytes per read. */
const CHUNK_BYTES = 65_536;

/** Who reads. */
export interface Sink {
  /** Does it close the channel itself, after the end of input? Otherwise a hang-up closes it. */
  readonly closes: boolean;
  data(chunk: Buffer): void;
  /** The peer has sent its last byte. */
  end(): void;
  /**
   * The channel has closed. Called once, perhaps without {@link end}.
   * @param error why, unless the program has closed it: ECONNRESET if the connection was lost
   */
  closed(error: unknown): void;
}

/** Takes over the reading of a channel. Its handleRead, handleEof, handleClose and handleError are not called any more. */
export class Tap {
  readonly #channel: Layered;
  readonly #controls: Controls;
  readonly #sink: Sink;
  #isReading = false;
  #isEnded = false;
  #isLost = false;
  #error: unknown;

  /** @param consumer what reads, for an error message */
  constructor(channel: Layered, controls: Controls, consumer: string, sink: Sink) {
    claimInput(channel, consumer);
    this.#channel = channel;
    this.#controls = controls;
    this.#sink = sink;
    whenLost(channel, () => (this.#isLost = true));
    overlay<Layered>(channel, {
      handleRead: () => {
        // Interest is a wish: an event of this turn may still come.
        if (this.#isReading) this.#readSome();
      },
      handleEof: () => {
        this.#isEnded = true;
        sink.end();
      },
      handleClose: () => this.#closed(),
      handleError: (error) => {
        this.#error ??= error;
        channel.close();
      },
    });
    // A class that overrides `readable` is sampled: it is this layer that decides now.
    if (isOverride(channel.readable)) overlay<Layered>(channel, { readable: libraryMethod(() => this.#isReading) });
    controls.setReadInterest(false);
    whenClosed(channel, () => sink.closed(this.#error));
  }

  /** Is more input wanted now? */
  read(on: boolean): void {
    if (this.#isReading === on) return;
    this.#isReading = on;
    if (this.#channel.fd >= 0) this.#controls.setReadInterest(on);
  }

  #readSome(): void {
    const data = this.#channel.recv(CHUNK_BYTES);
    if (data.length > 0) this.#sink.data(bufferOf(data));
  }

  /**
   * The peer is gone, or has hung up; or the class closes the channel, for a time limit perhaps. A hang-up comes when there
   * is nothing left to read but the end of input.
   */
  #closed(): void {
    try {
      if (!this.#isEnded && !this.#isLost) this.#readSome();
    } catch (error) {
      if (!(error instanceof BlockingIOError)) throw error;
    }
    if (this.#isLost) this.#error ??= lostError();
    else if (this.#isEnded && this.#sink.closes) return;
    this.#channel.close();
  }
}

/** The error of a connection that was lost. */
export function lostError(): OSError {
  return new OSError("ECONNRESET", { syscall: "read" });
}

/** The same bytes as a Buffer. */
export function bufferOf(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** Whoever asks whether the class overrides a method is to be told no. */
export function libraryMethod<T extends () => boolean>(method: T): T {
  declareLibraryMethods(method);
  return method;
}
