/** CPython's test_asynchat, under its names. docs/conformance.md lists them. */

import { describe, expect, test, vi } from "vitest";
import {
  AsyncChat,
  type ChannelMap,
  Dispatcher,
  type Family,
  findPrefixAtEnd,
  SimpleProducer,
  Socket,
  type SocketAddress,
  type Terminator,
} from "wasyncore";
import { newMap, run } from "../support/runs.js";
import { bytes, owned, text } from "../support/sockets.js";
import { type Kind, KINDS, listenAt } from "./support.js";

const SERVER_QUIT = "QUIT\n";

/** CPython's echo_server: takes one connection. */
class EchoServer extends Dispatcher {
  /** What it has got. */
  received = "";

  constructor(
    family: Family,
    map: ChannelMap,
    /** Bytes that it sends at once. */
    readonly chunkSize: number,
    readonly resends: boolean,
  ) {
    super(undefined, map);
    listenAt(this, family);
  }

  override handleAccepted(socket: Socket): void {
    this.close();
    new EchoConnection(socket, this);
  }

  override handleError(error: unknown): void {
    throw error;
  }
}

/** Sends back what came before SERVER_QUIT, and closes. */
class EchoConnection extends Dispatcher {
  readonly #server: EchoServer;
  #left: Uint8Array | undefined;

  constructor(socket: Socket, server: EchoServer) {
    super(socket, server.map);
    this.#server = server;
  }

  override readable(): boolean {
    return this.#left === undefined;
  }

  override writable(): boolean {
    return this.#left !== undefined;
  }

  override handleRead(): void {
    const server = this.#server;
    server.received += text(this.recv(1));
    if (server.resends && server.received.endsWith(SERVER_QUIT)) {
      this.#left = bytes(server.received.slice(0, -SERVER_QUIT.length));
    }
  }

  override handleWrite(): void {
    this.#left = this.#left?.subarray(this.send(this.#left.subarray(0, this.#server.chunkSize)));
    if (this.#left?.length === 0) this.close();
  }

  override handleClose(): void {
    this.close();
  }

  override handleError(error: unknown): void {
    throw error;
  }
}

/** CPython's echo_client. */
class EchoClient extends AsyncChat {
  readonly contents: string[] = [];
  buffer = "";
  /** How many bytes its reads gave. */
  readonly sizes = new Set<number>();

  constructor(terminator: Terminator, family: Family, address: SocketAddress, map: ChannelMap) {
    super(undefined, map);
    this.createSocket({ family });
    this.connect(address);
    this.setTerminator(terminator);
  }

  override recv(maxBytes: number): Uint8Array {
    const data = super.recv(maxBytes);
    this.sizes.add(data.length);
    return data;
  }

  override handleConnect(): void {}

  override collectIncomingData(data: Uint8Array): void {
    this.buffer += text(data);
  }

  override foundTerminator(): void {
    this.contents.push(this.buffer);
    this.buffer = "";
  }

