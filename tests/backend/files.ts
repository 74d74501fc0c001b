/** Holds a backend's calls on descriptors of any kind to `FileCalls`. */

import { constants } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Backend, type DirectoryEntry, type FileStatus, Ready } from "../../host/backend/backend.js";
import { leaveOut, missingLinux } from "../support/missing.js";
import type { System } from "./system.js";
import { bytes, closeOwned, connectedPair, ERRNO, owned, ownedPair, ownedSet, text, waitFor } from "./support.js";

export function describeFiles(backend: Backend, system: System): void {
  const missing = system.isLinux ? "" : leaveOut("Tests of files and directories", missingLinux());
  describe("descriptors", () => {
    test("pipes block by default, and carry bytes", () => {
      const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
      expect(backend.setNonBlocking(readEnd, true)).toBe(0);
      const target = new Uint8Array(8);
      expect(backend.read(readEnd, target)).toBe(-ERRNO.EAGAIN);
      expect(backend.write(writeEnd, bytes("abc"))).toBe(3);
      expect(text(target, backend.read(readEnd, target))).toBe("abc");
      closeOwned(backend, writeEnd);
      expect(backend.read(readEnd, target)).toBe(0);
    });

    test("writing to a pipe without a reader is EPIPE", () => {
      const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
      closeOwned(backend, readEnd);
      expect(backend.write(writeEnd, bytes("x"))).toBe(-ERRNO.EPIPE);
    });

    test("a duplicate keeps the file open", () => {
      const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
      const copy = owned(backend, backend.duplicate(writeEnd));
      closeOwned(backend, writeEnd);
      expect(backend.write(copy, bytes("y"))).toBe(1);
      expect(backend.read(readEnd, new Uint8Array(4))).toBe(1);
    });

    test("a file is opened beneath a directory, and nothing outside of it", () => {
      const directory = owned(backend, system.openDirectory());
      const fd = owned(backend, backend.openBeneath(directory, "system.ts", constants.O_RDONLY, 0));
      const target = new Uint8Array(3);
      expect(text(target, backend.read(fd, target))).toBe("/**");
      expect(backend.openBeneath(directory, "../support", constants.O_RDONLY, 0)).toBe(-ERRNO.EXDEV);
    });

    test.skipIf(missing !== "")("a file has positions, a size and times", () => {
      const fd = owned(backend, system.directory().create("a"));
      const target = new Uint8Array(100);
      expect(backend.write(fd, bytes("0123456789"))).toBe(10);
      expect([backend.seek(fd, -4n, "end"), backend.seek(fd, 1n, "current"), backend.seek(fd, 2n, "start")]).toEqual([
        6n,
        7n,
        2n,
      ]);
      expect([backend.seek(fd, -1n, "start"), backend.seek(fd, 1n << 63n, "start")]).toEqual([
        BigInt(-ERRNO.EINVAL),
        BigInt(-ERRNO.EINVAL),
      ]);
      expect(backend.writeTo(fd, bytes("abc"), 4n)).toBe(3);
      expect(text(target, backend.readFrom(fd, target, 3n))).toBe("3abc789");
      expect(text(target, backend.read(fd, target))).toBe("23abc789");
      expect([backend.setLength(fd, 4n), backend.setAppend(fd, true), backend.seek(fd, 0n, "start")]).toEqual([
        0,
        0,
        0n,
      ]);
      expect([backend.write(fd, bytes("end")), backend.setAppend(fd, false)]).toEqual([3, 0]);
      expect([backend.setTimes(fd, -1n, 1_700_000_000_123_456_789n), backend.status(fd)]).toEqual([
        0,
        expect.objectContaining({
          kind: "file",
          size: 7n,
          links: 1n,
          accessedNs: -1n,
          modifiedNs: 1_700_000_000_123_456_789n,
        }),
      ]);
      expect(backend.setTimes(fd, "keep", "now")).toBe(0);
      const status = backend.status(fd) as FileStatus;
      expect(status.accessedNs).toBe(-1n);
      expect(status.modifiedNs).toBeGreaterThan(1_700_000_000_123_456_789n);
      expect([
        backend.advise(fd, 0n, 0n, "random"),
        backend.synchronize(fd, true),
        backend.synchronize(fd, false),
      ]).toEqual([0, 0, 0]);
      expect([0, -ERRNO.EOPNOTSUPP]).toContain(backend.allocate(fd, 0n, 64n));
      expect(backend.allocate(fd, 0n, 0n)).toBe(-ERRNO.EINVAL);
    });

    test.skipIf(missing !== "")("a directory has entries, from any of them on", () => {
      const directory = system.directory();
      const names = Array.from({ length: 100 }, (_, index) => `file-${index}`);
      for (const name of names) directory.write(name, "");
      const fd = owned(backend, directory.open("."));
      const found: string[] = [];
      for (let position = 0n; ;) {
        const entries = backend.readDirectory(fd, position, 600) as readonly DirectoryEntry[];
        if (entries.length === 0) break;
        found.push(...entries.map(({ name }) => text(name)));
        position = entries.at(-1)?.next ?? 0n;
      }
      expect(found.toSorted()).toEqual([".", "..", ...names].toSorted());
      const first = backend.readDirectory(fd, 0n, 65_536) as readonly DirectoryEntry[];
      expect(first.find(({ name }) => text(name) === "file-7")).toMatchObject({
        kind: "file",
        inode: expect.any(BigInt),
      });
    });

    test.skipIf(missing !== "")("what has no positions says so, and so does what is not open", () => {
      const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
      expect([backend.seek(readEnd, 0n, "current"), backend.readFrom(readEnd, new Uint8Array(1), 0n)]).toEqual([
        BigInt(-ERRNO.ESPIPE),
        -ERRNO.ESPIPE,
      ]);
      expect([backend.writeTo(writeEnd, bytes("x"), 0n), backend.readDirectory(readEnd, 0n, 1000)]).toEqual([
        -ERRNO.ESPIPE,
        -ERRNO.ESPIPE,
      ]);
      expect(backend.status(readEnd)).toMatchObject({ kind: "pipe" });
      for (const none of [0x7fffffff, -1, 1.5]) {
        expect([backend.status(none), backend.setLength(none, 0n), Number(backend.seek(none, 0n, "start"))]).toEqual([
          -ERRNO.EBADF,
          -ERRNO.EBADF,
          -ERRNO.EBADF,
        ]);
      }
    });

    test("what is peeked at stays unread", () => {
      const { client, server } = connectedPair(backend);
      const target = new Uint8Array(8);
      expect(backend.peek(server, target)).toBe(-ERRNO.EAGAIN);
      backend.send(client, bytes("hello"));
      const set = ownedSet(backend);
      set.update(server, Ready.READ);
      waitFor(set, server, Ready.READ);
      expect([backend.peek(server, target, 2), text(target, 2)]).toEqual([2, "he"]);
      expect([backend.peek(server, target), text(target, 5)]).toEqual([5, "hello"]);
      expect(text(target, backend.recv(server, target, 3))).toBe("hel");
      expect(text(target, backend.peek(server, target))).toBe("lo");
      expect(text(target, backend.recv(server, target))).toBe("lo");
      closeOwned(backend, client);
      waitFor(set, server, Ready.READ);
      expect([backend.peek(server, target), backend.recv(server, target)]).toEqual([0, 0]);
    });

    test.skipIf(missing !== "")("a peek passes over an urgent byte, which stays", () => {
      const { client, server } = connectedPair(backend);
      const target = new Uint8Array(8);
      const set = ownedSet(backend);
      set.update(server, Ready.READ | Ready.PRIORITY);
      backend.send(client, bytes("ab"));
      backend.sendOutOfBand(client, bytes("!"));
      waitFor(set, server, Ready.READ | Ready.PRIORITY);
      backend.send(client, bytes("cd"));
      expect(text(target, backend.peek(server, target))).toBe("ab");
      expect(text(target, backend.recv(server, target))).toBe("ab");
      waitFor(set, server, Ready.READ);
      expect(text(target, backend.peek(server, target))).toBe("cd");
      expect([backend.recvOutOfBand(server, target), text(target, 1)]).toEqual([1, "!"]);
      expect(text(target, backend.recv(server, target))).toBe("cd");
    });

    test("the clock of CPU time counts what this thread uses", () => {
      const before = backend.clock.threadCpuNs();
      while (backend.clock.threadCpuNs() === before);
      expect(backend.clock.threadCpuNs() > before).toBe(true);
    });

    test("files are read", () => {
      const fd = owned(backend, system.openFile());
      const target = new Uint8Array(3);
      expect(text(target, backend.read(fd, target))).toBe("/**");
    });
  });
}
