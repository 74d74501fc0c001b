/** startTls: a conversation that becomes secure in its middle, and what must not get across that point. */

import { connect as connectTls } from "node:tls";
import { describe, expect, test } from "vitest";
import { type ChannelMap, DispatcherWithSend, type Socket, startTls } from "wasyncore";
import { newMap, run } from "../support/runs.js";
import { connectedPair, pattern } from "../support/sockets.js";
import {
  CA,
  clientOptions,
  Listener,
  rawClient,
  serverOptions,
  TLS_MODES,
  TlsChat,
  useTransport,
} from "../support/tls.js";

/** Executes lines; STARTTLS is one of them. */
class Server extends TlsChat {
  readonly executed: string[] = [];
  /** Bytes of output that are pending when TLS starts. */
  readonly padding: string;

  constructor(socket: Socket, map: ChannelMap, padding = "") {
    super(socket, map);
    this.padding = padding;
    this.push("220 ready\n");
  }

  override foundTerminator(): void {
    const line = this.collected();
    if (line === "STARTTLS") {
      this.push(`220 go${this.padding}\n`);
      startTls(this, serverOptions);
    } else {
      this.executed.push(line);
      this.push(`250 ${line}\n`);
    }
  }
}

function listen(map: ChannelMap): [Listener, Server[]] {
  const servers: Server[] = [];
  return [new Listener(map, (socket) => servers.push(new Server(socket, map))), servers];
}

