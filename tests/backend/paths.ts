/** Holds a backend's calls on paths beneath a directory to `PathCalls`. */

import { describe, expect, test } from "vitest";
import type { Backend } from "../../host/backend/backend.js";
import { leaveOut, missingLinux } from "../support/missing.js";
import { ERRNO, owned, text } from "./support.js";
import type { System, TestDirectory } from "./system.js";

export function describePaths(backend: Backend, system: System): void {
  /** A directory with a file, beside one with a secret; its descriptor. */
  function prepared(): { readonly fd: number; readonly base: TestDirectory } {
    const base = system.directory();
    base.write("inside/file", "text");
    base.write("outside/secret", "secret");
    base.link("inside/out", "../outside");
    return { fd: owned(backend, base.open("inside")), base };
  }

  const missing = system.isLinux ? "" : leaveOut("Tests of paths beneath a directory", missingLinux());
  describe.skipIf(missing !== "")("paths beneath a directory", () => {
    test("are made, renamed, linked, read and removed", () => {
      const { fd, base } = prepared();
      expect([backend.makeDirectoryBeneath(fd, "a", 0o777), backend.makeDirectoryBeneath(fd, "a/b", 0o777)]).toEqual([
        0, 0,
      ]);
      expect([backend.renameBeneath(fd, "file", fd, "a/b/c"), base.read("inside/a/b/c")]).toEqual([0, "text"]);
      expect([backend.linkBeneath(fd, "a/b/c", fd, "second"), backend.symlinkBeneath(fd, "link", "a/b/c")]).toEqual([
        0, 0,
      ]);
      expect(backend.statusBeneath(fd, "second", false)).toMatchObject({ kind: "file", links: 2n });
      expect([backend.statusBeneath(fd, "link", false), backend.statusBeneath(fd, "link", true)]).toEqual([
        expect.objectContaining({ kind: "link" }),
        expect.objectContaining({ kind: "file" }),
      ]);
      expect(text(backend.readLinkBeneath(fd, "link") as Uint8Array)).toBe("a/b/c");
      expect(backend.readLinkBeneath(fd, "second")).toBe(-ERRNO.EINVAL);
      expect(backend.setTimesBeneath(fd, "link", true, 1n, 2n)).toBe(0);
      expect(backend.statusBeneath(fd, "second", false)).toMatchObject({ accessedNs: 1n, modifiedNs: 2n });
      expect([backend.removeDirectoryBeneath(fd, "a/b"), backend.removeFileBeneath(fd, "a/b")]).toEqual([
        -ERRNO.ENOTEMPTY,
        -ERRNO.EISDIR,
      ]);
      expect([backend.removeFileBeneath(fd, "a/b/c"), backend.removeDirectoryBeneath(fd, "a/b/")]).toEqual([0, 0]);
    });

    test.each(["../outside/secret", "/etc/passwd", "out/secret"])("do not lead out of it: %s", (leading) => {
      const { fd, base } = prepared();
      expect([
        backend.statusBeneath(fd, leading, true),
        backend.setTimesBeneath(fd, leading, true, "now", "now"),
        backend.makeDirectoryBeneath(fd, leading, 0o777),
        backend.removeFileBeneath(fd, leading),
        backend.removeDirectoryBeneath(fd, leading),
        backend.renameBeneath(fd, leading, fd, "new"),
        backend.renameBeneath(fd, "file", fd, leading),
        backend.linkBeneath(fd, leading, fd, "new"),
        backend.linkBeneath(fd, "file", fd, leading),
        backend.symlinkBeneath(fd, leading, "file"),
        backend.readLinkBeneath(fd, leading),
      ]).toEqual(Array.from({ length: 11 }, () => -ERRNO.EPERM));
      expect(base.read("outside/secret")).toBe("secret");
    });

    test("have no NUL and are not too long; a descriptor that is none is EBADF", () => {
      const { fd } = prepared();
      const long = "x/".repeat(3000);
      expect([backend.statusBeneath(fd, "a\0b", true), backend.makeDirectoryBeneath(fd, "a\0b", 0)]).toEqual([
        -22, -22,
      ]);
      expect(backend.symlinkBeneath(fd, "link", "a\0b")).toBe(-ERRNO.EINVAL);
      expect([backend.statusBeneath(fd, long, true), backend.removeFileBeneath(fd, long)]).toEqual([-36, -36]);
      expect([backend.statusBeneath(fd, "", true), backend.removeFileBeneath(fd, "")]).toEqual([-2, -2]);
      for (const none of [-1, 0x7fffffff]) {
        expect([backend.statusBeneath(none, ".", true), backend.makeDirectoryBeneath(none, "a", 0)]).toEqual([-9, -9]);
      }
    });
  });
}
