/** Holds the socket calls that preview 1 does not have, as WasmEdge's guests call them. */

import { describe, expect, test } from "vitest";
import { event, fd as subscription } from "../engine/scripted-caller.js";
import { FD_READ, FD_WRITE } from "../engine/wasi-bytes.js";
import {
  address,
  ADDRESS_AT,
  BYTES_AT,
  type Calls,
  createClient,
  DGRAM,
  getOption,
  INET4,
  INET6,
  local,
  loopback4,
  loopback6,
  open,
  PORT_AT,
  storage,
  STREAM,
  UNIX,
} from "./extension-support.js";
import { type Caller, createCaller, DATA_AT, Errno, FLAGS_AT, NONBLOCK, PAGE, RESULT_AT } from "./support.js";

test("a guest that is not given them has none of them", () => {
  const [{ calls }] = createCaller();
  const [, more] = createClient();
  const extension = Object.keys(more).filter((name) => !Object.hasOwn(calls, name));
  expect(extension.toSorted()).toEqual([
    "sock_bind",
    "sock_connect",
    "sock_getaddrinfo",
    "sock_getlocaladdr",
    "sock_getpeeraddr",
    "sock_getsockopt",
    "sock_listen",
    "sock_open",
    "sock_recv_from",
    "sock_send_to",
    "sock_setsockopt",
  ]);
});

describe.each([
  ["IPv4", INET4, loopback4],
  ["IPv6", INET6, loopback6],
  ["IPv4, in 128 bytes", INET4, storage(INET4, loopback4)],
  ["IPv6, in 128 bytes", INET6, storage(INET6, loopback6)],
])("%s", (_name, family, host) => {
  const size = family === INET4 ? 4 : 16;
  const bytes = family === INET4 ? loopback4 : loopback6;

  test("a guest listens, connects and accepts, all by itself, and waits for each", () => {
    const [caller, calls] = createClient();
    const listener = open(caller, calls, family, STREAM);
    expect(calls.sock_bind(listener, address(caller, ...host), 0)).toBe(Errno.SUCCESS);
    expect(calls.sock_listen(listener, -1)).toBe(Errno.SUCCESS);
    const bound = local(caller, calls, listener);
    expect([bound.bytes.slice(0, size), bound.type, bound.port > 0]).toEqual([bytes, size === 4 ? 4 : 6, true]);

    const client = open(caller, calls, family, STREAM);
    expect(calls.sock_connect(client, address(caller, ...host), bound.port)).toBe(Errno.SUCCESS);
    expect(calls.sock_accept(listener, RESULT_AT)).toBe(Errno.SUCCESS);
    const server = caller.u32(RESULT_AT);
    expect(caller.write(client, "hello")).toBe(5);
    expect(caller.read(server)).toBe("hello");

    expect(calls.sock_getpeeraddr(client, address(caller, ...storage(0, [])), PORT_AT)).toBe(Errno.SUCCESS);
    expect([...caller.bytes(BYTES_AT, size + 2)]).toEqual([family, 0, ...bytes]);
    expect(caller.u32(PORT_AT)).toBe(bound.port);
  });

  test("datagrams are sent and received with their addresses; what is too long is cut, and said to be", () => {
    const [caller, calls] = createClient();
    const one = open(caller, calls, family, DGRAM);
    const two = open(caller, calls, family, DGRAM);
    for (const fd of [one, two]) expect(calls.sock_bind(fd, address(caller, ...host), 0)).toBe(Errno.SUCCESS);
    const from = local(caller, calls, one);
    const to = local(caller, calls, two);
    for (const length of [64, 3]) {
      address(caller, ...host);
      expect(calls.sock_send_to(one, ...caller.data("hello"), ADDRESS_AT, to.port, 0, RESULT_AT)).toBe(Errno.SUCCESS);
      expect(caller.u32(RESULT_AT)).toBe(5);
      address(caller, ...host.map(() => 0));
      const vector = caller.iovecs([DATA_AT, 2], [DATA_AT + 2, length - 2]);
      expect(calls.sock_recv_from(two, ...vector, ADDRESS_AT, 0, PORT_AT, RESULT_AT, FLAGS_AT)).toBe(Errno.SUCCESS);
      expect(caller.text(DATA_AT, caller.u32(RESULT_AT))).toBe("hello".slice(0, length));
      expect([caller.view.getUint16(FLAGS_AT, true), caller.u32(PORT_AT)]).toEqual([length === 3 ? 1 : 0, from.port]);
      const at = host.length === 128 ? BYTES_AT + 2 : BYTES_AT;
      expect([...caller.bytes(at, size)]).toEqual(bytes);
    }
  });
});

