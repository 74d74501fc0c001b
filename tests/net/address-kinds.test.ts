/** What the types know of an address: the port of an Internet address is a number, without a check. */

import { describe, expect, expectTypeOf, test } from "vitest";
import { Dispatcher, type InetAddress, Socket, type SocketAddress, type UnixAddress } from "wasyncore";
import { newMap } from "../support/runs.js";
import { anyAddress, listener, owned } from "../support/sockets.js";

describe("the address of a socket", () => {
  test("has the type that goes with the family that the socket was made with", () => {
    const inet = owned(Socket.create({ family: "IPv6" }));
    inet.bind({ host: "::1", port: 0 });
    expectTypeOf(inet.localAddress()).toEqualTypeOf<InetAddress>();
    expectTypeOf(owned(Socket.create()).localAddress()).toEqualTypeOf<InetAddress>();
    expect(inet.localAddress().port).toBeGreaterThan(0);
    const [unix] = Socket.pair();
    expectTypeOf(owned(unix).localAddress()).toEqualTypeOf<UnixAddress>();
    expect(unix.localAddress().path).toBe("");
  });

  test.each(["IPv4", "unix"] as const)("is of the kind that is named, or an error: %s", (family) => {
    const map = newMap();
    const server = new Dispatcher(undefined, map);
    server.createSocket({ family });
    server.bind(anyAddress(family));
    server.listen(1);
    const { socket } = server;
    expectTypeOf(socket.localAddress()).toEqualTypeOf<SocketAddress>();
    expectTypeOf(() => socket.localAddress("inet")).returns.toEqualTypeOf<InetAddress>();
    const [right, wrong] = family === "unix" ? (["unix", "inet"] as const) : (["inet", "unix"] as const);
    const ask = (kind: typeof right): SocketAddress =>
      kind === "inet" ? socket.localAddress("inet") : socket.localAddress("unix");
    expect(ask(right)).toEqual(socket.localAddress());
    expect(() => ask(wrong)).toThrow(expect.objectContaining({ code: "EAFNOSUPPORT", syscall: "getsockname" }));
  });

  test("of the peer as well", () => {
    const [socket, address] = listener("IPv4");
    const client = owned(Socket.create());
    client.connect(address);
    expectTypeOf(client.remoteAddress()).toEqualTypeOf<InetAddress>();
    expect(client.remoteAddress("inet").port).toBe(socket.localAddress("inet").port);
    expect(() => client.remoteAddress("unix")).toThrow(expect.objectContaining({ syscall: "getpeername" }));
    expect(() => client.remoteAddress("path" as "unix")).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_RANGE" }));
  });
});
