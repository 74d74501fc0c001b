/** Holds a backend's poll sets to `PollSet`. */

import { describe, expect, onTestFinished, test } from "vitest";
import { type Backend, Ready } from "../../host/backend/backend.js";
import type { System } from "./system.js";
import { boundSocket, closeOwned, connectedPair, ERRNO, owned, ownedPair, ownedSet, wait, waitFor } from "./support.js";

const { READ, WRITE, PRIORITY, HANGUP, ERROR } = Ready;

export function describePolling(backend: Backend, system: System): void {
  const closeBehind = (fd: number): void => system.close(fd);

  describe("a poll set", () => {
    /** A regular file, which is ready always. */
    function regularFile(): number {
      return owned(backend, system.openFile());
    }

    test("finds a descriptor ready for what it is watched for, and for nothing else", () => {
      const set = ownedSet(backend);
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      expect(set.update(one, READ)).toBe(0);
      expect(wait(set, 0)).toEqual([]);
      backend.send(other, new Uint8Array(3));
      expect(wait(set)).toEqual([{ fd: one, bits: READ, error: 0, readable: -1 }]);
      expect(set.update(one, READ | WRITE)).toBe(0);
      expect(wait(set)).toEqual([{ fd: one, bits: READ | WRITE, error: 0, readable: -1 }]);
      expect(set.update(one, WRITE)).toBe(0);
      expect(wait(set)).toEqual([{ fd: one, bits: WRITE, error: 0, readable: -1 }]);
      expect(set.update(one, 0)).toBe(0);
      expect(wait(set, 0)).toEqual([]);
    });

    test("goes on saying so while it is so", () => {
      const set = ownedSet(backend);
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      set.update(one, READ);
      backend.send(other, new Uint8Array(2));
      backend.recv(one, new Uint8Array(1));
      expect(wait(set)).toHaveLength(1);
      expect(wait(set)).toHaveLength(1);
      backend.recv(one, new Uint8Array(1));
      expect(wait(set, 0)).toEqual([]);
    });

    test("finds a socket ready that listens, or is bound by sending, only when it is watched already", () => {
      const set = ownedSet(backend);
      const [listener, address] = boundSocket(backend, "IPv4", "stream");
      set.update(listener, READ);
      wait(set, 0);
      expect(backend.listen(listener, 1)).toBe(0);
      const client = owned(backend, backend.socket("IPv4", "stream"));
      expect([0, -ERRNO.EINPROGRESS]).toContain(backend.connect(client, address));
      const connecting = ownedSet(backend);
      connecting.update(client, WRITE);
      waitFor(connecting, client, WRITE);
      waitFor(set, listener, READ);

      const [server, to] = boundSocket(backend, "IPv4", "dgram");
      const sender = owned(backend, backend.socket("IPv4", "dgram"));
      set.update(listener, 0);
      set.update(sender, READ);
      expect(wait(set, 0)).toEqual([]);
      expect(backend.sendTo(sender, new Uint8Array(3), to)).toBe(3);
      const serving = ownedSet(backend);
      serving.update(server, READ);
      waitFor(serving, server, READ);
      const received = backend.receiveFrom(server, 10);
      if (typeof received === "number") throw new Error(`nothing received: ${received}`);
      expect(backend.sendTo(server, received.data, received.address)).toBe(3);
      waitFor(set, sender, READ);
    });

    test("is not ready once what was peeked at has been read", () => {
      const { client, server } = connectedPair(backend);
      backend.send(client, new Uint8Array(3));
      const set = ownedSet(backend);
      set.update(server, READ);
      waitFor(set, server, READ);
      const target = new Uint8Array(10);
      expect(backend.peek(server, target)).toBe(3);
      expect(wait(set)).toHaveLength(1);
      expect(backend.recv(server, target)).toBe(3);
      expect(backend.recv(server, target)).toBe(-ERRNO.EAGAIN);
      expect(wait(set, 0)).toEqual([]);
    });

    test("names each of several descriptors once, and forgets those that are taken out", () => {
      const set = ownedSet(backend);
      const all = Array.from({ length: 5 }, () => ownedPair(backend, backend.socketPair("stream"))).flat();
      for (const fd of all) set.update(fd, WRITE);
      const found = () =>
        wait(set, 0)
          .map((row) => row.fd)
          .toSorted((a, b) => a - b);
      expect(found()).toEqual(all.toSorted((a, b) => a - b));
      const kept = all.filter((_, index) => index % 3 === 1);
      for (const fd of all) if (!kept.includes(fd)) set.update(fd, 0);
      expect(found()).toEqual(kept.toSorted((a, b) => a - b));
    });

    test("tells with a hang-up that something can be read where it comes after an urgent byte", () => {
      const { client, server } = connectedPair(backend);
      backend.setOption(client, "TCP_NODELAY", 1);
      backend.shutdown(server, "write");
      backend.send(client, new Uint8Array(2));
      backend.sendOutOfBand(client, new Uint8Array(1));
      backend.send(client, new Uint8Array(3));
      backend.shutdown(client, "write");
      const set = ownedSet(backend);
      set.update(server, READ);
      const target = new Uint8Array(16);
      // Reading stops at the urgent byte, and FIONREAD counts up to it.
      expect(backend.recv(server, target)).toBe(2);
      expect(waitFor(set, server, HANGUP).readable).toBeGreaterThan(0);
      expect(backend.recv(server, target)).toBe(3);
      expect(waitFor(set, server, HANGUP).readable).toBe(0);
    });

    test("reports a refused connect as ERROR with -ECONNREFUSED, once", () => {
      // Bound but not listening: nobody else can have the port.
      const [, address] = boundSocket(backend, "IPv4", "stream");
      const client = owned(backend, backend.socket("IPv4", "stream"));
      expect(backend.connect(client, address)).toBe(-ERRNO.EINPROGRESS);
      const set = ownedSet(backend);
      set.update(client, WRITE);
      const row = waitFor(set, client, ERROR);
      expect(row.error).toBe(-ERRNO.ECONNREFUSED);
      expect(row.bits & WRITE).toBe(WRITE);
      expect(backend.getOption(client, "SO_ERROR")).toBe(0);
    });

    test("reports a reset as ERROR with -ECONNRESET, readable where that was asked", () => {
      const { client, server } = connectedPair(backend);
      const set = ownedSet(backend);
      set.update(server, READ);
      backend.setLinger(client, { on: true, seconds: 0 });
      closeOwned(backend, client);
      const row = waitFor(set, server, ERROR);
      expect(row.error).toBe(-ERRNO.ECONNRESET);
      expect(row.bits & (READ | WRITE)).toBe(READ);
    });

    test("tells with a hang-up how much is left to read, and it can be read", () => {
      const set = ownedSet(backend);
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      backend.send(other, new Uint8Array(1234));
      closeOwned(backend, other);
      set.update(one, READ);
      expect(wait(set)).toEqual([{ fd: one, bits: READ | HANGUP, error: 0, readable: 1234 }]);
      const target = new Uint8Array(2000);
      expect(backend.recv(one, target)).toBe(1234);
      expect(wait(set)).toEqual([{ fd: one, bits: READ | HANGUP, error: 0, readable: 0 }]);
      expect(backend.recv(one, target)).toBe(0);
    });

    test("a connection that only stopped sending is readable and has not hung up", () => {
      const { client, server } = connectedPair(backend);
      const set = ownedSet(backend);
      backend.shutdown(client, "write");
      set.update(server, READ | WRITE);
      expect(waitFor(set, server, READ)).toEqual({ fd: server, bits: READ | WRITE, error: 0, readable: -1 });
    });

    test("a pipe whose writer is gone hangs up with what was written", () => {
      const set = ownedSet(backend);
      const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
      backend.write(writeEnd, new Uint8Array(77));
      closeOwned(backend, writeEnd);
      set.update(readEnd, READ);
      expect(wait(set)).toEqual([{ fd: readEnd, bits: READ | HANGUP, error: 0, readable: 77 }]);
    });

    test("an empty pipe whose writer is gone is readable: its end is there to be read", () => {
      const set = ownedSet(backend);
      const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
      closeOwned(backend, writeEnd);
      set.update(readEnd, READ);
      expect(wait(set)).toEqual([{ fd: readEnd, bits: READ | HANGUP, error: 0, readable: 0 }]);
    });

    test("a pipe whose reader is gone is an error without a number, and ready to write", () => {
      const set = ownedSet(backend);
      const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
      closeOwned(backend, readEnd);
      set.update(writeEnd, WRITE);
      expect(wait(set)).toEqual([{ fd: writeEnd, bits: WRITE | ERROR, error: 0, readable: -1 }]);
    });

    test("a hang-up is reported for a descriptor watched for writing alone, without READ", () => {
      const set = ownedSet(backend);
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      closeOwned(backend, other);
      set.update(one, WRITE);
      expect(wait(set)).toEqual([{ fd: one, bits: WRITE | HANGUP, error: 0, readable: 0 }]);
    });

    test("urgent data is PRIORITY", () => {
      const { client, server } = connectedPair(backend);
      const set = ownedSet(backend);
      set.update(server, READ | PRIORITY);
      backend.sendOutOfBand(client, new Uint8Array([1]));
      waitFor(set, server, PRIORITY);
    });

    test("urgent data ends no wait of one that did not ask for it", () => {
      const { client, server } = connectedPair(backend);
      const [asking, not] = [ownedSet(backend), ownedSet(backend)];
      asking.update(server, READ | PRIORITY);
      not.update(server, READ);
      backend.sendOutOfBand(client, new Uint8Array([1]));
      waitFor(asking, server, PRIORITY);
      expect(wait(not, 0)).toEqual([]);
    });

    test("a regular file is always ready, both ways, and waiting does not wait", () => {
      const set = ownedSet(backend);
      const [idle, other] = ownedPair(backend, backend.socketPair("stream"));
      const file = regularFile();
      set.update(idle, READ);
      expect(set.alwaysReady).toBe(false);
      expect(set.update(file, READ)).toBe(0);
      expect(set.alwaysReady).toBe(true);
      expect(wait(set, Infinity)).toEqual([{ fd: file, bits: READ, error: 0, readable: -1 }]);
      set.update(file, READ | WRITE);
      backend.send(other, new Uint8Array(1));
      expect(wait(set, Infinity).toSorted((a, b) => a.bits - b.bits)).toEqual([
        { fd: idle, bits: READ, error: 0, readable: -1 },
        { fd: file, bits: READ | WRITE, error: 0, readable: -1 },
      ]);
      set.update(file, 0);
      expect(set.alwaysReady).toBe(false);
      expect(wait(set, Infinity).map((row) => row.fd)).toEqual([idle]);
    });

    test("a descriptor that is not open is -EBADF, and spoils nothing", () => {
      const set = ownedSet(backend);
      const [one] = ownedPair(backend, backend.socketPair("stream"));
      set.update(one, WRITE);
      const gone = backend.socket("IPv4", "stream");
      backend.close(gone);
      expect(set.update(gone, READ)).toBe(-ERRNO.EBADF);
      expect(set.update(-1, READ)).toBe(-ERRNO.EBADF);
      expect(wait(set).map((row) => row.fd)).toEqual([one]);
    });

    test("to stop watching what is not watched, or is closed already, is no error", () => {
      const set = ownedSet(backend);
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      expect(set.update(one, 0)).toBe(0);
      expect(set.update(1_000_000, 0)).toBe(0);
      set.update(other, READ);
      closeOwned(backend, other, closeBehind);
      expect(set.update(other, 0)).toBe(0);
      expect(wait(set, 0)).toEqual([]);
    });

    test.each(["through the backend", "behind its back"])(
      "a number closed %s and used again is watched anew",
      (how) => {
        const set = ownedSet(backend);
        const [one] = ownedPair(backend, backend.socketPair("stream"));
        set.update(one, READ);
        closeOwned(backend, one, how === "behind its back" ? closeBehind : undefined);
        const again = owned(backend, backend.socket("IPv4", "dgram"));
        expect(again).toBe(one);
        expect(set.update(again, WRITE)).toBe(0);
        expect(wait(set)).toEqual([{ fd: again, bits: WRITE, error: 0, readable: -1 }]);
      },
    );

    test("a number used again for a regular file, and then for a socket, is taken for what it is", () => {
      const set = ownedSet(backend);
      const [one] = ownedPair(backend, backend.socketPair("stream"));
      set.update(one, READ);
      closeOwned(backend, one, closeBehind);
      const file = regularFile();
      expect(file).toBe(one);
      set.update(file, READ);
      expect(set.alwaysReady).toBe(true);
      closeOwned(backend, file, closeBehind);
      const socket = owned(backend, backend.socket("IPv4", "dgram"));
      expect(socket).toBe(one);
      set.update(socket, READ);
      expect(set.alwaysReady).toBe(false);
      expect(wait(set, 0)).toEqual([]);
    });

    test("a closed duplicate is not heard of again while the original is open", () => {
      const set = ownedSet(backend);
      const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
      const copy = owned(backend, backend.duplicate(readEnd));
      set.update(copy, READ);
      closeOwned(backend, copy);
      backend.write(writeEnd, new Uint8Array(1));
      expect(wait(set, 0)).toEqual([]);
      expect(set.update(copy, 0)).toBe(0);
    });

    test("a number that a duplicate of the same file comes back under is watched again", () => {
      const set = ownedSet(backend);
      const [one] = ownedPair(backend, backend.socketPair("stream"));
      const copy = owned(backend, backend.duplicate(one));
      set.update(one, READ);
      closeOwned(backend, one, closeBehind);
      set.update(one, 0);
      expect(owned(backend, backend.duplicate(copy))).toBe(one);
      expect(set.update(one, WRITE)).toBe(0);
      expect(wait(set)).toEqual([{ fd: one, bits: WRITE, error: 0, readable: -1 }]);
    });

    test("more ready descriptors than the first buffer holds are all found", () => {
      const set = ownedSet(backend);
      // Each socket takes one descriptor, and an unconnected datagram socket is always ready to write.
      const all = Array.from({ length: 1100 }, () => owned(backend, backend.socket("IPv4", "dgram")));
      for (const fd of all) expect(set.update(fd, WRITE)).toBe(0);
      expect(wait(set, 0).length).toBeGreaterThanOrEqual(1024);
      const found = wait(set, 0).map((row) => row.fd);
      expect(found.toSorted((a, b) => a - b)).toEqual(all.toSorted((a, b) => a - b));
    });

    test("sets are independent of each other", () => {
      const [one, other] = [ownedSet(backend), ownedSet(backend)];
      const [fd] = ownedPair(backend, backend.socketPair("stream"));
      one.update(fd, WRITE);
      other.update(fd, READ);
      expect(wait(one, 0)).toHaveLength(1);
      expect(wait(other, 0)).toEqual([]);
      one.close();
      other.update(fd, WRITE);
      expect(wait(other, 0)).toHaveLength(1);
    });

    test("a closed set knows no descriptor, and closing it again does nothing", () => {
      const set = backend.createPollSet();
      const [fd] = ownedPair(backend, backend.socketPair("stream"));
      set.update(fd, WRITE);
      set.close();
      set.close();
      expect(set.wait(0)).toBe(-ERRNO.EBADF);
      expect(set.update(fd, WRITE)).toBe(-ERRNO.EBADF);
      expect(set.alwaysReady).toBe(false);
    });

    test("a set releases what it holds of the operating system", () => {
      const probe = () => {
        const fd = backend.socket("IPv4", "stream");
        backend.close(fd);
        return fd;
      };
      const before = probe();
      const set = backend.createPollSet();
      onTestFinished(() => set.close());
      set.watch(() => undefined);
      set.close();
      expect(probe()).toBe(before);
    });
  });
}
