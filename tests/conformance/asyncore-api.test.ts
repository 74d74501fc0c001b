/** CPython's test_asyncore: BaseTestAPI, under its names. docs/conformance.md lists them. */

import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { type ChannelMap, Dispatcher, OSError, Socket } from "wasyncore";
import { newMap, run } from "../support/runs.js";
import { anyAddress, bytes, FAMILIES, owned, reset } from "../support/sockets.js";
import { BaseClient, BaseServer, BaseTestHandler, INTERNET_KINDS, KINDS, listenAt, runUntilFlag } from "./support.js";

describe.each(KINDS)("BaseTestAPI, $name", (kind) => {
  const { family, mode } = kind;

  test("testHandleConnect: is called on connect", async () => {
    class TestClient extends BaseClient {
      override handleConnect(): void {
        this.flag = true;
      }
    }
    const map = newMap();
    const server = new BaseServer(family, map);
    await runUntilFlag(kind, new TestClient(family, server.address, map));
  });

  test("testHandleAccept: is called when a client connects", async () => {
    class TestListener extends BaseTestHandler {
      override handleAccept(): void {
        this.flag = true;
      }
    }
    const map = newMap();
    const server = new TestListener(undefined, map);
    listenAt(server, family);
    new BaseClient(family, server.socket.localAddress(), map);
    await runUntilFlag(kind, server);
  });

  test("testHandleAccepted: is called when a client connects", async () => {
    class TestListener extends BaseTestHandler {
      override handleAccept(): void {
        Dispatcher.prototype.handleAccept.call(this);
      }
      override handleAccepted(socket: Socket): void {
        socket.close();
        this.flag = true;
      }
    }
    const map = newMap();
    const server = new TestListener(undefined, map);
    listenAt(server, family);
    new BaseClient(family, server.socket.localAddress(), map);
    await runUntilFlag(kind, server);
  });

  test("testHandleRead: is called on data received", async () => {
    class TestClient extends BaseClient {
      override handleRead(): void {
        this.flag = true;
      }
    }
    class TestHandler extends BaseTestHandler {
      constructor(socket: Socket, map: ChannelMap) {
        super(socket, map);
        this.send(new Uint8Array(1024));
      }
    }
    const map = newMap();
    const server = new BaseServer(family, map, TestHandler);
    await runUntilFlag(kind, new TestClient(family, server.address, map));
  });

  test("testHandleWrite: is called", async () => {
    class TestClient extends BaseClient {
      override handleWrite(): void {
        this.flag = true;
      }
    }
    const map = newMap();
    const server = new BaseServer(family, map);
    await runUntilFlag(kind, new TestClient(family, server.address, map));
  });

  test("testHandleClose: is called when the other end closes the connection", async () => {
    class TestClient extends BaseClient {
      override handleRead(): void {
        this.recv(1024);
      }
      override handleClose(): void {
        this.flag = true;
        this.close();
      }
    }
    class TestHandler extends BaseTestHandler {
      constructor(socket: Socket, map: ChannelMap) {
        super(socket, map);
        this.close();
      }
    }
    const map = newMap();
    const server = new BaseServer(family, map, TestHandler);
    await runUntilFlag(kind, new TestClient(family, server.address, map));
  });

  test("testHandleCloseAfterConnBroken: is called when what is sent meets a connection that is gone", async () => {
    const data = new Uint8Array(128);
    class TestClient extends BaseClient {
      override handleWrite(): void {
        this.send(data);
      }
      override handleClose(): void {
        this.flag = true;
        this.close();
      }
    }
    class TestHandler extends BaseTestHandler {
      override handleRead(): void {
        this.recv(data.length);
        this.close();
      }
      override writable(): boolean {
        return false;
      }
    }
    const map = newMap();
    const server = new BaseServer(family, map, TestHandler);
    const client = new TestClient(family, server.address, map);
    await runUntilFlag(kind, client);
    expect([client.connected, client.fd]).toEqual([false, -1]);
  });

  test("testHandleError: is given what a callback throws", async () => {
    const error = new RangeError("spam");
    const errors: unknown[] = [];
    class TestClient extends BaseClient {
      override handleWrite(): void {
        throw error;
      }
      override handleError(thrown: unknown): void {
        errors.push(thrown);
        this.flag = true;
      }
    }
    const map = newMap();
    const server = new BaseServer(family, map);
    await runUntilFlag(kind, new TestClient(family, server.address, map));
    expect(errors).toEqual([error]);
  });

  test("testConnectionAttributes: connected and accepting say what a channel is", async () => {
    const map = newMap();
    const server = new BaseServer(family, map);
    const client = new BaseClient(family, server.address, map);
    const attributes = (): boolean[] => [server.connected, server.accepting, client.connected, client.accepting];
    // A Unix socket connects at once.
    expect(attributes()).toEqual([false, true, family === "unix", false]);
    await run(mode, map, () => client.connected && server.handlers.length === 1);
    expect(attributes()).toEqual([false, true, true, false]);
    client.close();
    expect(attributes()).toEqual([false, true, false, false]);
    server.close();
    expect(attributes()).toEqual([false, false, false, false]);
  });
});

