/** Sockets whose connection is over before anybody looks at it: what they are, whom they were connected to, and the error. */

import { describe, expect, test } from "vitest";
import { defaultBackend, Dispatcher, Socket, type SocketAddress } from "wasyncore";
import { Recorder } from "../support/handlers.js";
import { MODES, newMap, run } from "../support/runs.js";
import {
  bytes,
  connectedPair,
  connectingTo,
  listener,
  owned,
  refusingAddress,
  reset,
  text,
} from "../support/sockets.js";

/** Waits until `done` says so, on a loop that has nothing else to do: the loopback needs no longer than that. */
async function until(done: () => boolean): Promise<void> {
  const [mode] = MODES;
  if (mode === undefined) throw new Error("no mode");
  const map = newMap();
  map.callEvery(1, () => undefined);
  await run(mode, map, done);
}

function acceptOne(socket: Socket): [Socket, SocketAddress] {
  const accepted = socket.accept();
  if (accepted === undefined) throw new Error("nothing was accepted");
  return [owned(accepted[0]), accepted[1]];
}

/** The same connection as a socket that knows nothing of it. */
function stranger(socket: Socket): Socket {
  return owned(Socket.fromDescriptor(defaultBackend().duplicate(socket.fd)));
}

/** A connection that was reset before it was accepted, with what the peer had sent. */
function resetBeforeAccept(sent = ""): [Socket, SocketAddress] {
  const [socket, address] = listener();
  const client = Socket.create();
  client.connect(address);
  if (sent !== "") client.send(bytes(sent));
  reset(client);
  return acceptOne(socket);
}

describe("a connection that was reset before it was accepted", () => {
  test("still knows its peer", () => {
    const [accepted, peer] = resetBeforeAccept();
    expect(accepted.remoteAddress()).toEqual(peer);
    expect(new Dispatcher(accepted, newMap()).describe()).toMatchObject({ state: "connected", remote: peer });
  });

  test("keeps its error until recv, which throws it once", () => {
    const [accepted] = resetBeforeAccept();
    new Dispatcher(accepted, newMap());
    expect(accepted.connectionState()).toMatchObject({ kind: "connected" });
    expect(() => accepted.recv(10)).toThrow(expect.objectContaining({ code: "ECONNRESET", syscall: "recv" }));
    expect(accepted.recv(10)).toHaveLength(0);
  });
});

describe("a socket from elsewhere", () => {
  test.each(["recv", "recvInto", "send", "sendSome", "sendSomeOf"] as const)(
    "that is a reset connection is distinguished from an unconnected one, and %s throws the error",
    (call) => {
      const [accepted] = resetBeforeAccept();
      const socket = stranger(accepted);
      expect(socket.connectionState()).toEqual({ kind: "connected", address: undefined });
      expect(socket.connectionState()).toEqual({ kind: "connected", address: undefined });
      const calls = {
        recv: () => socket.recv(1),
        recvInto: () => socket.recvInto(new Uint8Array(1)),
        send: () => socket.send(bytes("x")),
        sendSome: () => socket.sendSome(bytes("x")),
        sendSomeOf: () => socket.sendSomeOf([bytes("x")]),
      };
      expect(calls[call]).toThrow(expect.objectContaining({ code: "ECONNRESET", syscall: call.slice(0, 4) }));
      expect(socket.recv(1)).toHaveLength(0);
    },
  );

  test("gives the error through SO_ERROR as well, once", () => {
    const socket = stranger(resetBeforeAccept()[0]);
    expect(socket.connectionState().kind).toBe("connected");
    expect(socket.getOption("SO_ERROR")).toBeGreaterThan(0);
    expect(socket.getOption("SO_ERROR")).toBe(0);
  });

  test("whose error somebody has taken already is a connection still", () => {
    const [accepted] = resetBeforeAccept();
    const socket = stranger(accepted);
    expect(accepted.getOption("SO_ERROR")).toBeGreaterThan(0);
    expect(socket.connectionState().kind).toBe("connected");
    expect(socket.recv(1)).toHaveLength(0);
  });

  test("loses nothing of what the peer had sent", async () => {
    const [accepted, connected] = connectedPair();
    connected.send(bytes("last words"));
    connected.send(bytes("!"));
    await until(() => stranger(accepted).connectionState().kind === "connected");
    const socket = stranger(accepted);
    expect(socket.connectionState().kind).toBe("connected");
    expect(text(socket.recv(100))).toBe("last words!");
  });

  test.each(["IPv4", "unix"] as const)(
    "that was never connected is that, and a listening one is that: %s",
    (family) => {
      const [socket, address] = listener(family);
      expect(stranger(socket).connectionState()).toEqual({ kind: "listening", address });
      expect(stranger(owned(Socket.create({ family }))).connectionState()).toEqual({ kind: "unconnected" });
    },
  );

  test("whose connect was refused has that error to give", async () => {
    const client = connectingTo(refusingAddress());
    const socket = stranger(client);
    await until(() => socket.connectionState().kind === "connected");
    expect(() => socket.recv(1)).toThrow(expect.objectContaining({ code: "ECONNREFUSED" }));
  });

  test.each(MODES)("is closed by its channel, once: $name", async (mode) => {
    const map = newMap();
    const recorder = new Recorder(stranger(resetBeforeAccept()[0]), map);
    expect(recorder.connected).toBe(true);
    await run(mode, map);
    expect([recorder.closes, recorder.errors, recorder.fd]).toEqual([1, [], -1]);
  });
});

test("a connected socket knows its peer after a reset", async () => {
  const [accepted, connected] = connectedPair();
  const peer = connected.remoteAddress();
  connected.send(bytes("x"));
  reset(accepted);
  await until(() => defaultBackend().remoteAddress(connected.fd) !== peer && isForgotten(connected));
  expect(connected.remoteAddress()).toEqual(peer);
});

test("one that was never connected has no peer, though it was given an address", async () => {
  const client = connectingTo(refusingAddress());
  await until(() => isForgotten(client));
  expect(() => client.remoteAddress()).toThrow(expect.objectContaining({ code: "ENOTCONN" }));
});

/** Does the operating system know no peer? */
function isForgotten(socket: Socket): boolean {
  return typeof defaultBackend().remoteAddress(socket.fd) === "number";
}
