/**
 * Owns the input of a chat that is read by somebody other than its class: as messages, or as it arrives. Knows the layer,
 * and of a chat what it needs; knows no stream and no handler class.
 */

import { BlockingIOError } from "../../backend/errors.js";
import { endsMessages, type Terminator } from "../chat/terminator.js";
import { isOverride } from "../library.js";
import { claimInput, type Layered, overlay, whenClosed, whenLost } from "./layer.js";
import { bufferOf, libraryMethod, lostError, type Sink } from "./tap.js";

/** The part of a chat that is used. */
export interface Chatting extends Layered {
  getTerminator(): Terminator;
  pauseReading(): void;
  resumeReading(): void;
  collectIncomingData(data: Uint8Array): void | Promise<void>;
  foundTerminator(): void | Promise<void>;
}

/** What a chat collects: asynchat's helpers; and how it is resumed. */
export interface Collecting {
  collect(data: Uint8Array): void;
  take(): Uint8Array;
  /** Resumes reading. Input that the chat has read already may be delivered within the call. */
  resume(chat: Chatting): void;
}

/** Takes over the reading of a chat, which is paused until {@link read}. */
export class ChatTap {
  readonly #chat: Chatting;
  readonly #collecting: Collecting;
  readonly #sink: Sink;
  /** How many items the sink has been given. */
  #given = 0;
  /** Has the socket come to the end of input? The chat may still have input that it has read. */
  #isEnded = false;
  #isLost = false;
  #isProbing = false;
  #isReading = false;
  #isOver = false;
  #error: unknown;

  /** @param consumer what reads, for an error message */
  constructor(chat: Chatting, collecting: Collecting, consumer: string, sink: Sink) {
    claimInput(chat, consumer);
    this.#chat = chat;
    this.#collecting = collecting;
    this.#sink = sink;
    chat.pauseReading();
    whenLost(chat, () => (this.#isLost = true));
    overlay<Chatting>(chat, {
      collectIncomingData: (data) => {
        // Without a terminator there is no end of a message: what has arrived is one.
        if (endsMessages(chat.getTerminator())) collecting.collect(data);
        else this.#give(Buffer.from(data));
      },
      foundTerminator: () => this.#give(bufferOf(collecting.take())),
      handleEof: () => {
        this.#isEnded = true;
        if (!this.#isProbing) this.#end();
      },
      handleClose: () => this.#closed(),
      handleError: (error) => {
        this.#error ??= error;
        chat.close();
      },
    });
    // A class that overrides `readable` is sampled: it is this layer that decides now.
    if (isOverride(chat.readable)) overlay<Layered>(chat, { readable: libraryMethod(() => this.#isReading) });
    whenClosed(chat, () => sink.closed(this.#error));
  }

  /** Is more input wanted now? */
  read(on: boolean): void {
    const chat = this.#chat;
    this.#isReading = on;
    if (!on) return chat.pauseReading();
    const before = this.#given;
    this.#collecting.resume(chat);
    const isRest = this.#isEnded && !this.#isOver && chat.fd >= 0;
    if (isRest && this.#given === before) this.#readRest();
  }

  /** Delivers what the chat has read already: no event will come after the end of input. */
  #readRest(): void {
    const before = this.#given;
    void this.#chat.handleRead();
    if (this.#given === before) this.#end();
  }

  #give(item: Buffer): void {
    this.#given += 1;
    this.#sink.data(item);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const rest = this.#collecting.take();
    // Of a message of a fixed length, a part is no message.
    if (rest.length > 0 && typeof this.#chat.getTerminator() !== "number") this.#sink.data(bufferOf(rest));
    this.#sink.end();
  }

  /** The peer is gone, or has hung up; or the class closes the channel: what was pushed is sent, or a time limit is over. */
  #closed(): void {
    if (!this.#isEnded && !this.#isLost) this.#probe();
    if (this.#isLost) this.#error ??= lostError();
    else if (this.#isEnded && !this.#isOver) {
      // After a hang-up, there may be input that the chat has read.
      if (this.#isReading) this.#readRest();
      return;
    } else if (this.#isEnded && this.#sink.closes) return;
    this.#chat.close();
  }

  /** Looks for the end of input, which is all that there is to read after a hang-up. */
  #probe(): void {
    this.#isProbing = true;
    try {
      this.#chat.recv(1);
    } catch (error) {
      if (!(error instanceof BlockingIOError)) throw error;
    } finally {
      this.#isProbing = false;
    }
  }
}
