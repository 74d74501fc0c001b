/** Owns a channel's input as an async iterable of chunks. Knows the layer; knows no handler class. */

import { ItemQueue } from "./item-queue.js";
import type { Controls, Layered } from "./layer.js";
import { Tap } from "./tap.js";

/** So many bytes are read before an iterator asks for them. */
const BYTES_MAX = 65_536;

const queues = new WeakMap<Layered, ItemQueue>();

export function chunksOf(channel: Layered, controls: Controls): AsyncIterableIterator<Buffer> {
  let queue = queues.get(channel);
  if (queue === undefined) {
    queue = makeQueue(channel, controls);
    queues.set(channel, queue);
  }
  return queue.iterate();
}

function makeQueue(channel: Layered, controls: Controls): ItemQueue {
  const queue = new ItemQueue({ resume: () => tap.read(true), pause: () => tap.read(false) }, BYTES_MAX);
  const tap = new Tap(channel, controls, "an iterator", {
    closes: false,
    data: (chunk) => queue.push(chunk),
    end: () => queue.end(),
    closed: (error) => queue.end(error),
  });
  return queue;
}
