/** Socket: the thin wrapper around a descriptor. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type BlockingIOError, defaultBackend, Socket } from "wasyncore";
import { anyAddress, bytes, connectedPair, connectingTo, FAMILIES, listener, owned, text } from "../support/sockets.js";

test.each(["stream", "dgram"] as const)("pair gives two connected sockets: %s", (type) => {
  const [one, two] = Socket.pair(type).map(owned);
  if (one === undefined || two === undefined) throw new Error("no pair");
  one.send(bytes("hello"));
  expect(text(two.recv(100))).toBe("hello");
  expect([one.family, one.type]).toEqual(["unix", type]);
});

test("fromDescriptor takes a descriptor over, finds out what it is, and makes it non-blocking and close-on-exec", () => {
  const backend = defaultBackend();
  const closesOnExec = (fd: number) =>
    (Number.parseInt(/flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "", 8) &
      0o2000000) !==
    0;
  for (const [family, type] of [
    ["IPv4", "stream"],
    ["IPv6", "dgram"],
    ["unix", "stream"],
  ] as const) {
    const fd = backend.socket(family, type);
    backend.setNonBlocking(fd, false);
    backend.setCloseOnExec(fd, false);
    expect(closesOnExec(fd)).toBe(false);
    const socket = owned(Socket.fromDescriptor(fd));
    expect(socket).toMatchObject({ fd, family, type, closed: false });
    expect(closesOnExec(fd)).toBe(true);
    if (type === "dgram") expect(() => socket.recv(1)).toThrow(expect.objectContaining({ name: "BlockingIOError" }));
  }
});

test.each(FAMILIES)("local and remote addresses: %s", (family) => {
  const [accepted, connected] = connectedPair(family);
  expect(connected.remoteAddress()).toEqual(accepted.localAddress());
  expect(accepted.remoteAddress()).toEqual(connected.localAddress());
  expect(() => owned(Socket.create({ family })).remoteAddress()).toThrow(
    expect.objectContaining({ code: "ENOTCONN", syscall: "getpeername" }),
  );
});

test.each(FAMILIES)("what would have to wait is BlockingIOError: %s", (family) => {
  const [near] = connectedPair(family);
  let error: unknown;
  try {
    near.recv(1);
  } catch (thrown) {
    error = thrown;
  }
  expect(error as BlockingIOError).toMatchObject({ name: "BlockingIOError", code: "EAGAIN", syscall: "recv" });
  expect(owned(Socket.create()).sendSome).toBeTypeOf("function");
  while (near.sendSome(new Uint8Array(65536)) > 0);
  expect(() => near.send(bytes("x"))).toThrow(expect.objectContaining({ name: "BlockingIOError", syscall: "send" }));
});

test("send and recv count the bytes", () => {
  const [near, far] = connectedPair();
  near.send(bytes("12345"));
  near.sendSomeOf([bytes("6"), bytes("78")]);
  expect(text(far.recv(3))).toBe("123");
  const target = new Uint8Array(100);
  expect(text(target.subarray(0, far.recvInto(target)))).toBe("45678");
  expect([near.bytesOut, near.bytesIn, far.bytesIn, far.bytesOut]).toEqual([8, 0, 8, 0]);
});

test("what recv returns is the caller's: the next call does not change it", () => {
  const [near, far] = connectedPair();
  near.send(bytes("firstsecond"));
  const first = far.recv(5);
  far.recv(6);
  expect(text(first)).toBe("first");
  near.send(new Uint8Array(200_000).fill(7));
  expect(far.recv(150_000).every((byte) => byte === 7)).toBe(true);
});

test("recv of nothing is nothing, and no end", () => {
  const [near, far] = connectedPair();
  near.send(bytes("x"));
  expect(far.recv(0)).toHaveLength(0);
  expect(text(far.recv(10))).toBe("x");
});

test("shutdown ends one half: the peer reads to the end, and may still send", () => {
  const [near, far] = connectedPair();
  near.send(bytes("last"));
  near.shutdown("write");
  expect(text(far.recv(100))).toBe("last");
  expect(far.recv(100)).toHaveLength(0);
  far.send(bytes("answer"));
  expect(text(near.recv(100))).toBe("answer");
  expect(() => near.send(bytes("x"))).toThrow(expect.objectContaining({ code: "EPIPE" }));
});

describe("options", () => {
  test("are set and read", () => {
    const socket = owned(Socket.create());
    for (const option of ["SO_KEEPALIVE", "SO_BROADCAST", "SO_OOBINLINE", "TCP_NODELAY", "SO_REUSEADDR"] as const) {
      expect([option, socket.getOption(option)]).toEqual([option, 0]);
      socket.setOption(option, true);
      expect([option, socket.getOption(option)]).toEqual([option, 1]);
    }
    socket.setOption("SO_RCVBUF", 20_000);
    expect(socket.getOption("SO_RCVBUF")).toBeGreaterThanOrEqual(20_000);
    expect([socket.getOption("SO_TYPE"), socket.getOption("SO_ERROR"), socket.getOption("SO_ACCEPTCONN")]).toEqual([
      1, 0, 0,
    ]);
  });

  test("SO_LINGER is seconds, and -1 for none", () => {
    const socket = owned(Socket.create());
    expect(socket.getOption("SO_LINGER")).toBe(-1);
    socket.setOption("SO_LINGER", 3);
    expect(socket.getOption("SO_LINGER")).toBe(3);
    socket.setOption("SO_LINGER", -1);
    expect(socket.getOption("SO_LINGER")).toBe(-1);
  });

  test("IPV6_V6ONLY is an option of IPv6 sockets alone", () => {
    const socket = owned(Socket.create({ family: "IPv6" }));
    socket.setOption("IPV6_V6ONLY", true);
    expect(socket.getOption("IPV6_V6ONLY")).toBe(1);
    expect(() => owned(Socket.create()).setOption("IPV6_V6ONLY", true)).toThrow(
      expect.objectContaining({ syscall: "setsockopt" }),
    );
  });
});

test("connect says whether it is done", () => {
  const [, address] = listener("unix");
  const unix = owned(Socket.create({ family: "unix" }));
  expect(unix.connect(address)).toBe(true);
  const [, inet] = listener();
  const socket = connectingTo(inet);
  expect(socket.remoteAddress()).toEqual(inet);
  expect(socket.connect(inet)).toBe(true);
});

test("bind to the empty host is every address of the machine", () => {
  const four = owned(Socket.create());
  four.bind({ host: "", port: 0 });
  expect(four.localAddress().host).toBe("0.0.0.0");
  const six = owned(Socket.create({ family: "IPv6" }));
  six.bind({ host: "", port: 0 });
  expect(six.localAddress().host).toBe("::");
});

test("sendTo and recvFrom tell who sent", () => {
  const [one, two] = [Socket.create({ type: "dgram" }), Socket.create({ type: "dgram" })].map(owned);
  if (one === undefined || two === undefined) throw new Error("two were made");
  for (const each of [one, two]) each.bind(anyAddress("IPv4"));
  expect(one.sendTo(bytes("hello"), two.localAddress())).toBe(5);
  expect(two.recvFrom(100)).toEqual({ data: new Uint8Array(bytes("hello")), address: one.localAddress() });
  expect([one.bytesOut, two.bytesIn]).toEqual([5, 5]);
});

test("close may be called again, and so may dispose", () => {
  const [near, far] = connectedPair();
  near.close();
  near[Symbol.dispose]();
  expect([near.fd, near.closed]).toEqual([-1, true]);
  expect(far.recv(1)).toHaveLength(0);
});

test("detach gives the descriptor away, open", () => {
  const [near, far] = connectedPair();
  const fd = near.detach();
  near.close();
  const again = owned(Socket.fromDescriptor(fd));
  again.send(bytes("alive"));
  expect([near.closed, text(far.recv(100))]).toEqual([true, "alive"]);
});

test("new Socket() in JavaScript is refused, and says what to call", () => {
  for (const parameters of [[], [{ family: "IPv4" }], [undefined, "3"]]) {
    expect(() => Reflect.construct(Socket, parameters)).toThrow(
      expect.objectContaining({
        name: "TypeError",
        code: "ERR_ILLEGAL_CONSTRUCTOR",
        message: expect.stringContaining("call Socket.create()") as string,
      }),
    );
  }
});
