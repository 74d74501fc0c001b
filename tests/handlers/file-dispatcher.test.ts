/** FileDispatcher and FileWrapper: pipes, regular files, and what becomes of the descriptors. */

import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type ChannelMap, FileDispatcher, FileWrapper } from "wasyncore";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { bytes, owned, pattern, pipe, text } from "../support/sockets.js";

class Reader extends FileDispatcher {
  readonly received: Buffer[] = [];
  readonly errors: unknown[] = [];
  closes = 0;

  override handleRead(): void {
    this.received.push(Buffer.from(this.recv(1000)));
  }

  override handleError(error: unknown): void {
    this.errors.push(error);
    super.handleError(error);
  }

  override handleClose(): void {
    this.closes += 1;
    this.close();
  }
}

class Writer extends Reader {
  rest: Uint8Array;

  constructor(fd: number, map: ChannelMap, data: Uint8Array) {
    super(fd, map);
    this.rest = data;
  }

  override readable(): boolean {
    return false;
  }

  override writable(): boolean {
    return this.rest.length > 0;
  }

  override handleWrite(): void {
    this.rest = this.rest.subarray(this.send(this.rest));
  }
}

/** A file in a directory of its own; both go when the test ends. */
function temporaryFile(content: Uint8Array, flags: string): { path: string; fd: number } {
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-"));
  const path = join(directory, "file");
  writeFileSync(path, content);
  const fd = openSync(path, flags);
  onTestFinished(() => {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  });
  return { path, fd };
}

describe.each(MODES)("$name", (mode) => {
  test("a regular file is read to its end, which is then reported", async () => {
    const map = newMap();
    const data = pattern(10_000);
    const reader = new Reader(temporaryFile(data, "r").fd, map);
    await run(mode, map);
    expect(Buffer.concat(reader.received).equals(data)).toBe(true);
    expect([reader.closes, reader.errors]).toEqual([1, []]);
  });

  test("a regular file is written", async () => {
    const map = newMap();
    const { path, fd } = temporaryFile(new Uint8Array(0), "w");
    const data = pattern(200_000);
    const writer = new Writer(fd, map, data);
    await run(mode, map, () => writer.rest.length === 0);
    expect(readFileSync(path).equals(data)).toBe(true);
  });

  test("a pipe whose writer goes is read to its end, and closed", async () => {
    const map = newMap();
    const { readEnd, writeEnd } = pipe();
    const reader = new Reader(readEnd.fd, map);
    expect(reader.connected).toBe(true);
    const writer = new FileWrapper(writeEnd.fd);
    writer.write(bytes("last words"));
    writer.close();
    writeEnd.close();
    await run(mode, map);
    expect(text(Buffer.concat(reader.received))).toBe("last words");
    expect([reader.closes, reader.errors]).toEqual([1, []]);
  });

  test("a pipe whose reader goes closes the writer once, and the loop does not spin", async () => {
    const map = newMap();
    const { readEnd, writeEnd } = pipe();
    const writer = new Writer(writeEnd.fd, map, pattern(1_000_000));
    await run(mode, map, () => writer.rest.length < 1_000_000);
    readEnd.close();
    await run(mode, map);
    expect([writer.closes, writer.errors]).toEqual([1, []]);
  });

  test("a writer that waits for nothing is not notified that its reader has gone, and does not spin", async () => {
    const map = newMap();
    const { readEnd, writeEnd } = pipe();
    new Writer(writeEnd.fd, map, new Uint8Array(0));
    readEnd.close();
    await turns(mode, map, 5);
    expect(map.stats().events).toBe(0);
  });
});

describe("descriptors", () => {
  test("the dispatcher has a duplicate, which it closes; the original stays the caller's", () => {
    const { readEnd, writeEnd } = pipe();
    const map = newMap();
    const reader = new Reader(readEnd.fd, map);
    expect(reader.fd).not.toBe(readEnd.fd);
    expect(map.get(reader.fd)).toBe(reader);
    reader.close();
    expect(reader.fd).toBe(-1);
    const writer = owned(new FileWrapper(writeEnd.fd));
    const again = owned(new FileWrapper(readEnd.fd));
    expect(writer.send(bytes("still open"))).toBe(10);
    expect(text(again.read(100))).toBe("still open");
    expect([again.bytesIn, writer.bytesOut]).toEqual([10, 10]);
  });

  test("setFile changes the file of a dispatcher", async () => {
    const [first, second] = [pipe(), pipe()];
    const map = newMap();
    const reader = new Reader(first.readEnd.fd, map);
    reader.close();
    reader.setFile(second.readEnd.fd);
    owned(new FileWrapper(second.writeEnd.fd)).write(bytes("second"));
    await turns(MODES[0] ?? { name: "", blocking: false, usePoll: false }, map, 1);
    expect(text(Buffer.concat(reader.received))).toBe("second");
  });

  test("a closed wrapper is EBADF, and may be closed again", () => {
    const wrapper = new FileWrapper(pipe().readEnd.fd);
    wrapper.close();
    wrapper.close();
    expect([wrapper.fd, wrapper.closed]).toEqual([-1, true]);
    expect(() => wrapper.read(1)).toThrow(expect.objectContaining({ code: "EBADF", syscall: "read" }));
    expect(() => wrapper.write(bytes("x"))).toThrow(expect.objectContaining({ code: "EBADF", syscall: "write" }));
  });

  test("a descriptor that is not open is EBADF, and nothing comes into the map", () => {
    const map = newMap();
    expect(() => new FileDispatcher(999_999, map)).toThrow(expect.objectContaining({ code: "EBADF" }));
    expect(map.size).toBe(0);
  });

  test("an empty pipe is BlockingIOError to who reads it", () => {
    const reader = new Reader(pipe().readEnd.fd, newMap());
    expect(() => reader.recv(10)).toThrow(expect.objectContaining({ name: "BlockingIOError", code: "EAGAIN" }));
    reader.close();
  });
});
