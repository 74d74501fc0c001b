/** Connecting: how each of its ends is told. */

import {
  createNodeBackend,
  DispatcherWithSend,
  type Family,
  type OSError,
  Socket,
  type SocketAddress,
} from "wasyncore";
import { describe, expect, test } from "vitest";
import { timingOut } from "../support/backends.js";
import { Quiet, Recorder } from "../support/handlers.js";
import { MODES, newMap, run } from "../support/runs.js";
import { bytes, connectingTo, FAMILIES, listener, owned, refusingAddress, reset, text } from "../support/sockets.js";

/** Writes down the callbacks and whether it was connected in them. */
class Client extends Quiet {
  readonly told: string[] = [];
  readonly errors: OSError[] = [];

  override handleConnect(): void {
    this.told.push(`connect ${this.connected} ${this.connecting}`);
  }

  override handleRead(): void {
    const data = text(this.recv(100));
    this.told.push(`read ${this.connected} "${data}"`);
  }

  override handleError(error: unknown): void {
    this.told.push("error");
    this.errors.push(error as OSError);
    super.handleError(error);
  }

  override handleClose(): void {
    this.told.push("close");
    this.close();
  }
}

class WritingClient extends Client {
  override handleWrite(): void {
    this.told.push(`write ${this.connected}`);
    this.send(bytes("hello"));
    this.close();
  }
}

const TCP = ["IPv4", "IPv6"] as const satisfies readonly Family[];

describe.each(MODES)("$name", (mode) => {
  test.each(FAMILIES)("handleConnect comes once, before the flag is set and before data: %s", async (family) => {
    const map = newMap();
    const [socket, address] = listener(family);
    const client = new Client(undefined, map);
    client.createSocket({ family });
    client.connect(address);
    expect(client.addr).toEqual(address);
    await run(mode, map, () => client.connected);
    expect(client).toMatchObject({ connected: true, connecting: false });
    const [peer] = socket.accept() ?? [];
    if (peer === undefined) throw new Error("not accepted");
    peer.send(bytes("hi"));
    peer.close();
    await run(mode, map);
    expect(client.told).toEqual(["connect false true", 'read true "hi"', "close", 'read false ""']);
  });

  test.each(FAMILIES)("handleWrite comes after handleConnect, and what it sends arrives: %s", async (family) => {
    const map = newMap();
    const [socket, address] = listener(family);
    const client = new WritingClient(undefined, map);
    client.createSocket({ family });
    client.connect(address);
    await run(mode, map);
    expect(client.told).toEqual(["connect false true", "write true"]);
    const [peer] = socket.accept() ?? [];
    expect(text(owned(peer ?? Socket.create()).recv(100))).toBe("hello");
  });

  test.each(TCP)("a refused connect is an error, then a close: %s", async (family) => {
    const map = newMap();
    const address = refusingAddress(family);
    const client = new Client(undefined, map);
    client.createSocket({ family });
    client.connect(address);
    await run(mode, map);
    expect(client.told).toEqual(["error", "close"]);
    const { host, port } = address;
    expect(client.errors[0]).toMatchObject({ code: "ECONNREFUSED", syscall: "connect", address: host, port });
    expect(client.errors[0]?.message).toBe(`connect ECONNREFUSED ${host}:${port}`);
    expect(client).toMatchObject({ connected: false, connecting: false });
  });

  test("a connect that times out is an error, then a close", async () => {
    const map = newMap(timingOut(createNodeBackend()));
    const client = new Client(undefined, map);
    client.createSocket();
    client.connect({ host: "127.0.0.1", port: 9 });
    await run(mode, map);
    expect(client.told).toEqual(["error", "close"]);
    expect(client.errors[0]).toMatchObject({ code: "ETIMEDOUT", syscall: "connect", address: "127.0.0.1", port: 9 });
  });

  test("a connection that is reset before it is used is a close; by kind, an error first", async () => {
    const map = newMap();
    const [socket, address] = listener();
    const client = new Client(undefined, map);
    client.createSocket();
    client.connect(address);
    const [peer] = socket.accept() ?? [];
    if (peer === undefined) throw new Error("not accepted");
    reset(peer);
    await run(mode, map);
    expect(client.told).toEqual(mode.usePoll ? ["close"] : ["error", "close"]);
    if (!mode.usePoll) expect(client.errors[0]).toMatchObject({ code: "ECONNRESET", syscall: "connect" });
  });

  test("one that fails at once inside a callback is an error of that channel", async () => {
    class Hasty extends Client {
      override handleConnect(): void {
        this.connect({ host: "255.255.255.255", port: 9 });
      }
    }
    const map = newMap();
    const [, address] = listener();
    const client = new Hasty(undefined, map);
    client.createSocket();
    client.connect(address);
    await run(mode, map);
    expect(client.errors).toHaveLength(1);
  });

  test.each(FAMILIES)("what is sent before the connection stands is sent when it does: %s", async (family) => {
    const map = newMap();
    const [socket, address] = listener(family);
    const client = new DispatcherWithSend(undefined, map);
    client.createSocket({ family });
    client.connect(address);
    client.send(bytes("early "));
    client.send(bytes("bird"));
    class Server extends Quiet {
      override handleAccepted(socket: Socket): void {
        recorder = new Recorder(socket, map);
      }
    }
    new Server(socket, map);
    let recorder: Recorder | undefined;
    await run(mode, map, () => recorder?.text === "early bird");
  });
});

describe("a connect that is decided at once", () => {
  test("calls handleConnect from within connect: a Unix socket", () => {
    const [, address] = listener("unix");
    const client = new Client(undefined, newMap());
    client.createSocket({ family: "unix" });
    client.connect(address);
    expect(client.told).toEqual(["connect false true"]);
    expect(client).toMatchObject({ connected: true, connecting: false, addr: address });
  });

  test.each([
    ["a path that is not there", "unix", { path: "/nowhere/at/all" }, "ENOENT"],
    ["a Unix socket that does not listen", "unix", undefined, "ECONNREFUSED"],
    ["an address that no stream reaches", "IPv4", { host: "255.255.255.255", port: 9 }, "ENETUNREACH"],
  ] as const)("throws when it has failed: %s", (_, family, address, code) => {
    const client = new Client(undefined, newMap());
    client.createSocket({ family });
    const to: SocketAddress = address ?? refusingAddress("unix");
    const { host, port, path } = to;
    expect(() => client.connect(to)).toThrow(
      expect.objectContaining({
        code,
        syscall: "connect",
        ...(path === undefined ? { address: host, port } : { path }),
      }),
    );
    expect(client).toMatchObject({ connected: false, connecting: false });
    expect(client.told).toEqual([]);
  });

  test("throws EAGAIN, and does not seem to be under way, when a Unix listener's queue is full", () => {
    const [, address] = listener("unix", 0);
    connectingTo(address, "unix");
    const client = new Client(undefined, newMap());
    client.createSocket({ family: "unix" });
    expect(() => client.connect(address)).toThrow(expect.objectContaining({ name: "OSError", code: "EAGAIN" }));
    expect(client.connecting).toBe(false);
  });
});
