/** Holds a backend's calls on descriptors of any kind to `FileCalls`. */

import { constants } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Backend } from "../../host/backend/backend.js";
import type { System } from "./system.js";
import { bytes, closeOwned, ERRNO, owned, ownedPair, text } from "./support.js";

export function describeFiles(backend: Backend, system: System): void {
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

    test("files are read", () => {
      const fd = owned(backend, system.openFile());
      const target = new Uint8Array(3);
      expect(text(target, backend.read(fd, target))).toBe("/**");
    });
  });
}
