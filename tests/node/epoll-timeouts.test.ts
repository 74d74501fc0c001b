/** Holds waits for an epoll set to their timeouts, whatever ends them: the timeout of the system call, or an alarm. */

import { describe, expect, onTestFinished, test, vi } from "vitest";
import { Ready } from "../../host/backend/backend.js";
import { createNodeBackend } from "../../host/node/backend.js";
import { loadLibc } from "../../host/node/libc.js";
import { leaveOut, missingLinux } from "../support/missing.js";
import { bytes, ownedPair, ownedSet, PATIENCE_MS, wait } from "../backend/support.js";

const missing = leaveOut("The tests of waits for epoll(7)", missingLinux());

describe.skipIf(missing !== "")("a wait for an epoll set", () => {
  const backend = createNodeBackend({ poller: "epoll" });

  /** A set that watches one of a pair of sockets, and the timeouts that epoll_wait(2) is called with. */
  function open() {
    const { linux } = loadLibc();
    if (linux === undefined) throw new Error("not Linux");
    const set = ownedSet(backend);
    const [one, other] = ownedPair(backend, backend.socketPair("stream"));
    set.update(one, Ready.READ);
    const waits = vi.spyOn(linux, "epoll_wait");
    onTestFinished(() => waits.mockRestore());
    const settings = vi.spyOn(linux, "timerfd_settime");
    onTestFinished(() => settings.mockRestore());
    return {
      set,
      settings,
      send: () => backend.send(other, bytes("x")),
      receive: () => backend.recv(one, new Uint8Array(8)),
      ready: [{ fd: one, bits: Ready.READ, error: 0, readable: -1 }],
      timeouts: () => waits.mock.calls.map(([, , , timeoutMs]) => timeoutMs),
      /** How long a wait takes, which finds nothing. */
      elapsedMs(timeoutMs: number) {
        const startMs = performance.now();
        expect(wait(set, timeoutMs)).toEqual([]);
        return performance.now() - startMs;
      },
    };
  }

  test.each([0, 0.5, 5, 20, 20.5, 45])("takes no less than %d ms", (timeoutMs) => {
    const { elapsedMs } = open();
    for (let count = 0; count < 3; count++) expect(elapsedMs(timeoutMs)).toBeGreaterThanOrEqual(timeoutMs);
  });

  test("has no timeout of its own where an alarm ends it", () => {
    const { elapsedMs, timeouts } = open();
    elapsedMs(30);
    expect(timeouts().every((timeoutMs) => timeoutMs === -1)).toBe(true);
  });

  test("that ends early leaves an alarm, which does not end the next one", () => {
    const { set, settings, send, receive, ready, timeouts, elapsedMs } = open();
    settings.mockClear();
    for (let count = 0; count < 5; count++) {
      send();
      expect(wait(set, PATIENCE_MS)).toEqual(ready);
      receive();
    }
    expect(settings).toHaveBeenCalledTimes(1);
    send();
    expect(wait(set, 30)).toEqual(ready);
    receive();
    expect(elapsedMs(70)).toBeGreaterThanOrEqual(70);
    // Found, then the alarm of the wait before, then its own.
    expect(timeouts().filter((timeoutMs) => timeoutMs !== 0 && timeoutMs !== -1)).toEqual([]);
  });

  test.each([0.5, 5, 19])("takes no less than %d ms while the alarm of an earlier one rings", (timeoutMs) => {
    const { set, send, receive, ready, timeouts, elapsedMs } = open();
    send();
    expect(wait(set, 25)).toEqual(ready);
    receive();
    // The alarm rings when this is over.
    const endMs = performance.now() + 30;
    while (performance.now() < endMs);
    const before = timeouts().length;
    for (let count = 0; count < 3; count++) expect(elapsedMs(timeoutMs)).toBeGreaterThanOrEqual(timeoutMs);
    // The first one finds the alarm, and begins again if time is left; no other does.
    expect(timeouts().length).toBeLessThanOrEqual(before + 4);
  });

  test("that finds something while the alarm of an earlier one rings silences it", () => {
    const { set, settings, send, receive, ready } = open();
    send();
    expect(wait(set, 25)).toEqual(ready);
    const endMs = performance.now() + 30;
    while (performance.now() < endMs);
    settings.mockClear();
    for (let count = 0; count < 3; count++) expect(wait(set, 5)).toEqual(ready);
    expect(settings).toHaveBeenCalledTimes(1);
    receive();
  });

  test("ends earlier than the one before it asked for", () => {
    const { set, send, receive, ready, elapsedMs } = open();
    send();
    expect(wait(set, 100 * PATIENCE_MS)).toEqual(ready);
    receive();
    elapsedMs(25);
  });

  test("has a timeout of its own where no descriptor is left for an alarm", () => {
    const creations = vi.spyOn(loadLibc().linux ?? expect.fail(), "timerfd_create").mockReturnValue(-1);
    onTestFinished(() => creations.mockRestore());
    const { elapsedMs, timeouts } = open();
    expect(elapsedMs(30)).toBeGreaterThanOrEqual(30);
    expect(timeouts()).toContain(30);
    expect(creations).toHaveBeenCalledTimes(1);
    elapsedMs(30);
    expect(creations).toHaveBeenCalledTimes(1);
  });
});
