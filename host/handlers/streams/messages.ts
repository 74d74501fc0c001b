/**
 * Owns a chat channel's input as an async iterable of messages. One message is taken at a time, so that a terminator that
 * is set for one applies to the next. Knows the layer; knows no handler class.
 */

import { type Chatting, ChatTap, type Collecting } from "./chat-tap.js";
import { ItemQueue } from "./item-queue.js";

const queues = new WeakMap<Chatting, ItemQueue>();

export function messagesOf(chat: Chatting, collecting: Collecting): AsyncIterableIterator<Buffer> {
  let queue = queues.get(chat);
  if (queue === undefined) {
    queue = makeQueue(chat, collecting);
    queues.set(chat, queue);
  }
  return queue.iterate();
}

function makeQueue(chat: Chatting, collecting: Collecting): ItemQueue {
  const queue = new ItemQueue({ resume: () => tap.read(true), pause: () => tap.read(false) }, 0);
  const tap = new ChatTap(chat, collecting, "an iterator", {
    closes: false,
    data: (item) => queue.push(item),
    end: () => queue.end(),
    closed: (error) => queue.end(error),
  });
  return queue;
}
