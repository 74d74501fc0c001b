/**
 * Owns the queue of jobs: what promises, queueMicrotask and process.nextTick have called. The JavaScript runtime of a component
 * has a queue of its own, which a program in it cannot run; so promises are those of promise.ts, and jobs wait here. Knows
 * nothing of who runs them.
 */

type Job = () => void;

/** How many jobs that have run a queue may hold. */
const TAKEN_MAX = 1024;

/** A queue that is not shifted: jobs are taken by index, and those that have run are dropped many at a time. */
class JobQueue {
  #jobs: Job[] = [];
  #at = 0;

  push(job: Job): void {
    this.#jobs.push(job);
  }

  take(): Job | undefined {
    if (this.#at >= TAKEN_MAX && 2 * this.#at >= this.#jobs.length) {
      this.#jobs = this.#jobs.slice(this.#at);
      this.#at = 0;
    }
    const job = this.#jobs[this.#at];
    if (job === undefined) {
      if (this.#at > 0) this.#jobs = [];
      this.#at = 0;
      return undefined;
    }
    this.#at += 1;
    return job;
  }
}

const ticks = new JobQueue();
const jobs = new JobQueue();
let isRunning = false;

/** A job of a promise. */
export function enqueueJob(job: Job): void {
  jobs.push(job);
}

/** process.nextTick: before the jobs of promises that wait. */
export function enqueueTick(job: Job): void {
  ticks.push(job);
}

/** Runs all jobs, and those that they add. @param onError takes what a job throws; the next one runs all the same */
export function runJobs(onError: (error: unknown) => void): void {
  if (isRunning) return;
  isRunning = true;
  try {
    while (true) {
      // Ticks go first, but not in the middle of the jobs that run already: as on Node.
      let job = ticks.take();
      if (job !== undefined) {
        for (; job !== undefined; job = ticks.take()) attempt(job, onError);
      }
      job = jobs.take();
      if (job === undefined) return;
      for (; job !== undefined; job = jobs.take()) attempt(job, onError);
    }
  } finally {
    isRunning = false;
  }
}

function attempt(job: Job, onError: (error: unknown) => void): void {
  try {
    job();
  } catch (error) {
    onError(error);
  }
}
