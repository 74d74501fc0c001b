/** Mistakes that would have no effect, and bytes that are not what they say: each is an error that names the way out. */

import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { AsyncChat, Dispatcher, DispatcherWithSend, FileDispatcher, Socket, toDuplex, wrapTls } from "wasyncore";
import { plainBytes, partOf } from "../../host/net/plain-bytes.js";
import { MemoryChat } from "../support/chats.js";
import { MODES, newMap, run } from "../support/runs.js";
import { bytes, connectedPair, pipe } from "../support/sockets.js";

describe("options", () => {
  test.each([
    [
      "Socket.create",
      () => Socket.create({ famly: "IPv6" } as never),
      `unknown option "famly" in "options": there are family, type`,
    ],
    [
      "createSocket",
      () => new Dispatcher(undefined, newMap()).createSocket({ socket_type: "dgram" } as never),
      `unknown option "socket_type" in "options": did you mean "type"?`,
    ],
  ])("%s refuses one that it does not have", (_, call, message) => {
    expect(call).toThrow(
      expect.objectContaining({
        name: "TypeError",
        code: "ERR_UNKNOWN_OPTION",
        message,
      }),
    );
  });
});

describe("a dispatcher without a socket says how to get one", () => {
  test.each([
    ["bind", (dispatcher: Dispatcher) => dispatcher.bind({ host: "127.0.0.1", port: 0 })],
    ["listen", (dispatcher: Dispatcher) => dispatcher.listen(5)],
    ["accept", (dispatcher: Dispatcher) => dispatcher.accept()],
    ["send", (dispatcher: Dispatcher) => dispatcher.send(bytes("x"))],
    ["recv", (dispatcher: Dispatcher) => dispatcher.recv(1)],
    ["setReuseAddr", (dispatcher: Dispatcher) => dispatcher.setReuseAddr()],
    ["addChannel", (dispatcher: Dispatcher) => dispatcher.addChannel()],
  ])("%s", (_, call) => {
    expect(() => call(new Dispatcher(undefined, newMap()))).toThrow(
      expect.objectContaining({
        code: "EBADF",
        message: expect.stringContaining("call createSocket(), or give a socket"),
      }),
    );
  });

  test("one that is closed is another case", () => {
    const dispatcher = new Dispatcher(connectedPair()[0], newMap());
    dispatcher.close();
    expect(() => dispatcher.send(bytes("x"))).toThrow(expect.objectContaining({ message: "send EBADF: it is closed" }));
  });
});

describe("methods by asyncore's names", () => {
  const snake = expect.objectContaining({ name: "TypeError", code: "ERR_SNAKE_CASE" });

  test("are refused when the channel comes into the map, with the name that is meant", () => {
    class Echo extends Dispatcher {
      handle_read(): void {}
    }
    const map = newMap();
    const [near] = connectedPair();
    expect(() => new Echo(near, map)).toThrow(snake);
    expect(() => new Echo(near, map)).toThrow(
      "Echo.handle_read() would never be called: the method's name is handleRead() here",
    );
    expect(map.size).toBe(0);
    const idle = new Echo(undefined, map);
    expect(() => idle.setSocket(near)).toThrow(snake);
  });

  test("are found in a class further down, in AsyncChat's and in a file's as well", () => {
    class Lines extends AsyncChat {
      found_terminator(): void {}
    }
    class Twice extends Lines {}
    class Tail extends FileDispatcher {
      handle_close(): void {}
    }
    class Old extends DispatcherWithSend {
      log_info(): void {}
    }
    const map = newMap();
    expect(() => new Twice(connectedPair()[0], map)).toThrow(/found_terminator.*foundTerminator/);
    expect(() => new Tail(pipe().readEnd.fd, map)).toThrow(snake);
    expect(() => new Old(connectedPair()[0], map)).toThrow(snake);
  });

  test("are found in another case", () => {
    class Typo extends Dispatcher {
      handleread(): void {}
      loginfo(): void {}
    }
    expect(() => new Typo(connectedPair()[0], newMap())).toThrow(
      "Typo.handleread() would never be called: the method's name is handleRead() here",
    );
  });

  test("do not hit what is not asyncore's, nor an adapter that has both", () => {
    class Helper extends Dispatcher {
      handle_request(): void {}
      handle_reading = 5;
    }
    class Adapter extends Dispatcher {
      override handleRead(): void {
        this.handle_read();
      }
      handle_read(): void {}
    }
    class Ported extends Adapter {
      override handle_read(): void {
        this.recv(10);
      }
    }
    const map = newMap();
    for (const kind of [Helper, Adapter, Ported]) new kind(connectedPair()[0], map);
    expect(map.size).toBe(3);
  });
});

