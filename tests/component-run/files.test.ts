/** Descriptors of a component's files: who closes them, and when. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { EntryStream, FileDescriptor, OpenFlags } from "../../host/component/files.js";
import { HandleTable, UNCOUNTED } from "../../host/component/resources.js";
import { openDirectories } from "../../host/guest/directories.js";
import { defaultBackend } from "../../host/net/default-backend.js";
import { openedFromNow } from "../support/descriptors.js";

test("one call gives or takes at most a mebibyte of a file, and the next goes on there", () => {
  const MIB = 2 ** 20;
  const hostPath = mkdtempSync(join(tmpdir(), "wasyncore-files-"));
  onTestFinished(() => rmSync(hostPath, { recursive: true }));
  const backend = defaultBackend();
  const [granted] = openDirectories(backend, [{ hostPath, guestPath: "/" }]);
  if (granted === undefined) throw new Error("there is no directory");
  onTestFinished(() => void backend.close(granted.fd));
  const file = FileDescriptor.directory(backend, granted.fd, false)().open("large", false, OpenFlags.CREATE, 3);
  if (typeof file === "number") throw new Error(backend.errorCode(file));
  onTestFinished(() => file.release());

  const data = Buffer.alloc(2 * MIB + 100, "0123456789abc");
  const writer = file.writer(0n);
  onTestFinished(() => writer.close());
  let written = 0;
  const writes = [MIB, MIB, 100].map(() => {
    const count = writer.write(data.subarray(written));
    written += count;
    return count;
  });
  expect(writes).toEqual([MIB, MIB, 100]);
  expect(readFileSync(join(hostPath, "large")).equals(data)).toBe(true);

  const reader = file.reader(0n);
  onTestFinished(() => reader.close());
  const target = Buffer.alloc(data.length);
  let read = 0;
  const reads = [MIB, MIB, 100].map(() => {
    const count = reader.read(target.subarray(read));
    read += count;
    return count;
  });
  expect(reads).toEqual([MIB, MIB, 100]);
  expect(target.equals(data)).toBe(true);
});

test("a directory may be dropped before the stream of its entries, which keeps it open", () => {
  const hostPath = mkdtempSync(join(tmpdir(), "wasyncore-files-"));
  onTestFinished(() => rmSync(hostPath, { recursive: true }));
  mkdirSync(join(hostPath, "sub"));
  writeFileSync(join(hostPath, "sub", "one"), "");
  const backend = defaultBackend();
  const [granted] = openDirectories(backend, [{ hostPath, guestPath: "/", readOnly: true }]);
  if (granted === undefined) throw new Error("there is no directory");
  onTestFinished(() => void backend.close(granted.fd));
  const openedSince = openedFromNow();

  const handles = new HandleTable(UNCOUNTED);
  const root = FileDescriptor.directory(backend, granted.fd, true)();
  const opened = root.open("sub", false, OpenFlags.DIRECTORY, 1);
  if (typeof opened === "number") throw new Error(backend.errorCode(opened));
  const directory = handles.add(opened);
  const entries = opened.entries();
  const stream = handles.add(entries);
  handles.drop(directory, FileDescriptor);
  expect(openedSince()).toHaveLength(1);
  expect(entries.next()).toEqual({ name: "one", kind: "file" });
  expect(entries.next()).toBeUndefined();
  handles.drop(stream, EntryStream);
  expect(openedSince()).toEqual([]);
});
