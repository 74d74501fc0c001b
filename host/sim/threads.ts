/** Owns the threads of an exploration: as many as there are cores, by default. Knows nothing of what they run. */

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { SeedRace } from "./seed-race.js";
import type { ThreadWork } from "./worker.js";

const PROGRESS_MS = 200;

export const defaultThreads = (): number => availableParallelism();

/**
 * Tries seeds on several threads.
 * @param onProgress is called now and then with how many seeds have been begun
 * @returns the index of the lowest seed that fails; undefined where none does
 * @throws what a thread ended with that is no failure of the scenario, such as a module that cannot be imported
 */
export async function lowestFailure(
  threads: number,
  work: Omit<ThreadWork, "words">,
  onProgress: (tried: number) => void,
): Promise<number | undefined> {
  const race = SeedRace.create(work.seeds);
  const workers: Worker[] = [];
  const timer = setInterval(() => onProgress(race.taken), PROGRESS_MS);
  try {
    const ends: Promise<void>[] = [];
    for (let count = Math.min(threads, work.seeds); count > 0; count--) {
      const workerData: ThreadWork = { ...work, words: race.words };
      const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData });
      workers.push(worker);
      ends.push(endOf(worker));
    }
    await Promise.all(ends);
    return race.lowest;
  } finally {
    clearInterval(timer);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function endOf(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    let isDone = false;
    worker.once("message", () => (isDone = true));
    worker.once("error", reject);
    worker.once("exit", (code) => {
      const message = `a thread of explore ended with exit code ${code}`;
      if (isDone) resolve();
      else reject(Object.assign(new Error(message), { code: "ERR_THREAD_ENDED" }));
    });
  });
}
