/** The poll set that the plugins of one thread share: what one plugin's look finds for the others. */

import { expect, onTestFinished, test } from "vitest";
import { defaultBackend } from "wasyncore";
import { Ready } from "../../host/backend/backend.js";
import { againOf } from "../../host/plugin/controlled-backend.js";
import { SharedPoll } from "../../host/plugin/shared-poll.js";

test("says whether a plugin is ready that has not looked, so that a busy one lets it have its turn", () => {
  const backend = defaultBackend();
  const again = againOf(backend);
  const poll = new SharedPoll(backend);
  onTestFinished(() => poll.close());
  const [busy, other] = [poll.createSet(again), poll.createSet(again)].map((set) => {
    const ends = backend.pipe();
    if (typeof ends === "number") throw new Error(`pipe: ${ends}`);
    onTestFinished(() => ends.forEach((fd) => backend.close(fd)));
    expect(set.update(ends[0], Ready.READ)).toBe(0);
    return {
      set,
      write: () => backend.write(ends[1], Uint8Array.of(1)),
      read: () => backend.read(ends[0], new Uint8Array(1)),
    };
  });
  if (busy === undefined || other === undefined) throw new Error("two sets were made");
  busy.write();
  expect(busy.set.wait(0)).toBe(1);
  expect(poll.hasReady).toBe(false);
  other.write();
  expect(busy.set.wait(0)).toBe(1);
  expect(poll.hasReady).toBe(true);
  expect(other.set.wait(0)).toBe(1);
  expect(poll.hasReady).toBe(false);
  other.read();
  expect(busy.set.wait(0)).toBe(1);
  expect(poll.hasReady).toBe(false);
});
