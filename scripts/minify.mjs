/** Owns minifying on all processors, in threads of this module: it takes most of the time of a build. Knows no file. */

import { once } from "node:events";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker } from "node:worker_threads";

/** The names of classes stay: they are seen in errors, and where objects are printed. */
const OPTIONS = { module: true, ecma: 2022, keep_classnames: true, compress: { passes: 2 } };

if (!isMainThread) {
  const { minify } = await import("terser");
  // What it rejects with ends the thread, and is the error of whoever waits for its answer.
  parentPort.on("message", async (text) => parentPort.postMessage((await minify(text, OPTIONS)).code));
}

/** @returns the minified modules, in the order of `texts` */
export async function minified(texts) {
  // Taken from the end: the longest first, so that the threads end at about the same time.
  const left = [...texts.entries()].toSorted(([, a], [, b]) => a.length - b.length);
  const made = [];
  const threads = Math.min(availableParallelism(), texts.length);
  await Promise.all(Array.from({ length: threads }, () => work(left, made)));
  return made;
}

async function work(left, made) {
  const thread = new Worker(fileURLToPath(import.meta.url));
  try {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const [index, text] = next;
      thread.postMessage(text);
      [made[index]] = await once(thread, "message");
    }
  } finally {
    await thread.terminate();
  }
}
