/**
 * Owns the input of a channel that is read by somebody other than its class: as chunks, with back-pressure. Knows the
 * layer; knows no stream, and not how output is sent.
 */

import { OSError } from "../../backend/errors.js";
import { isOverride, declareLibraryMethods } from "../library.js";
import { type Controls, type Layered, claimInput, overlay } from "./layer.js";

/** Maximum number of bytes per read. */
const CHUNK_BYTES = 65_536;

/** Who reads. */
export interface Sink {
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
  #isReading = false;
  #error: unknown;

  /** @param consumer what reads, for an error message */
  constructor(channel: Layered, controls: Controls, consumer: string, sink: Sink) {
    claimInput(channel, consumer);
    this.#channel = channel;
    this.#controls = controls;
    overlay<Layered>(channel, {
      handleRead: () => {
        // Interest is a wish: an event of this turn may still come.
        if (!this.#isReading) return;
        const data = channel.recv(CHUNK_BYTES);
        if (data.length > 0) sink.data(bufferOf(data));
      },
      handleEof: () => sink.end(),
      handleClose: () => {
        this.#error ??= new OSError("ECONNRESET", { syscall: "read" });
        channel.close();
      },
      handleError: (error) => {
        this.#error ??= error;
        channel.close();
      },
    });
    // A class that overrides `readable` is sampled: it is this layer that decides now.
    if (isOverride(channel.readable)) overlay<Layered>(channel, { readable: libraryMethod(() => this.#isReading) });
    controls.setReadInterest(false);
    const { signal } = channel;
    const closed = (): void => sink.closed(this.#error);
    if (signal.aborted) queueMicrotask(closed);
    else signal.addEventListener("abort", closed, { once: true });
  }

  /** Is more input wanted now? */
  read(on: boolean): void {
    if (this.#isReading === on) return;
    this.#isReading = on;
    if (this.#channel.fd >= 0) this.#controls.setReadInterest(on);
  }
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
