/**
 * Owns a chat channel's input as an async iterable of messages. One message is taken at a time, so that a terminator that
 * is set for one applies to the next. Knows the layer, and of a chat what it needs; knows no handler class.
 */

import { OSError } from "../../backend/errors.js";
import type { Terminator } from "../chat/terminator.js";
import { ItemQueue } from "./item-queue.js";
import { claimInput, type Layered, overlay } from "./layer.js";
import { bufferOf } from "./tap.js";

/** The part of a chat that is used. */
export interface Chatting extends Layered {
  getTerminator(): Terminator;
  pauseReading(): void;
  resumeReading(): void;
  collectIncomingData(data: Uint8Array): void | Promise<void>;
  foundTerminator(): void | Promise<void>;
}

/** What a chat collects: asynchat's helpers. */
export interface Collecting {
  collect(data: Uint8Array): void;
  take(): Uint8Array;
}

const queues = new WeakMap<Chatting, ItemQueue>();

export function messagesOf(chat: Chatting, collecting: Collecting): AsyncIterableIterator<Buffer> {
  let queue = queues.get(chat);
  if (queue === undefined) {
    queue = makeQueue(chat, collecting);
    queues.set(chat, queue);
  }
  return queue.iterate();
}

function makeQueue(chat: Chatting, { collect, take }: Collecting): ItemQueue {
  claimInput(chat, "an iterator");
  const queue = new ItemQueue({ resume: () => chat.resumeReading(), pause: () => chat.pauseReading() }, 0);
  let failure: unknown;
  chat.pauseReading();
  overlay<Chatting>(chat, {
    collectIncomingData: (data) => {
      // Without a terminator there is no end of a message: what has arrived is one.
      if (hasTerminator(chat)) collect(data);
      else queue.push(Buffer.from(data));
    },
    foundTerminator: () => queue.push(bufferOf(take())),
    handleEof: () => {
      const rest = take();
      // Of a message of a fixed length, a part is no message.
      if (rest.length > 0 && typeof chat.getTerminator() !== "number") queue.push(bufferOf(rest));
      queue.end();
    },
    handleClose: () => {
      failure ??= new OSError("ECONNRESET", { syscall: "read" });
      chat.close();
    },
    handleError: (error) => {
      failure ??= error;
      chat.close();
    },
  });
  const { signal } = chat;
  const closed = (): void => queue.end(failure);
  if (signal.aborted) queue.end();
  else signal.addEventListener("abort", closed, { once: true });
  return queue;
}

function hasTerminator(chat: Chatting): boolean {
  const terminator = chat.getTerminator();
  return terminator !== null && terminator !== 0 && (typeof terminator === "number" || terminator.length > 0);
}
