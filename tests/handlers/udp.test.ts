/** Datagrams: each comes as it was sent, the empty one too, and a refusal is an error and not an end. */

import { describe, expect, test } from "vitest";
import { type Datagram, Dispatcher, type Family, Socket, type SocketAddress } from "wasyncore";
import { Recorder } from "../support/handlers.js";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { anyAddress, bytes, FAMILIES, owned, text } from "../support/sockets.js";

class Receiver extends Recorder {
  readonly datagrams: Datagram[] = [];

  override handleRead(): void {
    this.datagrams.push(this.socket.recvFrom(65535));
  }
}

function bound(family: Family): [Socket, SocketAddress] {
  const socket = owned(Socket.create({ family, type: "dgram" }));
  socket.bind(anyAddress(family));
  return [socket, socket.localAddress()];
}

/** An address at which nobody receives. */
function deserted(family: Family): SocketAddress {
  const [socket, address] = bound(family);
  socket.close();
  return address;
}

describe.each(MODES)("$name", (mode) => {
  test.each(FAMILIES)("datagrams come one by one, with their sender, the empty one too: %s", async (family) => {
    const map = newMap();
    const [near, nearAddress] = bound(family);
    const [far, farAddress] = bound(family);
    const receiver = new Receiver(near, map);
    for (const word of ["one", "", "three"]) far.sendTo(bytes(word), nearAddress);
    await run(mode, map, () => receiver.datagrams.length === 3);
    expect(receiver.datagrams.map(({ data }) => text(data))).toEqual(["one", "", "three"]);
    expect(receiver.datagrams.map(({ address }) => address)).toEqual([farAddress, farAddress, farAddress]);
    expect([receiver.closes, receiver.errors]).toEqual([0, []]);
  });

  test("an empty datagram does not close a handler that uses recv", async () => {
    const map = newMap();
    const [near, nearAddress] = bound("IPv4");
    const [far] = bound("IPv4");
    const receiver = new Recorder(near, map);
    far.sendTo(new Uint8Array(0), nearAddress);
    far.sendTo(bytes("next"), nearAddress);
    await run(mode, map, () => receiver.text === "next");
    expect([receiver.received.length, receiver.closes, receiver.errors]).toEqual([2, 0, []]);
  });

  test.each(["IPv4", "IPv6"] as const)(
    "a refused datagram reaches handleError, and the socket can go on: %s",
    async (family) => {
      class Client extends Receiver {
        override handleError(error: unknown): void {
          this.errors.push(error);
        }
      }
      const map = newMap();
      const address = deserted(family);
      const client = new Client(undefined, map);
      client.createSocket({ family, type: "dgram" });
      client.connect(address);
      expect(client.connected).toBe(true);
      client.send(bytes("anybody?"));
      await run(mode, map, () => client.errors.length > 0);
      expect(client.errors).toEqual([expect.objectContaining({ code: "ECONNREFUSED", address: address.host })]);
      expect(client.closes).toBe(0);
      const [far] = [owned(Socket.create({ family, type: "dgram" }))];
      far.bind(address);
      client.send(bytes("hello"));
      far.sendTo(bytes("hello yourself"), client.socket.localAddress());
      await run(mode, map, () => client.datagrams.length > 0);
      expect(client.datagrams.map(({ data }) => text(data))).toEqual(["hello yourself"]);
    },
  );

  test("a socket that nobody writes to is not watched for writing", async () => {
    const map = newMap();
    const dispatcher = new Dispatcher(undefined, map);
    dispatcher.createSocket({ type: "dgram" });
    dispatcher.bind({ host: "127.0.0.1", port: 0 });
    await turns(mode, map, 3);
    expect(map.stats().events).toBe(0);
    expect(map.snapshot()[0]).toMatchObject({ state: "open", interest: { read: true, write: false } });
  });

  test.each(FAMILIES)("a datagram larger than what is asked for is cut: %s", async (family) => {
    class Small extends Receiver {
      override handleRead(): void {
        this.datagrams.push(this.socket.recvFrom(4));
      }
    }
    const map = newMap();
    const [near, nearAddress] = bound(family);
    const [far] = bound(family);
    const receiver = new Small(near, map);
    far.sendTo(bytes("longer"), nearAddress);
    far.sendTo(bytes("next"), nearAddress);
    await run(mode, map, () => receiver.datagrams.length === 2);
    expect(receiver.datagrams.map(({ data }) => text(data))).toEqual(["long", "next"]);
  });
});
