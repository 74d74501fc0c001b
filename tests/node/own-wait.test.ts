/**
 * Holds the wait of Node's main thread for an epoll set to its promises where libuv has no room for the set at the moment
 * when it is to take the wait over: the watch goes on, and nothing is left of it.
 */

import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { Ready } from "../../host/backend/backend.js";
import { createNodeBackend } from "../../host/node/backend.js";
import { EPOLL_CTL_ADD } from "../../host/node/epoll-layout.js";
import { loadLibc } from "../../host/node/libc.js";
import { ownedPair, ownedSet } from "../backend/support.js";
import { iterations, until } from "../support/iterations.js";

const { READ } = Ready;

describe("a watch over epoll for which libuv has no room any more", () => {
  const backend = createNodeBackend({ poller: "epoll", ownWait: true });
  const libc = loadLibc();

  /** Lets libuv watch `room` more descriptors, until `end` is called. */
  function limitRoom(room: number): { readonly refused: () => number; readonly end: () => void } {
    const original = libc.pollOnLoop;
    let left = room;
    let refused = 0;
    const polls = vi.spyOn(libc, "pollOnLoop").mockImplementation((fd, events, callback) => {
      if (left-- > 0) return original(fd, events, callback);
      refused += 1;
      throw new Error("refused");
    });
    onTestFinished(() => polls.mockRestore());
    return { refused: () => refused, end: () => polls.mockRestore() };
  }

  /** Timers that keep the event loop alive: one of a watch that does, and those of the test runner. */
  function timeouts(): number {
    return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  }

  /** A watch that receives what `send` sends. */
  function receiver() {
    const set = ownedSet(backend);
    const [one, other] = ownedPair(backend, backend.socketPair("stream"));
    set.update(one, READ);
    let calls = 0;
    const watch = set.watch(() => {
      calls += 1;
      backend.recv(one, new Uint8Array(1));
    });
    onTestFinished(() => watch.stop());
    const trip = async (): Promise<void> => {
      const before = calls;
      backend.send(other, new Uint8Array(1));
      await until(() => calls > before);
    };
    return { watch, trip, calls: () => calls };
  }

  test("goes on when another watch begins, is not called for nothing, and waits again", async () => {
    const { watch, trip, calls } = receiver();
    const descriptors = readdirSync("/proc/self/fd");
    const room = limitRoom(1);
    const beside = ownedSet(backend).watch(() => undefined);
    onTestFinished(() => beside.stop());
    await until(() => room.refused() >= 3);
    expect(calls()).toBe(0);
    await trip();
    await trip();
    room.end();
    const polls = vi.spyOn(libc, "pollOnLoop");
    onTestFinished(() => polls.mockRestore());
    // The event loop takes over now.
    await until(() => polls.mock.calls.length > 0);
    await trip();
    beside.stop();
    for (let count = 0; count < 5; count++) await trip();
    watch.stop();
    // The set of the watch beside is one more.
    expect(readdirSync("/proc/self/fd").length - descriptors.length).toBeLessThanOrEqual(2);
  });

  test("takes the wait over again when the other watch has ended, and leaves no handle when it stops", async () => {
    const { watch, trip, calls } = receiver();
    const room = limitRoom(1);
    const beside = ownedSet(backend).watch(() => undefined);
    await until(() => room.refused() >= 1);
    beside.stop();
    await trip();
    const refused = room.refused();
    for (let count = 0; count < 5; count++) await trip();
    expect(room.refused()).toBe(refused);
    expect(calls()).toBe(6);
    const before = timeouts();
    watch.stop();
    expect(timeouts()).toBe(before - 1);
  });

  test("stops while it is refused", async () => {
    const { watch, calls } = receiver();
    const room = limitRoom(1);
    const beside = ownedSet(backend).watch(() => undefined);
    await until(() => room.refused() >= 1);
    beside.stop();
    const before = timeouts();
    watch.stop();
    expect(timeouts()).toBe(before - 1);
    const refused = room.refused();
    const next = receiver();
    await next.trip();
    expect(calls()).toBe(0);
    expect(room.refused()).toBe(refused);
  });

  test("goes on when it no longer keeps the event loop alive, which may end then", async () => {
    const resources = process.getActiveResourcesInfo();
    const { watch, trip } = receiver();
    const room = limitRoom(0);
    watch.setReferenced(false);
    expect(room.refused()).toBe(1);
    expect(process.getActiveResourcesInfo()).toEqual(resources);
    await trip();
    await until(() => room.refused() >= 3);
    watch.setReferenced(true);
    const refused = room.refused();
    for (let count = 0; count < 5; count++) await trip();
    expect(room.refused()).toBe(refused);
  });

  test("goes on where it is the event loop that is always ready", async () => {
    const { trip, calls } = receiver();
    const room = limitRoom(0);
    // More waits than there are in a row without a call, each ended by a file operation of the event loop.
    while (room.refused() < 2) await readFile(new URL(import.meta.url));
    await trip();
    expect(calls()).toBe(1);
  });

  test("goes on where neither set can be put into the other", async () => {
    const { linux } = libc;
    if (linux === undefined) throw new Error("not Linux");
    const { trip } = receiver();
    const beside = ownedSet(backend).watch(() => undefined);
    await trip();
    await iterations(2);
    beside.stop();
    const room = limitRoom(0);
    const control = vi.spyOn(linux, "epoll_ctl").mockReturnValue(-1);
    onTestFinished(() => control.mockRestore());
    while (room.refused() < 2) await trip();
    control.mockRestore();
    const refused = room.refused();
    for (let count = 0; count < 5; count++) await trip();
    expect(room.refused()).toBeLessThanOrEqual(refused + 1);
  });

  test("waits in this thread only with the event loop in its set, whatever the callback has changed", async () => {
    const { linux } = libc;
    if (linux === undefined) throw new Error("not Linux");
    const set = ownedSet(backend);
    const [one, other] = ownedPair(backend, backend.socketPair("stream"));
    set.update(one, READ);
    const log: string[] = [];
    let calls = 0;
    let hasWaited = (): void => undefined;
    const waited = new Promise<void>((resolve) => (hasWaited = resolve));
    const { epoll_ctl, epoll_wait } = linux;
    const control = vi.spyOn(linux, "epoll_ctl").mockImplementation((epollFd, operation, fd, event) => {
      if (operation === EPOLL_CTL_ADD) log.push("joined");
      return epoll_ctl(epollFd, operation, fd, event);
    });
    // A wait that the event loop could not end would stop the test.
    const waits = vi.spyOn(linux, "epoll_wait").mockImplementation((epollFd, events, capacity, timeoutMs) => {
      if (timeoutMs !== 0 && log.push("waits") > 0 && calls > 0) hasWaited();
      return epoll_wait(epollFd, events, capacity, 0);
    });
    onTestFinished(() => {
      control.mockRestore();
      waits.mockRestore();
    });
    const room = limitRoom(0);
    const watch = set.watch(() => {
      backend.recv(one, new Uint8Array(1));
      if (calls++ > 0) return;
      watch.setReferenced(false);
      watch.setReferenced(true);
      log.length = 0;
    });
    onTestFinished(() => watch.stop());
    backend.send(other, new Uint8Array(1));
    // No iterations: an immediate keeps the thread from waiting.
    await waited;
    expect(log[0]).toBe("joined");
    expect(room.refused()).toBe(1);
    backend.send(other, new Uint8Array(1));
    await until(() => calls > 1);
  });
});
