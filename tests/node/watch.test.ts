/**
 * Holds `PollSet.watch` of the Node backend to its promises: called back from Node's own loop, in an ordinary
 * callback, for as long as something is ready, and alive for as long as it watches.
 */

import { closeSync, openSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type Backend, type PollSet, Ready } from "../../host/backend/backend.js";
import { LoopError } from "../../host/backend/errors.js";
import { createNodeBackend } from "../../host/node/backend.js";
import { loadLibc } from "../../host/node/libc.js";
import { boundSocket, closeOwned, ERRNO, owned, ownedPair, ownedSet, rowsOf } from "../backend/support.js";
import { iterations, until } from "../support/iterations.js";

const { READ, WRITE, ERROR } = Ready;

/** Watches until `onReady` says true. */
function watchUntil(set: PollSet, onReady: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const watch = set.watch(() => {
      try {
        if (!onReady()) return;
        resolve();
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
      watch.stop();
    });
  });
}

function rows(set: PollSet) {
  return rowsOf(set, set.wait(0));
}

/** The lowest number that a new descriptor would get. */
function nextDescriptor(backend: Backend): number {
  const fd = backend.socket("IPv4", "stream");
  backend.close(fd);
  return fd;
}

describe.each([{ poller: "epoll", ownWait: true }, { poller: "epoll", ownWait: false }, { poller: "poll" }] as const)(
  "watching a poll set, %j",
  (options) => {
    const backend = createNodeBackend(options);

    test("calls back when a descriptor gets ready, and not before", async () => {
      const set = ownedSet(backend);
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      set.update(one, READ);
      let calls = 0;
      const ready = watchUntil(set, () => ++calls > 0);
      await iterations(5);
      expect(calls).toBe(0);
      backend.send(other, new Uint8Array(1));
      await ready;
      expect(rows(set)).toEqual([{ fd: one, bits: READ, error: 0, readable: -1 }]);
    });

    test("does not call back from inside watch(), and does for what is ready already", async () => {
      const set = ownedSet(backend);
      const [one] = ownedPair(backend, backend.socketPair("stream"));
      set.update(one, WRITE);
      let calls = 0;
      const ready = watchUntil(set, () => ++calls > 0);
      expect(calls).toBe(0);
      await ready;
    });

    test("calls back again while something stays ready", async () => {
      const set = ownedSet(backend);
      const [one] = ownedPair(backend, backend.socketPair("stream"));
      set.update(one, WRITE);
      let calls = 0;
      await watchUntil(set, () => ++calls === 5);
      expect(calls).toBe(5);
    });

    test("calls back once for many ready descriptors", async () => {
      const set = ownedSet(backend);
      const all = Array.from({ length: 20 }, () => ownedPair(backend, backend.socketPair("stream")));
      for (const [one, other] of all) {
        set.update(one, READ);
        backend.send(other, new Uint8Array(1));
      }
      let calls = 0;
      const watch = set.watch(() => {
        calls++;
        for (const [one] of all) backend.recv(one, new Uint8Array(1));
      });
      await iterations(10);
      watch.stop();
      expect(calls).toBe(1);
    });

    test("follows what is put into the set and taken out of it meanwhile", async () => {
      const set = ownedSet(backend);
      const [one] = ownedPair(backend, backend.socketPair("stream"));
      let calls = 0;
      const watch = set.watch(() => {
        calls++;
        set.update(one, 0);
      });
      onTestFinished(() => watch.stop());
      await iterations(3);
      expect(calls).toBe(0);
      set.update(one, WRITE);
      await until(() => calls >= 1);
      expect(calls).toBe(1);
      await iterations(5);
      expect(calls).toBe(1);
      set.update(one, READ);
      await iterations(5);
      expect(calls).toBe(1);
      set.update(one, READ | WRITE);
      await until(() => calls >= 2);
      expect(calls).toBe(2);
    });

    test("is quiet after stop(), even when a call was on its way", async () => {
      const set = ownedSet(backend);
      const [one] = ownedPair(backend, backend.socketPair("stream"));
      set.update(one, WRITE);
      let calls = 0;
      const watch = set.watch(() => {
        calls++;
        watch.stop();
        watch.stop();
      });
      await until(() => calls >= 1);
      expect(calls).toBe(1);
      await iterations(5);
      expect(calls).toBe(1);
      const file = owned(backend, openSync(new URL(import.meta.url), "r"));
      set.update(file, READ);
      set.watch(() => calls++).stop();
      await iterations(5);
      expect(calls).toBe(1);
    });

    test("can be watched again after stop(), but not twice at a time", async () => {
      const set = ownedSet(backend);
      const [one] = ownedPair(backend, backend.socketPair("stream"));
      set.update(one, WRITE);
      const watch = set.watch(() => undefined);
      expect(() => set.watch(() => undefined)).toThrow(LoopError);
      watch.stop();
      await watchUntil(set, () => true);
    });

    test("lets promises go on before anything else of the loop runs", async () => {
      const set = ownedSet(backend);
      const [one] = ownedPair(backend, backend.socketPair("stream"));
      set.update(one, WRITE);
      const order: string[] = [];
      await watchUntil(set, () => {
        order.push("ready");
        process.nextTick(() => order.push("tick"));
        void Promise.resolve().then(() => order.push("promise"));
        return order.length > 3;
      });
      expect(order.slice(0, 4)).toEqual(["ready", "tick", "promise", "ready"]);
    });

    test("calls back again and again for a regular file, also one that comes in meanwhile", async () => {
      const set = ownedSet(backend);
      let calls = 0;
      const ready = watchUntil(set, () => ++calls === 3);
      await iterations(3);
      expect(calls).toBe(0);
      set.update(owned(backend, openSync(new URL(import.meta.url), "r")), READ);
      await ready;
      await watchUntil(set, () => ++calls === 6);
    });

    test("what has no poll at all is looked at in every iteration", async () => {
      const set = ownedSet(backend);
      set.update(owned(backend, openSync("/dev/null", "r+")), READ | WRITE);
      let calls = 0;
      await watchUntil(set, () => ++calls === 3);
      expect(rows(set).map((row) => row.bits)).toEqual([READ | WRITE]);
    });

    test("goes on after an error: a refused connect, and a pipe without a reader while it is watched", async () => {
      const set = ownedSet(backend);
      const [, address] = boundSocket(backend, "IPv4", "stream");
      const client = owned(backend, backend.socket("IPv4", "stream"));
      const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
      set.update(writeEnd, WRITE);
      backend.connect(client, address);
      set.update(client, WRITE);
      closeOwned(backend, readEnd);
      const errors = new Map<number, number[]>([
        [client, []],
        [writeEnd, []],
      ]);
      await watchUntil(set, () => {
        for (const row of rows(set)) if ((row.bits & ERROR) !== 0) errors.get(row.fd)?.push(row.error);
        return (errors.get(writeEnd)?.length ?? 0) > 3 && errors.get(client)?.length === 1;
      });
      expect(errors.get(client)).toEqual([-ERRNO.ECONNREFUSED]);
      set.update(writeEnd, 0);
    });

    test("a descriptor may be in two watched sets", async () => {
      const [one, other] = [ownedSet(backend), ownedSet(backend)];
      const [fd] = ownedPair(backend, backend.socketPair("stream"));
      one.update(fd, WRITE);
      other.update(fd, WRITE);
      await Promise.all([watchUntil(one, () => true), watchUntil(other, () => true)]);
    });

    test("a descriptor may be one that Node watches for itself", async () => {
      const server = createServer((socket) => socket.end());
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      onTestFinished(() => void server.close());
      const fd = (server as unknown as { _handle: { fd: number } })._handle.fd;
      const set = ownedSet(backend);
      expect(set.update(fd, READ)).toBe(0);
      let calls = 0;
      const watch = set.watch(() => calls++);
      await iterations(3);
      watch.stop();
      expect(calls).toBe(0);
    });

    test("descriptors closed while watched leave nothing behind, by whichever way they are closed", async () => {
      const before = nextDescriptor(backend);
      const set = backend.createPollSet();
      const pairs = Array.from({ length: 3 }, () => ownedPair(backend, backend.socketPair("stream")));
      const watch = set.watch(() => undefined);
      for (const pair of pairs) for (const fd of pair) set.update(fd, READ);
      await iterations(2);
      for (const [one, other] of pairs) {
        closeOwned(backend, one);
        closeOwned(backend, other, closeSync);
      }
      await iterations(2);
      watch.stop();
      set.close();
      expect(nextDescriptor(backend)).toBe(before);
    });

    test("closing the set stops the watch", async () => {
      const set = backend.createPollSet();
      const [one] = ownedPair(backend, backend.socketPair("stream"));
      set.update(one, WRITE);
      let calls = 0;
      set.watch(() => calls++);
      set.close();
      await iterations(5);
      expect(calls).toBe(0);
    });
  },
);