  override handleError(error: unknown): void {
    throw error;
  }
}

/** Has a client say something to a server that echoes it, until both have ended. */
async function converse(
  { family, mode }: Kind,
  terminator: Terminator,
  say: (client: EchoClient) => void,
  { chunkSize = 1, resends = true } = {},
): Promise<{ client: EchoClient; server: EchoServer }> {
  const map = newMap();
  const server = new EchoServer(family, map, chunkSize, resends);
  const client = new EchoClient(terminator, family, server.socket.localAddress(), map);
  say(client);
  await run(mode, map);
  return { client, server };
}

describe.each(KINDS)("TestAsynchat, $name", (kind) => {
  /** CPython's line_terminator_check. */
  async function expectLines(terminator: string): Promise<void> {
    for (const chunkSize of [1, 2, 3]) {
      const say = (client: EchoClient): void => {
        client.push(bytes("hello "));
        client.push(bytes(`world${terminator}`));
        client.push(bytes(`I'm not dead yet!${terminator}`));
        client.push(bytes(SERVER_QUIT));
      };
      const { client } = await converse(kind, bytes(terminator), say, { chunkSize });
      expect(client.contents).toEqual(["hello world", "I'm not dead yet!"]);
      expect(client.sizes).toContain(chunkSize);
    }
  }

  test("testLineTerminator1: one byte", () => expectLines("\n"));
  test("testLineTerminator2: two bytes", () => expectLines("\r\n"));
  test("testLineTerminator3: three bytes", () => expectLines("qqq"));

  /** CPython's numeric_terminator_check. */
  async function expectLength(length: number): Promise<void> {
    const data = "hello world, I'm not dead yet!\n";
    const { client } = await converse(kind, length, (client) => {
      client.push(bytes(data));
      client.push(bytes(SERVER_QUIT));
    });
    expect(client.contents).toEqual([data.slice(0, length)]);
    expect(client.buffer).toBe(data.slice(length));
  }

  test("testNumericTerminator1: a length of one, once", () => expectLength(1));
  test("testNumericTerminator2: a length of six, once", () => expectLength(6));

  test("testNoneTerminator: null collects everything, and finds nothing", async () => {
    const data = "hello world, I'm not dead yet!\n";
    const { client } = await converse(kind, null, (client) => {
      client.push(bytes(data));
      client.push(bytes(SERVER_QUIT));
    });
    expect(client.contents).toEqual([]);
    expect(client.buffer).toBe(data);
  });

  const lines = "hello world\nI'm not dead yet!\n";

  test("testSimpleProducer: gives its data in pieces", async () => {
    const producer = new SimpleProducer(bytes(lines + SERVER_QUIT), 8);
    const { client } = await converse(kind, bytes("\n"), (client) => client.pushWithProducer(producer));
    expect(client.contents).toEqual(["hello world", "I'm not dead yet!"]);
  });

  test("testStringProducer: bytes are a producer", async () => {
    const data = bytes(lines + SERVER_QUIT);
    const { client } = await converse(kind, bytes("\n"), (client) => client.pushWithProducer(data));
    expect(client.contents).toEqual(["hello world", "I'm not dead yet!"]);
  });

  test("testEmptyLine: an empty line is one", async () => {
    const { client } = await converse(kind, bytes("\n"), (client) => {
      client.push(bytes("hello world\n\nI'm not dead yet!\n"));
      client.push(bytes(SERVER_QUIT));
    });
    expect(client.contents).toEqual(["hello world", "", "I'm not dead yet!"]);
  });

  test("testCloseWhenDone: closes when everything is sent, and not before", async () => {
    const say = (client: EchoClient): void => {
      client.push(bytes(lines));
      client.push(bytes(SERVER_QUIT));
      client.closeWhenDone();
    };
    const { client, server } = await converse(kind, bytes("\n"), say, { resends: false });
    expect(client.contents).toEqual([]);
    expect(server.received).toBe(lines + SERVER_QUIT);
  });

  test("testPush: takes bytes of any kind, and strings, and nothing else", async () => {
    const data = bytes("bytes\n");
    const { client } = await converse(kind, bytes("\n"), (client) => {
      client.push(data);
      client.push(new Uint8Array(data));
      client.push(new Uint8Array([0, ...data, 0]).subarray(1, -1));
      expect(() => client.push(10 as unknown as string)).toThrow(TypeError);
      client.push("unicode\n");
      client.push(bytes(SERVER_QUIT));
    });
    expect(client.contents).toEqual(["bytes", "bytes", "bytes", "unicode"]);
  });
});

describe("TestAsynchatMocked", () => {
  test("testBlockingioerror: a read with nothing to read is no error", () => {
    const [near, far] = Socket.pair();
    owned(far);
    const chat = new AsyncChat(near, newMap());
    const handleError = vi.spyOn(chat, "handleError");
    expect(() => near.recv(1)).toThrow(expect.objectContaining({ name: "BlockingIOError" }));
    chat.handleRead();
    expect(handleError).not.toHaveBeenCalled();
  });
});

describe("TestHelperFunctions", () => {
  test("testFindPrefixAtEnd: says how much of the terminator the input ends with", () => {
    expect(findPrefixAtEnd("qwerty\r", "\r\n")).toBe(1);
    expect(findPrefixAtEnd("qwertydkjf", "\r\n")).toBe(0);
    expect(findPrefixAtEnd(bytes("qwerty\r"), bytes("\r\n"))).toBe(1);
  });
});

describe("TestNotConnected", () => {
  test("testDisallowNegativeTerminator: is a RangeError", () => {
    expect(() => new AsyncChat(undefined, newMap()).setTerminator(-1)).toThrow(RangeError);
  });
});
