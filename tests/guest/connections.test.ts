/** Holds sock_recv, sock_send, sock_shutdown, fd_read and fd_write of connections as a guest is served them. */

import { describe, expect, test } from "vitest";
import { OSError } from "../../host/backend/errors.js";
import { fd as subscription } from "../engine/scripted-caller.js";
import { FD_READ, FD_WRITE } from "../engine/wasi-bytes.js";
import {
  backend,
  createCaller,
  createConnection,
  DATA_AT,
  Errno,
  FLAGS_AT,
  ownedPair,
  receive,
  RESULT_AT,
} from "./support.js";
import { ERRNO } from "../backend/support.js";
import { pattern } from "../support/sockets.js";

const PEEK = 1;
const WAITALL = 2;

describe("a connection", () => {
  test("is read and written by fd_read and fd_write as by sock_recv and sock_send", () => {
    const { caller, fd, peer } = createConnection();
    const { calls } = caller;
    backend.send(peer, Buffer.from("one two"));
    expect(caller.read(fd, 4)).toBe("one ");
    expect(calls.sock_recv(fd, ...caller.iovecs([DATA_AT, 10]), 0, RESULT_AT, FLAGS_AT)).toBe(Errno.SUCCESS);
    expect([caller.text(DATA_AT, caller.u32(RESULT_AT)), caller.view.getUint16(FLAGS_AT, true)]).toEqual(["two", 0]);
    expect(caller.write(fd, "three")).toBe(5);
    expect(calls.sock_send(fd, ...caller.data(" four"), 0, RESULT_AT)).toBe(Errno.SUCCESS);
    expect(receive(peer, 10).toString()).toBe("three four");
  });

  test("with nothing to read is EAGAIN to a guest that does not wait", () => {
    const { caller, fd } = createConnection();
    expect(caller.read(fd)).toBe(Errno.AGAIN);
  });

  test("whose peer reads slowly takes a part at a time, then EAGAIN, and loses nothing", () => {
    const [near, peer] = ownedPair(backend, backend.socketPair("stream"));
    const [caller] = createCaller({ listeners: [{ fd: backend.duplicate(near) }] }, { pages: 64 });
    const fd = 3;
    const data = pattern(3_000_000);
    caller.bytes(DATA_AT, data.length).set(data);
    let sent = 0;
    const send = (): number =>
      caller.calls.sock_send(fd, ...caller.iovecs([DATA_AT + sent, data.length - sent]), 0, RESULT_AT);
    const received: Buffer[] = [];
    let refusals = 0;
    while (sent < data.length) {
      const errno = send();
      if (errno === Errno.SUCCESS) sent += caller.u32(RESULT_AT);
      else {
        expect(errno).toBe(Errno.AGAIN);
        refusals++;
        received.push(receive(peer, 100_000));
      }
    }
    caller.calls.sock_shutdown(fd, 2);
    received.push(receive(peer));
    expect(refusals).toBeGreaterThan(0);
    expect(Buffer.concat(received).equals(data)).toBe(true);
  });

  test("takes a vector of more than it gathers at once in part", () => {
    const { caller, fd, peer } = createConnection({}, 4);
    const data = pattern(80_000);
    caller.bytes(DATA_AT, data.length).set(data);
    expect(
      caller.calls.sock_send(fd, ...caller.iovecs([DATA_AT, 50_000], [DATA_AT + 50_000, 30_000]), 0, RESULT_AT),
    ).toBe(Errno.SUCCESS);
    const sent = caller.u32(RESULT_AT);
    expect(sent).toBeGreaterThan(50_000);
    expect(receive(peer, sent).equals(data.subarray(0, sent))).toBe(true);
  });

  test("that is shut down for writing is at its end for the peer, and can still be read", () => {
    const { caller, fd, peer } = createConnection();
    expect(caller.calls.sock_shutdown(fd, 2)).toBe(Errno.SUCCESS);
    expect(receive(peer)).toHaveLength(0);
    backend.send(peer, Buffer.from("still"));
    expect(caller.read(fd)).toBe("still");
    expect(caller.write(fd, "x")).toBe(-Errno.PIPE);
  });

  test("whose peer has shut down is at its end, and can still be written", () => {
    const { caller, fd, peer } = createConnection();
    backend.send(peer, Buffer.from("last"));
    backend.shutdown(peer, "write");
    expect([caller.read(fd), caller.read(fd)]).toEqual(["last", ""]);
    expect(caller.write(fd, "answer")).toBe(6);
    expect(receive(peer, 6).toString()).toBe("answer");
  });

  test.each([0, 4, 8, -1])("sock_shutdown of %i: EINVAL", (how) => {
    const { caller, fd } = createConnection();
    expect(caller.calls.sock_shutdown(fd, how)).toBe(Errno.INVAL);
  });

  test("that was reset says so once, in the call after the poll: an error in an event would be the subscription's", () => {
    const { caller, fd, peer } = createConnection();
    backend.setLinger(peer, { on: true, seconds: 0 });
    backend.close(peer);
    expect(caller.poll(subscription(fd, FD_READ, 1n))).toEqual([expect.objectContaining({ error: 0, hangup: true })]);
    expect([caller.read(fd), caller.read(fd)]).toEqual([Errno.CONNRESET, ""]);
  });

  test("that was reset says so to a writer as well, before EPIPE", () => {
    const { caller, fd, peer } = createConnection();
    backend.setLinger(peer, { on: true, seconds: 0 });
    backend.close(peer);
    expect(caller.poll(subscription(fd, FD_WRITE, 1n))).toEqual([expect.objectContaining({ error: 0, hangup: true })]);
    expect([caller.write(fd, "x"), caller.write(fd, "x")]).toEqual([-Errno.CONNRESET, -Errno.PIPE]);
  });

  test("is looked at without taking, as far as it has arrived", () => {
    const { caller, fd, peer } = createConnection();
    const peek = (length: number, flags = PEEK): string | number => {
      const vector = caller.iovecs([DATA_AT, 2], [DATA_AT + 2, length - 2]);
      const errno = caller.calls.sock_recv(fd, ...vector, flags, RESULT_AT, FLAGS_AT);
      return errno === Errno.SUCCESS ? caller.text(DATA_AT, caller.u32(RESULT_AT)) : errno;
    };
    expect(peek(8)).toBe(Errno.AGAIN);
    backend.send(peer, Buffer.from("hello"));
    caller.poll(subscription(fd, FD_READ, 1n));
    expect([peek(3), peek(8), peek(8, PEEK | 2), caller.read(fd), peek(8)]).toEqual([
      "hel",
      "hello",
      "hello",
      "hello",
      Errno.AGAIN,
    ]);
    backend.setLinger(peer, { on: true, seconds: 0 });
    backend.close(peer);
    caller.poll(subscription(fd, FD_READ, 1n));
    expect([peek(8), peek(8), caller.read(fd)]).toEqual([Errno.CONNRESET, "", ""]);
  });

  test("knows no other flags", () => {
    const { caller, fd } = createConnection();
    const vector = caller.iovecs([DATA_AT, 1]);
    const recv = (flags: number): number => caller.calls.sock_recv(fd, ...vector, flags, RESULT_AT, FLAGS_AT);
    expect([recv(4), recv(-1)]).toEqual([Errno.INVAL, Errno.INVAL]);
    expect(caller.calls.sock_send(fd, ...vector, 1, RESULT_AT)).toBe(Errno.INVAL);
  });
});