test("a Unix socket has its path in 128 bytes", () => {
  const [caller, calls] = createClient("/nonexistent/directory/socket");
  const path = Buffer.from("/nonexistent/directory/socket");
  const fd = open(caller, calls, UNIX, STREAM);
  expect(calls.sock_connect(fd, address(caller, ...storage(UNIX, path)), 0)).toBe(44); // ENOENT
  expect(calls.sock_getlocaladdr(fd, address(caller, ...storage(9, [])), PORT_AT)).toBe(Errno.SUCCESS);
  expect([...caller.bytes(BYTES_AT, 3)]).toEqual([UNIX, 0, 0]);
  expect(calls.sock_getlocaladdr(fd, address(caller, ...loopback6), PORT_AT)).toBe(Errno.AFNOSUPPORT);
});

describe("a Unix socket is at no path but those that are granted: EACCES", () => {
  test("none by default, not even a socket", () => {
    const [caller, calls] = createClient();
    expect(calls.sock_open(UNIX, STREAM, RESULT_AT)).toBe(Errno.ACCES);
    const fd = open(caller, calls, INET4, STREAM);
    const at = address(caller, ...storage(UNIX, Buffer.from("/run/other.sock")));
    expect([calls.sock_connect(fd, at, 0), calls.sock_bind(fd, at, 0)]).toEqual([Errno.ACCES, Errno.ACCES]);
  });

  test.each(["/run/other.sock", "/granted/../run/other.sock", "/granted/", "", "\0abstract"])("%j", (path) => {
    const [caller, calls] = createClient("/granted");
    const at = address(caller, ...storage(UNIX, Buffer.from(path)));
    const [stream, dgram] = [open(caller, calls, UNIX, STREAM), open(caller, calls, UNIX, DGRAM)];
    expect([calls.sock_connect(stream, at, 0), calls.sock_bind(stream, at, 0)]).toEqual([Errno.ACCES, Errno.ACCES]);
    expect(calls.sock_send_to(dgram, ...caller.data("x"), at, 0, 0, RESULT_AT)).toBe(Errno.ACCES);
  });
});

test("WasmEdge's first recv_from has no port", () => {
  const [caller, calls] = createClient();
  const fd = open(caller, calls, INET4, DGRAM);
  calls.sock_bind(fd, address(caller, ...loopback4), 0);
  const { port } = local(caller, calls, fd);
  calls.sock_send_to(fd, ...caller.data("x"), address(caller, ...loopback4), port, 0, RESULT_AT);
  address(caller, 0, 0, 0, 0);
  expect(calls.sock_recv_from(fd, ...caller.iovecs([DATA_AT, 9]), ADDRESS_AT, 0, RESULT_AT, FLAGS_AT)).toBe(
    Errno.SUCCESS,
  );
  expect([caller.u32(RESULT_AT), [...caller.bytes(BYTES_AT, 4)]]).toEqual([1, loopback4]);
});

describe("connecting", () => {
  /** A port of the loopback that refuses: bound, and not listening. */
  function refusingPort(caller: Caller, calls: Calls): number {
    const fd = open(caller, calls, INET4, STREAM);
    calls.sock_bind(fd, address(caller, ...loopback4), 0);
    return local(caller, calls, fd).port;
  }

  test("to nobody is ECONNREFUSED to a guest that waits", () => {
    const [caller, calls] = createClient();
    const port = refusingPort(caller, calls);
    const fd = open(caller, calls, INET4, STREAM);
    expect(calls.sock_connect(fd, address(caller, ...loopback4), port)).toBe(Errno.CONNREFUSED);
  });

  test("to nobody is reported to one that does not wait by SO_ERROR, once, after the poll", () => {
    const [caller, calls] = createClient();
    const port = refusingPort(caller, calls);
    const fd = open(caller, calls, INET4, STREAM);
    caller.setNonBlocking(fd);
    expect(calls.sock_connect(fd, address(caller, ...loopback4), port)).toBe(Errno.INPROGRESS);
    const events = caller.poll(subscription(fd, FD_WRITE, 1n));
    expect(events).toEqual([expect.objectContaining({ userdata: 1n, error: 0 })]);
    const error = (): number[] => [getOption(caller, calls, fd, 2), caller.u32(DATA_AT)];
    expect([error(), error()]).toEqual([
      [0, Errno.CONNREFUSED],
      [0, 0],
    ]);
  });

  test("tells by the poll that it is done", () => {
    const [caller, calls] = createClient();
    const listener = open(caller, calls, INET4, STREAM);
    calls.sock_bind(listener, address(caller, ...loopback4), 0);
    calls.sock_listen(listener, 1);
    const { port } = local(caller, calls, listener);
    const fd = open(caller, calls, INET4, STREAM);
    caller.setNonBlocking(fd);
    expect(calls.sock_connect(fd, address(caller, ...loopback4), port)).toBe(Errno.INPROGRESS);
    expect(caller.poll(subscription(fd, FD_WRITE, 1n))).toEqual([event(1n, FD_WRITE)]);
    expect(caller.poll(subscription(listener, FD_READ, 2n))).toEqual([event(2n, FD_READ)]);
    expect(caller.accept(listener, NONBLOCK)).toBeGreaterThan(fd);
  });
});

