// Owns the measurement of timers in one process: what one costs in CPU time. Knows wasyncore's timers and Node's.
//
// usage: node bench/programs/timers.mjs KIND OF [--package DIR]
//   KIND   start-cancel: one at a time; cancel-all: all started with one delay, then all cancelled; fired: all fire
//   OF     node, loop or loopSync
// Prints one line of JSON.

import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { pathToFileURL } from "node:url";

const COUNT = 100_000;
/** Before what is measured, so that it is compiled, and the heap has its size. */
const WARMUPS = 4;
/** Garbage is collected in some rounds and not in others. */
const ROUNDS = 10;
const LONG_MS = 3_600_000;

const { values, positionals } = parseArgs({ options: { package: { type: "string" } }, allowPositionals: true });
const [kind, of] = positionals;

/** Starting and cancelling a timer, and running until `fired` has been called so often. */
async function timersOf(name) {
  if (name === "node") {
    return {
      start: (delayMs, callback) => setTimeout(callback, delayMs),
      cancel: clearTimeout,
      untilFired: (promise) => promise,
    };
  }
  const directory = resolve(values.package ?? join(import.meta.dirname, "..", ".."));
  const { loop, loopSync, socketMap } = await import(pathToFileURL(join(directory, "dist", "index.js")).href);
  return {
    start: (delayMs, callback) => socketMap.callLater(delayMs, callback),
    cancel: (timer) => timer.cancel(),
    async untilFired(promise, signal) {
      if (name === "loop") await loop({ signal });
      else loopSync({ signal });
      await promise;
    },
  };
}

/** Where the program keeps its timers: no cost of theirs. */
const started = Array.from({ length: COUNT });

function ignore() {}

const kinds = {
  async "start-cancel"({ start, cancel }) {
    for (let i = 0; i < COUNT; i++) cancel(start(LONG_MS, ignore));
  },

  async "cancel-all"({ start, cancel }) {
    for (let i = 0; i < COUNT; i++) started[i] = start(LONG_MS, ignore);
    for (let i = 0; i < COUNT; i++) cancel(started[i]);
  },

  async fired({ start, untilFired }) {
    let left = COUNT;
    const controller = new AbortController();
    const all = new Promise((resolve) => {
      const fired = () => {
        left -= 1;
        if (left > 0) return;
        controller.abort();
        resolve();
      };
      for (let i = 0; i < COUNT; i++) start(1, fired);
    });
    await untilFired(all, controller.signal);
  },
};

const timers = await timersOf(of);
for (let i = 0; i < WARMUPS; i++) await kinds[kind](timers);
const before = process.cpuUsage();
for (let i = 0; i < ROUNDS; i++) await kinds[kind](timers);
const { user, system } = process.cpuUsage(before);
const units = COUNT * ROUNDS;
console.log(JSON.stringify({ units, cpuNsPerUnit: ((user + system) * 1000) / units }));
process.exit(0);
