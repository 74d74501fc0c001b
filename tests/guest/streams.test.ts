/** Holds fd_read and fd_write of standard input and output as a guest is served them, and the vectors of every such call. */

import { describe, expect, test } from "vitest";
import {
  backend,
  createCaller,
  createConnection,
  DATA_AT,
  Errno,
  FLAGS_AT,
  ownedPair,
  PAGE,
  receive,
  RESULT_AT,
} from "./support.js";
import { pattern } from "../support/sockets.js";

describe("standard input", () => {
  test("is read as much as is there", () => {
    const [caller, { stdin }] = createCaller();
    backend.write(stdin, Buffer.from("hello"));
    expect(caller.read(0, 3)).toBe("hel");
    expect(caller.read(0)).toBe("lo");
  });

  test("fills one buffer after the other; empty ones may point anywhere", () => {
    const [caller, { stdin }] = createCaller();
    backend.write(stdin, Buffer.from("abcdefg"));
    const vector = caller.iovecs([DATA_AT, 2], [-1, 0], [DATA_AT + 100, 3], [DATA_AT + 200, 0], [DATA_AT + 300, 50]);
    expect(caller.calls.fd_read(0, ...vector, RESULT_AT)).toBe(Errno.SUCCESS);
    expect(caller.u32(RESULT_AT)).toBe(7);
    expect([caller.text(DATA_AT, 3), caller.text(DATA_AT + 100, 4), caller.text(DATA_AT + 300, 3)]).toEqual([
      "ab\0",
      "cde\0",
      "fg\0",
    ]);
  });

  test("at its end gives nothing", () => {
    const [stdin, far] = ownedPair(backend, backend.pipe());
    const [caller] = createCaller({ stdio: [{ fd: stdin }, { fd: far }, { fd: far }] });
    backend.close(far);
    expect([caller.read(0), caller.read(0)]).toEqual(["", ""]);
  });

  test("that is empty is EAGAIN to a guest that does not wait, and is left as it was to others", () => {
    const [caller, { stdin }] = createCaller();
    caller.setNonBlocking(0);
    expect(caller.read(0)).toBe(Errno.AGAIN);
    backend.write(stdin, Buffer.from("x"));
    expect(caller.read(0)).toBe("x");
    expect(caller.read(0)).toBe(Errno.AGAIN);
  });

  test("does not wait where somebody else has made it so: the guest waits instead", () => {
    const [stdin, far] = ownedPair(backend, backend.pipe());
    backend.setNonBlocking(stdin, true);
    let reads = 0;
    // What comes while the guest waits: its first read finds nothing.
    const on = {
      ...backend,
      read: (fd: number, target: Uint8Array, length?: number) => {
        const result = backend.read(fd, target, length);
        if (reads++ === 0) backend.write(far, Buffer.from("late"));
        return result;
      },
    };
    const [caller] = createCaller({ stdio: [{ fd: stdin }, { fd: far }, { fd: far }] }, { on });
    expect(caller.read(0)).toBe("late");
    expect(reads).toBe(2);
  });

  test("is not written to, and standard output not read from: EBADF", () => {
    const [caller] = createCaller();
    expect([caller.write(0, "x"), caller.read(1)]).toEqual([-Errno.BADF, Errno.BADF]);
  });
});

describe("standard output", () => {
  test("takes the buffers in their order, in one piece", () => {
    const [caller, { stdout }] = createCaller();
    caller.data("hello, world");
    const vector = caller.iovecs([DATA_AT + 7, 5], [-5, 0], [DATA_AT + 5, 2], [DATA_AT, 5]);
    expect(caller.calls.fd_write(1, ...vector, RESULT_AT)).toBe(Errno.SUCCESS);
    expect(caller.u32(RESULT_AT)).toBe(12);
    expect(receive(stdout, 12).toString()).toBe("world, hello");
  });

  test("of nothing writes nothing", () => {
    const [caller] = createCaller();
    expect(caller.write(1, "")).toBe(0);
  });

  test("that is full takes a part, and then is EAGAIN, to a guest that does not wait", () => {
    const [caller, { stdout }] = createCaller();
    caller.setNonBlocking(1);
    let written = 0;
    let last = 0;
    while ((last = caller.write(1, pattern(4000))) > 0) written += last;
    expect(last).toBe(-Errno.AGAIN);
    expect(receive(stdout, written)).toHaveLength(written);
    expect(caller.write(1, "x")).toBe(1);
  });

  test("is given no more at once than it takes without waiting, by a guest that does not wait", () => {
    const lengths: number[] = [];
    const on = { ...backend, write: (_fd: number, data: Uint8Array) => (lengths.push(data.length), data.length) };
    const [caller] = createCaller({}, { on });
    expect(caller.write(1, pattern(5000))).toBe(5000);
    caller.setNonBlocking(1);
    expect(caller.write(1, pattern(5000))).toBe(512);
    expect(lengths).toEqual([5000, 512]);
  });

  test("whose reader is gone is EPIPE", () => {
    const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
    const [caller] = createCaller({ stdio: [{ fd: readEnd }, { fd: writeEnd }, { fd: writeEnd }] });
    backend.close(readEnd);
    expect(caller.write(1, "x")).toBe(-Errno.PIPE);
  });
});

describe("vectors that make no sense", () => {
  const cases: [string, number, [number, number]][] = [
    ["more buffers than 1024", Errno.INVAL, [0, 1025]],
    ["a negative number of buffers", Errno.INVAL, [0, -1]],
    ["a vector outside of the memory", Errno.FAULT, [PAGE - 7, 1]],
    ["a vector at a negative address", Errno.FAULT, [-8, 1]],
  ];
  test.each(cases)("%s", (_name, errno, vector) => {
    const { caller, fd } = createConnection();
    const { calls } = caller;
    expect([
      calls.fd_read(0, ...vector, RESULT_AT),
      calls.fd_write(1, ...vector, RESULT_AT),
      calls.sock_recv(fd, ...vector, 0, RESULT_AT, FLAGS_AT),
      calls.sock_send(fd, ...vector, 0, RESULT_AT),
    ]).toEqual([errno, errno, errno, errno]);
  });

  test.each([
    ["a buffer outside of the memory", PAGE - 3, 4],
    ["a buffer at a negative address", -4, 4],
    ["a buffer of negative length", DATA_AT, -1],
  ])("%s, behind a good one: EFAULT, and nothing is moved", (_name, at, length) => {
    const { caller, fd, peer } = createConnection();
    const { calls } = caller;
    backend.send(peer, Buffer.from("unread"));
    const vector = caller.iovecs([DATA_AT, 2], [at, length]);
    expect([
      calls.sock_recv(fd, ...vector, 0, RESULT_AT, FLAGS_AT),
      calls.sock_send(fd, ...vector, 0, RESULT_AT),
    ]).toEqual([21, 21]);
    expect(caller.read(fd)).toBe("unread");
    backend.shutdown(peer, "read");
    calls.sock_shutdown(fd, 2);
    expect(receive(peer)).toHaveLength(0);
  });

  test("buffers of more than 4 GiB together: EINVAL", () => {
    const [caller] = createCaller({}, { pages: 80 });
    const all = Array.from({ length: 1024 }, () => [0, 80 * PAGE] as const);
    expect(caller.calls.fd_write(1, ...caller.iovecs(...all), RESULT_AT)).toBe(Errno.INVAL);
  });
});