describe("options", () => {
  const SO_REUSEADDR = 0;
  const SO_TYPE = 1;
  const SO_LINGER = 9;
  const SO_ACCEPTCONN = 13;

  function setOption(caller: Caller, calls: Calls, fd: number, name: number, ...values: number[]): number {
    for (const [index, value] of values.entries()) caller.view.setInt32(DATA_AT + 4 * index, value, true);
    return calls.sock_setsockopt(fd, 0, name, DATA_AT, 4 * values.length);
  }

  test("are set and read back", () => {
    const [caller, calls] = createClient();
    const fd = open(caller, calls, INET4, STREAM);
    expect(setOption(caller, calls, fd, SO_REUSEADDR, 1)).toBe(Errno.SUCCESS);
    caller.view.setUint32(DATA_AT, 0, true);
    expect([getOption(caller, calls, fd, SO_REUSEADDR), caller.u32(DATA_AT), caller.u32(RESULT_AT)]).toEqual([0, 1, 4]);
    expect([getOption(caller, calls, fd, SO_ACCEPTCONN), caller.u32(DATA_AT)]).toEqual([0, 0]);
    expect([getOption(caller, calls, fd, SO_TYPE), caller.u32(DATA_AT)]).toEqual([0, STREAM]);
    expect([getOption(caller, calls, open(caller, calls, INET4, DGRAM), SO_TYPE), caller.u32(DATA_AT)]).toEqual([
      0,
      DGRAM,
    ]);
  });

  test("lingering is a switch and seconds", () => {
    const [caller, calls] = createClient();
    const fd = open(caller, calls, INET4, STREAM);
    const linger = (): number[] => [
      getOption(caller, calls, fd, SO_LINGER, 12),
      caller.u32(DATA_AT),
      caller.u32(DATA_AT + 4),
      caller.u32(RESULT_AT),
    ];
    expect(linger()).toEqual([0, 0, 0, 8]);
    expect(setOption(caller, calls, fd, SO_LINGER, 1, 7)).toBe(Errno.SUCCESS);
    expect(linger()).toEqual([0, 1, 7, 8]);
    expect(setOption(caller, calls, fd, SO_LINGER, 0, 7)).toBe(Errno.SUCCESS);
    expect(linger()).toEqual([0, 0, 0, 8]);
  });

  test.each([3, 11, 14, 99, -1])("%i is none that is known: ENOPROTOOPT", (name) => {
    const [caller, calls] = createClient();
    const fd = open(caller, calls, INET4, STREAM);
    expect([getOption(caller, calls, fd, name), setOption(caller, calls, fd, name, 1)]).toEqual([50, 50]);
  });

  test("of another level than SOL_SOCKET are none", () => {
    const [caller, calls] = createClient();
    const fd = open(caller, calls, INET4, STREAM);
    caller.view.setUint32(RESULT_AT, 4, true);
    expect([calls.sock_getsockopt(fd, 6, 0, DATA_AT, RESULT_AT), calls.sock_setsockopt(fd, 6, 0, DATA_AT, 4)]).toEqual([
      50, 50,
    ]);
  });

  test("need room: EINVAL for too little, EFAULT for what is outside of the memory", () => {
    const [caller, calls] = createClient();
    const fd = open(caller, calls, INET4, STREAM);
    expect([
      getOption(caller, calls, fd, 0, 3),
      getOption(caller, calls, fd, SO_LINGER, 7),
      getOption(caller, calls, fd, 0, -1),
    ]).toEqual([28, 28, 21]);
    expect([0, 3, -1].map((size) => calls.sock_setsockopt(fd, 0, 0, DATA_AT, size))).toEqual([28, 28, 21]);
    expect([calls.sock_setsockopt(fd, 0, 0, PAGE - 3, 4), calls.sock_getsockopt(fd, 0, 0, DATA_AT, PAGE - 3)]).toEqual([
      21, 21,
    ]);
  });
});
