/** What the poller keeps of what a component begins and cancels without ever waiting. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, onTestFinished, test } from "vitest";
import { Ready } from "../../host/backend/backend.js";
import { Poller } from "../../host/component/polling.js";
import { Notice, Watch } from "../../host/component/watch.js";
import { defaultBackend } from "../../host/net/default-backend.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function poller(): Poller {
  const made = new Poller(defaultBackend());
  onTestFinished(() => made.close());
  return made;
}

function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

const never = (): void => {
  throw new Error("nothing is ready");
};

test("that one descriptor is awaited two million times, and never waited for, takes no memory", () => {
  const polled = poller();
  const notice = new Notice(new Watch(0), Ready.READ, never);
  const before = heapBytes();
  for (let count = 0; count < 2_000_000; count++) {
    polled.await(notice);
    polled.withdraw(notice);
  }
  expect(heapBytes() - before).toBeLessThan(4_000_000);
});

test("of those that are not awaited any more, hardly any is kept until the next wait", () => {
  const polled = poller();
  const before = heapBytes();
  for (let count = 0; count < 200_000; count++) {
    const notice = new Notice(new Watch(-1), Ready.READ, never);
    polled.await(notice);
    polled.withdraw(notice);
  }
  expect(heapBytes() - before).toBeLessThan(4_000_000);
});

test("those that are awaited are notified, however many others were not kept", () => {
  const polled = poller();
  const notified: number[] = [];
  for (let index = 0; index < 300; index++) {
    const notice = new Notice(new Watch(-1), Ready.READ, () => notified.push(index));
    polled.await(notice);
    if (index % 3 !== 0) polled.withdraw(notice);
  }
  polled.turn(0);
  expect(notified).toEqual(Array.from({ length: 100 }, (_, index) => index * 3));
});