describe("a value of the wrong kind: the message says what it is, and what would do", () => {
  const open = (): Dispatcher => new Dispatcher(connectedPair()[0], newMap());
  const both = "a Socket or a Dispatcher of this package";
  test.each([
    ["push", () => new AsyncChat(connectedPair()[0], newMap()).push(5 as never), "a string or a Uint8Array"],
    ["setTerminator", () => new AsyncChat().setTerminator(/x/ as never), "or null, got an instance of RegExp"],
    ["send", () => open().send("text" as never), "encode text, as Buffer.from(text) does, got string"],
    ["new Dispatcher, of a stream", () => new Dispatcher(new PassThrough() as never), "fromDuplex()"],
    ["new Dispatcher, of a descriptor", () => new Dispatcher(3 as never), "Socket.fromDescriptor()"],
    ["new FileDispatcher", () => new FileDispatcher("/etc/hosts" as never), "openSync() opens a file, got string"],
    ["toDuplex", () => toDuplex(undefined as never), `"source" must be ${both}, got undefined`],
    ["wrapTls", () => wrapTls({} as never, {}), `"target" must be ${both}, got object`],
  ])("%s", (_, call, message) => {
    expect(call).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE", message: expect.stringContaining(message) }),
    );
  });

  test("accept of a socket that does not listen", () => {
    const socket = Socket.create();
    expect(() => socket.accept()).toThrow("accept EINVAL: the socket does not listen: call listen() first");
    socket.close();
  });
});

/** A view that says of itself what is not so. */
function lying(text: string, lies: PropertyDescriptorMap): Uint8Array {
  return Object.defineProperties(new Uint8Array(bytes(text)), lies);
}

class LongSubclass extends Uint8Array {
  override get length(): number {
    return 1_000_000;
  }
  override subarray(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(5_000_000);
  }
}

const LIARS: readonly (readonly [string, () => Uint8Array])[] = [
  ["an own length", () => lying("hello", { length: { value: 1_000_000 } })],
  ["an own length below zero", () => lying("hello", { length: { value: -5 } })],
  ["an own subarray", () => lying("hello", { subarray: { value: () => new Uint8Array(5_000_000) } })],
  [
    "an own buffer and byteOffset",
    () => lying("hello", { buffer: { value: new ArrayBuffer(1) }, byteOffset: { value: 9 } }),
  ],
  ["a subclass", () => new LongSubclass(bytes("hello"))],
];

describe.each(LIARS)("bytes with %s are what their view holds", (_, make) => {
  test("plainBytes", () => {
    const plain = plainBytes("data", make());
    expect(Buffer.from(partOf(plain, 0, plain.length)).toString()).toBe("hello");
    expect(Buffer.from(partOf(plain, 1, 3)).toString()).toBe("el");
  });

  test.each([0, 3, 4, Infinity])("AsyncChat.push, when the socket takes %d bytes at first", (room) => {
    const chat = new MemoryChat(newMap());
    chat.memory.room = room;
    chat.push("<");
    chat.push(make());
    chat.push(">");
    chat.memory.room = Infinity;
    for (let i = 0; i < 10; i++) chat.handleWriteEvent();
    expect([String(chat.memory.sent), chat.outBufferLength]).toEqual(["<hello>", 0]);
  });

  test("AsyncChat.pushWithProducer", () => {
    const chat = new MemoryChat(newMap());
    chat.acOutBufferSize = 3;
    chat.pushWithProducer([make(), "!"]);
    for (let i = 0; i < 10; i++) chat.handleWriteEvent();
    expect([String(chat.memory.sent), chat.outBufferLength]).toEqual(["hello!", 0]);
  });

  test.each(MODES)("DispatcherWithSend.send while the socket is full: $name", async (mode) => {
    const map = newMap();
    const [near, far] = connectedPair();
    const sender = new (class extends DispatcherWithSend {
      override handleRead(): void {
        this.recv(10);
      }
    })(near, map);
    const block = new Uint8Array(65_536);
    let length = 0;
    while (sender.outBufferLength === 0) length += sender.send(block);
    expect(sender.send(make())).toBe(5);
    length += 5;
    let received = 0;
    let last = "";
    const reader = new (class extends Dispatcher {
      override handleRead(): void {
        const data = this.recv(100_000);
        received += data.length;
        last = (last + Buffer.from(data.slice(-5)).toString("latin1")).slice(-5);
      }
    })(far, map);
    await run(mode, map, () => received >= length);
    expect([received, last, sender.outBufferLength]).toEqual([length, "hello", 0]);
    reader.close();
  });
});

test("objects without bytes of their own are refused", () => {
  for (const data of [Object.create(Uint8Array.prototype), new Proxy(new Uint8Array(3), {}), new Uint16Array(1), "x"]) {
    expect(() => plainBytes("data", data)).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }));
  }
});

test("a piece whose memory was transferred meanwhile is lost, and nothing waits for it", () => {
  const chat = new MemoryChat(newMap());
  chat.memory.room = 0;
  const piece = new Uint8Array(5000);
  chat.pushWithProducer([piece]);
  chat.push("after");
  structuredClone(piece.buffer, { transfer: [piece.buffer] });
  chat.memory.room = Infinity;
  for (let i = 0; i < 5; i++) chat.handleWriteEvent();
  expect([String(chat.memory.sent), chat.outBufferLength, chat.isWatchedForWriting]).toEqual(["after", 0, false]);
});

test("output for a chat that has no connection does not spin", () => {
  const map = newMap();
  const chat = new (class extends AsyncChat {})(undefined, map);
  chat.createSocket({ type: "dgram" });
  chat.push("for nobody");
  expect(map.snapshot().map(({ interest }) => interest.write)).toEqual([false]);
});
