/** Holds what the socket calls that preview 1 does not have say to what makes no sense. */

import { describe, expect, test } from "vitest";
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
} from "./extension-support.js";
import { backend, createCaller, createConnection, DATA_AT, Errno, FLAGS_AT, PAGE, RESULT_AT } from "./support.js";
import { ERRNO } from "../backend/support.js";

describe("what makes no sense", () => {
  test("a family or a type that there is not", () => {
    const [, calls] = createClient();
    expect([0, 4, -1].map((family) => calls.sock_open(family, STREAM, RESULT_AT))).toEqual([5, 5, 5]);
    expect([0, 3, -1].map((type) => calls.sock_open(INET4, type, RESULT_AT))).toEqual([28, 28, 28]);
    expect([PAGE - 3, -1].map((at) => calls.sock_open(INET4, STREAM, at))).toEqual([21, 21]);
  });

  test.each([
    ["a length that no address has", 5, Errno.INVAL],
    ["of no length", 0, Errno.INVAL],
    ["of negative length", -1, Errno.INVAL],
  ])("an address: %s", (_name, length, errno) => {
    const [caller, calls] = createClient();
    const fd = open(caller, calls, INET4, STREAM);
    caller.view.setUint32(ADDRESS_AT, BYTES_AT, true);
    caller.view.setInt32(ADDRESS_AT + 4, length, true);
    expect([
      calls.sock_bind(fd, ADDRESS_AT, 0),
      calls.sock_connect(fd, ADDRESS_AT, 1),
      calls.sock_getlocaladdr(fd, ADDRESS_AT, PORT_AT),
    ]).toEqual([errno, errno, errno]);
  });

  test("an address outside of the memory: EFAULT", () => {
    const [caller, calls] = createClient();
    const fd = open(caller, calls, INET4, STREAM);
    expect([PAGE - 7, -8, -1].map((at) => calls.sock_bind(fd, at, 0))).toEqual([21, 21, 21]);
    caller.view.setUint32(ADDRESS_AT, PAGE - 3, true);
    caller.view.setUint32(ADDRESS_AT + 4, 4, true);
    expect([calls.sock_bind(fd, ADDRESS_AT, 0), calls.sock_getpeeraddr(fd, ADDRESS_AT, PORT_AT)]).toEqual([21, 21]);
    address(caller, ...loopback6);
    expect(calls.sock_getlocaladdr(fd, ADDRESS_AT, PAGE - 3)).toBe(Errno.FAULT);
  });

  test.each([-1, 65_536, 0x7fffffff])("port %i: EINVAL", (port) => {
    const [caller, calls] = createClient();
    const fd = open(caller, calls, INET4, STREAM);
    expect([
      calls.sock_bind(fd, address(caller, ...loopback4), port),
      calls.sock_connect(fd, ADDRESS_AT, port),
    ]).toEqual([28, 28]);
  });

  test("an address of another family than its socket, or of none", () => {
    const [caller, calls] = createClient();
    const fd = open(caller, calls, INET6, STREAM);
    expect(calls.sock_bind(fd, address(caller, ...loopback4), 0)).not.toBe(Errno.SUCCESS);
    expect(calls.sock_bind(fd, address(caller, ...storage(9, [])), 0)).toBe(Errno.AFNOSUPPORT);
  });

  test("an address that is in use", () => {
    const [caller, calls] = createClient();
    const one = open(caller, calls, INET4, STREAM);
    calls.sock_bind(one, address(caller, ...loopback4), 0);
    const { port } = local(caller, calls, one);
    expect(calls.sock_bind(open(caller, calls, INET4, STREAM), address(caller, ...loopback4), port)).toBe(
      Errno.ADDRINUSE,
    );
  });

  test("a pipe is no socket, and a closed descriptor none at all", () => {
    const [caller, calls] = createClient();
    address(caller, ...loopback6);
    for (const [fd, errno] of [
      [1, Errno.NOTSOCK],
      [9, Errno.BADF],
    ] as const) {
      expect([
        calls.sock_bind(fd, ADDRESS_AT, 0),
        calls.sock_connect(fd, ADDRESS_AT, 1),
        calls.sock_listen(fd, 1),
        calls.sock_getlocaladdr(fd, ADDRESS_AT, PORT_AT),
        calls.sock_getpeeraddr(fd, ADDRESS_AT, PORT_AT),
        getOption(caller, calls, fd, 0),
        calls.sock_setsockopt(fd, 0, 0, DATA_AT, 4),
        calls.sock_recv_from(fd, 0, 0, ADDRESS_AT, 0, RESULT_AT, FLAGS_AT),
        calls.sock_send_to(fd, 0, 0, ADDRESS_AT, 1, 0, RESULT_AT),
      ]).toEqual(Array.from({ length: 9 }, () => errno));
    }
  });

  test("a datagram that is too long: EMSGSIZE, in one buffer or in two", () => {
    const [caller] = createCaller({ socketExtension: true }, { pages: 4 });
    const calls = caller.calls as Calls;
    const fd = open(caller, calls, INET4, DGRAM);
    address(caller, ...loopback4);
    for (const vector of [
      [[DATA_AT, 70_000]],
      [
        [DATA_AT, 60_000],
        [DATA_AT, 10_000],
      ],
    ] as const) {
      expect(calls.sock_send_to(fd, ...caller.iovecs(...vector), ADDRESS_AT, 9, 0, RESULT_AT)).toBe(Errno.MSGSIZE);
    }
  });

  test("flags, and addresses of results outside of the memory", () => {
    const [caller, calls] = createClient();
    const fd = open(caller, calls, INET4, DGRAM);
    address(caller, ...loopback4);
    expect(calls.sock_send_to(fd, 0, 0, ADDRESS_AT, 9, 1, RESULT_AT)).toBe(Errno.INVAL);
    expect(calls.sock_recv_from(fd, 0, 0, ADDRESS_AT, 1, RESULT_AT, FLAGS_AT)).toBe(Errno.NOTSUP);
    expect(calls.sock_send_to(fd, 0, 0, ADDRESS_AT, 9, 0, PAGE)).toBe(Errno.FAULT);
    expect(calls.sock_recv_from(fd, 0, 0, ADDRESS_AT, 0, PAGE - 3, RESULT_AT, FLAGS_AT)).toBe(Errno.FAULT);
    expect(calls.sock_recv_from(fd, 0, 0, ADDRESS_AT, 0, RESULT_AT, PAGE - 1)).toBe(Errno.FAULT);
  });

  test("names are not looked up: ENOSYS", () => {
    const [, calls] = createClient();
    expect(calls.sock_getaddrinfo(0, 0, 0, 0, 0, 0, 0, 0)).toBe(Errno.NOSYS);
  });

  test("a host without descriptors: EMFILE", () => {
    const on = { ...backend, socket: () => -ERRNO.EMFILE };
    const [caller] = createCaller({ socketExtension: true }, { on });
    expect(caller.calls.sock_open?.(INET4, STREAM, RESULT_AT)).toBe(Errno.MFILE);
    const full = createConnection({ socketExtension: true, maxDescriptors: 5 });
    expect(full.caller.calls.sock_open?.(INET4, STREAM, RESULT_AT)).toBe(Errno.MFILE);
  });
});