describe.each(INTERNET_KINDS)("BaseTestAPI, $name", (kind) => {
  const { family, mode } = kind;

  test("testHandleExpt: is called on out-of-band data", async () => {
    const received: Uint8Array[] = [];
    class TestClient extends BaseClient {
      override handleExpt(): void {
        received.push(this.socket.recvOutOfBand());
        this.flag = true;
      }
    }
    class TestHandler extends BaseTestHandler {
      constructor(socket: Socket, map: ChannelMap) {
        super(socket, map);
        this.socket.sendOutOfBand(Uint8Array.of(244));
      }
    }
    const map = newMap();
    const server = new BaseServer(family, map, TestHandler);
    await runUntilFlag(kind, new TestClient(family, server.address, map));
    expect(received).toEqual([Uint8Array.of(244)]);
  });

  test("testQuickConnect: a connection that is reset before it is accepted leaves the server whole", async () => {
    class TestHandler extends BaseTestHandler {
      override handleRead(): void {
        this.flag = this.recv(1).length === 1;
      }
      override handleClose(): void {
        this.close();
      }
    }
    const map = newMap();
    const server = new BaseServer(family, map, TestHandler);
    const quick = owned(Socket.create({ family }));
    quick.connect(server.address);
    reset(quick);
    const lasting = owned(Socket.create({ family }));
    lasting.connect(server.address);
    const handlers = server.handlers as TestHandler[];
    await run(mode, map, () => handlers.some(({ connected }) => connected));
    lasting.send(bytes("x"));
    await run(mode, map, () => handlers.some(({ flag }) => flag));
    expect(server.accepting).toBe(true);
  });
});

describe.each(FAMILIES)("BaseTestAPI, %s", (family) => {
  test("testCreateSocket: makes a stream that neither blocks nor is inherited", () => {
    const dispatcher = new Dispatcher(undefined, newMap());
    dispatcher.createSocket({ family });
    const { socket } = dispatcher;
    expect([socket.type, socket.family]).toEqual(["stream", family]);
    dispatcher.bind(anyAddress(family));
    dispatcher.listen(1);
    expect(dispatcher.accept()).toBeUndefined();
    const { status } = spawnSync("sh", ["-c", 'test -e "/dev/fd/$0"', String(dispatcher.fd)]);
    expect(status).toBe(1);
  });

  test("testBind: an address that is bound cannot be bound again", () => {
    const map = newMap();
    const first = new Dispatcher(undefined, map);
    first.createSocket({ family });
    first.bind(anyAddress(family));
    first.listen(5);
    const second = new Dispatcher(undefined, map);
    second.createSocket({ family });
    const bind = (): void => second.bind(first.socket.localAddress());
    expect(bind).toThrow(OSError);
    expect(bind).toThrow(expect.objectContaining({ code: "EADDRINUSE", syscall: "bind" }));
  });

  test("testSetReuseAddr: sets the option", () => {
    const dispatcher = new Dispatcher(Socket.create({ family }), newMap());
    expect(dispatcher.socket.getOption("SO_REUSEADDR")).toBe(0);
    dispatcher.socket.close();
    dispatcher.createSocket({ family });
    dispatcher.setReuseAddr();
    expect(dispatcher.socket.getOption("SO_REUSEADDR")).toBe(1);
  });
});