describe("a guest that waits", () => {
  /** A backend whose peer sends the next of `parts` each time nothing is there. */
  function sending(parts: readonly string[], peer: () => number) {
    const left = [...parts];
    return {
      ...backend,
      recv(fd: number, target: Uint8Array, length?: number): number {
        const result = backend.recv(fd, target, length);
        const next = result === -ERRNO.EAGAIN ? left.shift() : undefined;
        if (next !== undefined) backend.send(peer(), Buffer.from(next));
        return result;
      },
    };
  }

  function connected(parts: readonly string[]) {
    const [near, far] = ownedPair(backend, backend.socketPair("stream"));
    const [caller] = createCaller({ listeners: [{ fd: backend.duplicate(near) }] }, { on: sending(parts, () => far) });
    caller.calls.fd_fdstat_set_flags(3, 0);
    return { caller, far };
  }

  test("waits for data", () => {
    const { caller } = connected(["hello"]);
    expect(caller.read(3)).toBe("hello");
  });

  test("waits until all of it is there with WAITALL, and no longer without", () => {
    const { caller } = connected(["one", "two", "three"]);
    const vector = caller.iovecs([DATA_AT, 2], [DATA_AT + 2, 5]);
    expect(caller.calls.sock_recv(3, ...vector, WAITALL, RESULT_AT, FLAGS_AT)).toBe(Errno.SUCCESS);
    expect(caller.text(DATA_AT, caller.u32(RESULT_AT))).toBe("onetwot");
    expect(caller.read(3)).toBe("hree");
  });

  test("gets with WAITALL what came before the end of input", () => {
    const { caller, far } = connected([]);
    backend.send(far, Buffer.from("abc"));
    backend.shutdown(far, "write");
    expect(caller.calls.sock_recv(3, ...caller.iovecs([DATA_AT, 7]), WAITALL, RESULT_AT, FLAGS_AT)).toBe(Errno.SUCCESS);
    expect(caller.text(DATA_AT, caller.u32(RESULT_AT))).toBe("abc");
  });

  test("waits until all is sent", () => {
    const [near, far] = ownedPair(backend, backend.socketPair("stream"));
    const received: Buffer[] = [];
    const on = {
      ...backend,
      send(fd: number, data: Uint8Array): number {
        const result = backend.send(fd, data);
        if (result === -ERRNO.EAGAIN) drain();
        return result;
      },
    };
    // All that is there: a socket is not ready to be written before most of it is read.
    function drain(): void {
      const target = new Uint8Array(65_536);
      for (let length = 0; (length = backend.recv(far, target)) > 0;)
        received.push(Buffer.from(target.subarray(0, length)));
    }
    const [caller] = createCaller({ listeners: [{ fd: backend.duplicate(near) }] }, { on, pages: 64 });
    caller.calls.fd_fdstat_set_flags(3, 0);
    const data = pattern(2_000_000);
    caller.bytes(DATA_AT, data.length).set(data);
    expect(caller.calls.sock_send(3, ...caller.iovecs([DATA_AT, data.length]), 0, RESULT_AT)).toBe(Errno.SUCCESS);
    expect(caller.u32(RESULT_AT)).toBe(data.length);
    caller.calls.sock_shutdown(3, 2);
    received.push(receive(far));
    expect(received.length).toBeGreaterThan(1);
    expect(Buffer.concat(received).equals(data)).toBe(true);
  });

  test("gets what came before an error, and the error next", () => {
    const [near] = ownedPair(backend, backend.socketPair("stream"));
    const answers = [2, -ERRNO.ETIMEDOUT, 0, 0];
    const on = { ...backend, recv: () => answers.shift() ?? 0 };
    const [caller] = createCaller({ listeners: [{ fd: backend.duplicate(near) }] }, { on });
    caller.calls.fd_fdstat_set_flags(3, 0);
    const recv = (): number => caller.calls.sock_recv(3, ...caller.iovecs([DATA_AT, 7]), WAITALL, RESULT_AT, FLAGS_AT);
    expect([recv(), caller.u32(RESULT_AT)]).toEqual([Errno.SUCCESS, 2]);
    expect(recv()).toBe(73); // ETIMEDOUT
    expect([recv(), caller.u32(RESULT_AT)]).toEqual([Errno.SUCCESS, 0]);
  });

  test("hears of an error after a part was sent in the next call", () => {
    const [near] = ownedPair(backend, backend.socketPair("stream"));
    const answers = [2, -ERRNO.ECONNRESET, -ERRNO.EPIPE, -ERRNO.EPIPE];
    const on = { ...backend, send: () => answers.shift() ?? 0 };
    const [caller] = createCaller({ listeners: [{ fd: backend.duplicate(near) }] }, { on });
    caller.calls.fd_fdstat_set_flags(3, 0);
    expect([caller.write(3, "hello"), caller.write(3, "llo"), caller.write(3, "llo")]).toEqual([
      2,
      -Errno.CONNRESET,
      -Errno.PIPE,
    ]);
  });

  test("cannot wait where the host has no descriptor left for it: EMFILE", () => {
    const [near] = ownedPair(backend, backend.socketPair("stream"));
    let sets = 0;
    const on = {
      ...backend,
      createPollSet() {
        if (sets++ === 0) return backend.createPollSet();
        throw new OSError("EMFILE", { errno: -ERRNO.EMFILE, syscall: "epoll_create1" });
      },
    };
    const [caller] = createCaller({ listeners: [{ fd: backend.duplicate(near) }] }, { on });
    expect(caller.read(3)).toBe(Errno.AGAIN);
    caller.calls.fd_fdstat_set_flags(3, 0);
    expect(caller.read(3)).toBe(Errno.MFILE);
  });
});

test("a listener that somebody else has made to wait does not wait", () => {
  const [near] = ownedPair(backend, backend.socketPair("stream"));
  const told: unknown[] = [];
  const on = {
    ...backend,
    setNonBlocking: (...parameters: [number, boolean]) => (
      told.push(parameters),
      backend.setNonBlocking(...parameters)
    ),
  };
  const fd = backend.duplicate(near);
  createCaller({ listeners: [{ fd }] }, { on });
  expect(told).toEqual([[fd, true]]);
});