describe.each([true, false])("a watch over epoll, ownWait: %j", (ownWait) => {
  const backend = createNodeBackend({ poller: "epoll", ownWait });

  test("that cannot begin leaves nothing: the process may end, and the next one begins", async () => {
    const set = ownedSet(backend);
    const [one, other] = ownedPair(backend, backend.socketPair("stream"));
    set.update(one, READ);
    // While another one watches, the event loop has to wait for both.
    const beside = ownedSet(backend).watch(() => undefined);
    onTestFinished(() => beside.stop());
    const resources = process.getActiveResourcesInfo();
    const descriptors = readdirSync("/proc/self/fd");
    const polls = vi.spyOn(loadLibc(), "pollOnLoop").mockImplementation(() => {
      throw new Error("refused");
    });
    onTestFinished(() => polls.mockRestore());
    expect(() => set.watch(() => undefined)).toThrow("refused");
    polls.mockRestore();
    expect(process.getActiveResourcesInfo()).toEqual(resources);
    expect(readdirSync("/proc/self/fd")).toEqual(descriptors);
    beside.stop();
    backend.send(other, new Uint8Array(1));
    await watchUntil(set, () => true);
  });
});

test("over poll, descriptors that libuv refuses are polled at times", async () => {
  const backend = createNodeBackend({ poller: "poll" });
  const set = ownedSet(backend);
  const [one, other] = ownedPair(backend, backend.socketPair("stream"));
  set.update(one, READ);
  const descriptors = readdirSync("/proc/self/fd");
  const polls = vi.spyOn(loadLibc(), "pollOnLoop").mockImplementation(() => {
    throw new Error("refused");
  });
  onTestFinished(() => polls.mockRestore());
  let calls = 0;
  const watch = set.watch(() => calls++);
  onTestFinished(() => watch.stop());
  expect(polls).toHaveBeenCalled();
  expect(readdirSync("/proc/self/fd")).toEqual(descriptors);
  backend.send(other, new Uint8Array(1));
  await until(() => calls > 0);
});

test("over poll, descriptors that cannot be duplicated are polled at times, and watched once they can be", async () => {
  const backend = createNodeBackend({ poller: "poll" });
  const set = ownedSet(backend);
  const [one, other] = ownedPair(backend, backend.socketPair("stream"));
  set.update(one, READ);
  const libc = loadLibc();
  const noneLeft = vi.spyOn(libc, "fcntl").mockReturnValue(-1);
  onTestFinished(() => noneLeft.mockRestore());
  let calls = 0;
  const watch = set.watch(() => calls++);
  onTestFinished(() => watch.stop());
  await iterations(1000);
  // Nothing is ready: a call in each iteration would be a loop that spins.
  expect(calls).toBeLessThan(500);

  backend.send(other, new Uint8Array(1));
  await until(() => rows(set).length === 1);
  const before = calls;
  await until(() => calls > before);
  expect(backend.recv(one, new Uint8Array(1))).toBe(1);

  noneLeft.mockRestore();
  const duplicate = vi.spyOn(libc, "fcntl");
  await until(() => duplicate.mock.calls.length > 0);
  const quiet = calls;
  await iterations(1000);
  expect(calls).toBe(quiet);
  backend.send(other, new Uint8Array(1));
  await until(() => calls > quiet);
});