describe.each(TLS_MODES)("$name", (mode) => {
  useTransport(mode);

  test("a client of node:tls, after STARTTLS: what was said before is plain, what is said after is not", async () => {
    const map = newMap();
    const [listener, servers] = listen(map);
    const raw = await rawClient(listener.port);
    let plain = "";
    raw.on("data", (data: Buffer) => (plain += data.toString("latin1")));
    raw.write("EHLO\nSTARTTLS\n");
    await run(mode, map, () => plain.endsWith("220 go\n"));
    raw.removeAllListeners("data");
    const client = connectTls({ socket: raw, ca: CA, servername: "localhost" });
    let secret = "";
    client.on("data", (data: Buffer) => (secret += data.toString()));
    client.write("MAIL\n");
    await run(mode, map, () => secret === "250 MAIL\n");
    expect(plain).toBe("220 ready\n250 EHLO\n220 go\n");
    expect([servers[0]?.executed, servers[0]?.secured, servers[0]?.errors]).toEqual([["EHLO", "MAIL"], 1, []]);
    client.destroy();
  });

  test("both sides are ours", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const server = new Server(near, map);
    const client = new TlsChat(far, map);
    client.push("STARTTLS\n");
    client.onFound = () => {
      if (client.messages.at(-1) !== "220 go") return;
      startTls(client, clientOptions);
      client.push("MAIL\n");
    };
    await run(mode, map, () => client.messages.length === 3);
    expect(client.messages).toEqual(["220 ready", "220 go", "250 MAIL"]);
    expect([server.executed, server.secured, client.secured]).toEqual([["MAIL"], 1, 1]);
  });

  test("commands behind STARTTLS in the same segment are never executed, and the handshake succeeds", async () => {
    const map = newMap();
    const [listener, servers] = listen(map);
    const raw = await rawClient(listener.port);
    raw.write("STARTTLS\nRCPT evil\nDATA ev");
    let plain = "";
    raw.on("data", (data: Buffer) => (plain += data.toString("latin1")));
    await run(mode, map, () => plain.endsWith("220 go\n"));
    raw.removeAllListeners("data");
    const client = connectTls({ socket: raw, ca: CA, servername: "localhost" });
    let secret = "";
    client.on("data", (data: Buffer) => (secret += data.toString()));
    client.write("il\nMAIL\n");
    await run(mode, map, () => secret.endsWith("250 MAIL\n"));
    // "DATA ev" has not become the beginning of the first secure line.
    expect([servers[0]?.executed, secret]).toEqual([["il", "MAIL"], "250 il\n250 MAIL\n"]);
    client.destroy();
  });

  test("commands that arrive unencrypted after STARTTLS was answered end the connection", async () => {
    const map = newMap();
    const [listener, servers] = listen(map);
    const raw = await rawClient(listener.port);
    raw.write("STARTTLS\n");
    await run(mode, map, () => servers[0] !== undefined && servers[0].describe().bytesOut === 17);
    raw.write("RCPT evil\nDATA evil\n");
    await run(mode, map, () => (servers[0]?.errors.length ?? 0) > 0);
    expect([servers[0]?.executed, servers[0]?.codes]).toEqual([[], ["ERR_SSL_WRONG_VERSION_NUMBER"]]);
  });

  test("a client drops what a server's answer to STARTTLS has behind it", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const server = new TlsChat(near, map);
    server.onFound = () => {
      server.push("220 go\n250 injected\n250 inj");
      startTls(server, serverOptions);
      server.push("250 genuine\n");
    };
    const client = new TlsChat(far, map);
    client.push("STARTTLS\n");
    client.onFound = () => {
      if (client.messages.at(-1) === "220 go") startTls(client, clientOptions);
    };
    await run(mode, map, () => client.messages.length === 2);
    expect(client.messages).toEqual(["220 go", "250 genuine"]);
  });

  test("pending output is sent before the handshake and in plain, however much there is", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    near.setOption("SO_SNDBUF", 4096);
    const padding = Buffer.from(pattern(400_000)).toString("hex");
    const server = new Server(near, map, padding);
    const client = new TlsChat(far, map);
    client.push("STARTTLS\n");
    client.onFound = () => {
      if (client.messages.length !== 2) return;
      startTls(client, clientOptions);
      client.push("MAIL\n");
    };
    await run(mode, map, () => client.messages.length === 3);
    expect(client.messages[1] === `220 go${padding}`).toBe(true);
    expect([client.messages[2], server.executed, server.errors]).toEqual(["250 MAIL", ["MAIL"], []]);
  });

  test("output that is dropped meanwhile makes nothing of what follows plain", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    near.setOption("SO_SNDBUF", 4096);
    const server = new TlsChat(near, map);
    server.push("x".repeat(4_000_000));
    expect(server.outBufferLength).toBeGreaterThan(0);
    startTls(server, clientOptions);
    server.discardBuffers();
    server.push("secret\n");
    let received = Buffer.alloc(0);
    const afterPlain = (): number => received.findIndex((byte) => byte !== "x".charCodeAt(0));
    await run(mode, map, () => {
      received = Buffer.concat([received, take(far)]);
      return afterPlain() >= 0;
    });
    // A record of the handshake.
    expect(received[afterPlain()]).toBe(22);
    expect(received.toString("latin1")).not.toContain("secret");
    far.close();
  });

  test("DispatcherWithSend has it as well", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    near.setOption("SO_SNDBUF", 4096);
    class Sender extends DispatcherWithSend {
      override handleRead(): void {
        this.recv(10);
      }
    }
    const sender = new Sender(near, map);
    sender.send(Buffer.from(`${"p".repeat(300_000)}\n`));
    startTls(sender, serverOptions);
    sender.send(Buffer.from("secret\n"));
    const client = new TlsChat(far, map);
    client.onFound = () => {
      if (client.messages.length === 1) startTls(client, clientOptions);
    };
    await run(mode, map, () => client.messages.length === 2);
    expect([client.messages[0]?.length, client.messages[1]]).toEqual([300_000, "secret"]);
  });
});

test("startTls is refused while a producer's output is pending, without a socket, and for a second time", () => {
  const map = newMap();
  const [near, far] = connectedPair();
  const chat = new TlsChat(near, map);
  chat.pushWithProducer((async function* () {})());
  expect(() => startTls(chat, serverOptions)).toThrow(expect.objectContaining({ code: "ERR_TLS_OUTPUT_PENDING" }));
  chat.discardBuffers();
  startTls(chat, serverOptions);
  expect(() => startTls(chat, serverOptions)).toThrow(/TLS already/);
  expect(() => startTls(new TlsChat(undefined, map), serverOptions)).toThrow(
    expect.objectContaining({ code: "EBADF" }),
  );
  far.close();
});

/** What has arrived, or nothing. */
function take(socket: Socket): Buffer {
  try {
    return Buffer.from(socket.recv(1_000_000));
  } catch {
    return Buffer.alloc(0);
  }
}
