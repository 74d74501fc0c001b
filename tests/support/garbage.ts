/** Owns collecting garbage in a test, and waiting for what is to happen when something is garbage. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Collects what nothing refers to; what is registered for that is called before it returns. */
export async function collectGarbage(): Promise<void> {
  // A WeakRef keeps what it was made of until the end of the task.
  await new Promise((resolve) => setImmediate(resolve));
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  await new Promise((resolve) => setImmediate(resolve));
}

/** Collects garbage until `isDone`; the test's own time ends it otherwise. */
export async function collectUntil(isDone: () => boolean): Promise<void> {
  while (!isDone()) await collectGarbage();
}
