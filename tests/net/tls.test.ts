/** The TLS handshake, certificates and sessions, against node:tls and against ourselves; and peers that break it off. */

import { createSecureContext, type TLSSocket } from "node:tls";
import { describe, expect, test } from "vitest";
import { BlockingIOError, loopSync, Socket, wrapTls, type WrapTlsOptions } from "wasyncore";
import { tlsOf } from "../../host/net/tls/wrapped.js";
import { newMap, run } from "../support/runs.js";
import { connectedPair, owned, reset } from "../support/sockets.js";
import {
  CA,
  chatClient,
  chatServer,
  CLIENT,
  clientOptions,
  Listener,
  nodeClient,
  nodeServer,
  OTHER,
  rawClient,
  SERVER,
  serverOptions,
  STRANGER,
  TLS_MODES,
  TlsChat,
  useTransport,
} from "../support/tls.js";

describe.each(TLS_MODES)("$name", (mode) => {
  useTransport(mode);

  test.each(["TLSv1.2", "TLSv1.3"] as const)("both sides are ours: %s", async (version) => {
    const map = newMap();
    const [server, chats] = chatServer(map, { ...serverOptions, maxVersion: version });
    const client = chatClient(map, server.address);
    client.push("question\n");
    await run(mode, map, () => chats[0]?.messages.length === 1);
    expect(client.told).toEqual(["secure"]);
    expect(chats[0]?.told).toEqual(["secure", "data question", "found"]);
    expect([client.tls?.getProtocol(), client.tls?.authorized]).toEqual([version, true]);
    chats[0]?.push("answer\n");
    chats[0]?.closeWhenDone();
    await run(mode, map, () => client.fd < 0);
    expect(client.told).toEqual(["secure", "data answer", "found", "close"]);
    expect([client.tlsTruncated, client.errors, chats[0]?.errors]).toEqual([false, [], []]);
  });

  test("a server without a certificate: a key that is agreed on", async () => {
    const psk = Buffer.alloc(16, 7);
    const map = newMap();
    const [server, chats] = chatServer(map, { isServer: true, pskCallback: () => psk });
    const client = nodeClient(server.port, {
      pskCallback: () => ({ psk, identity: "someone" }),
      checkServerIdentity: () => undefined,
    });
    client.end("hello\n");
    await run(mode, map, () => chats[0]?.fd === -1);
    expect(chats[0]?.told).toContain("data hello");
  });

  test("a client of node:tls: ALPN, SNI and a certificate by name", async () => {
    const map = newMap();
    const names: string[] = [];
    const [server, chats] = chatServer(map, {
      ...serverOptions,
      ALPNProtocols: ["one", "two"],
      SNICallback: (name, done) => {
        names.push(name);
        setImmediate(done, null, name === "other.test" ? createSecureContext(OTHER) : undefined);
      },
    });
    const client = nodeClient(server.port, { servername: "other.test", ALPNProtocols: ["two"] });
    client.end("hello\n");
    await run(mode, map, () => chats[0]?.fd === -1);
    expect(chats[0]?.messages).toEqual(["hello"]);
    expect([client.alpnProtocol, client.authorized, names]).toEqual(["two", true, ["other.test"]]);
    expect(chats[0]?.tls?.servername).toBe("other.test");
  });

  test("a server of node:tls, with the host name that was connected to", async () => {
    const map = newMap();
    const names: unknown[] = [];
    const port = await nodeServer((socket) => {
      names.push((socket as TLSSocket & { servername: unknown }).servername);
      socket.end("welcome\n");
    });
    const client = chatClient(map, { host: "localhost", port }, { ca: CA });
    await run(mode, map, () => client.fd < 0);
    expect(client.told).toEqual(["secure", "data welcome", "found", "close"]);
    expect(names).toEqual(["localhost"]);
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "a listener of node:tls sends, receives and closes: %s",
    async (version) => {
      for (const act of ["send", "close"] as const) {
        const map = newMap();
        const got: string[] = [];
        const port = await nodeServer((socket) => {
          socket.on("data", (data) => got.push(String(data)));
          socket.on("end", () => got.push("end"));
          socket.on("error", (error) => got.push(error.message));
        });
        const client = chatClient(map, { host: "127.0.0.1", port }, { ...clientOptions, maxVersion: version });
        await run(mode, map, () => client.tls !== undefined);
        client.tls?.once("session", () => {
          expect(() => client.recv(10)).toThrow(BlockingIOError);
          if (act === "send") client.push("hello");
          else client.close();
        });
        const expected = act === "send" ? "hello" : "end";
        const timer = map.callEvery(1, () => {});
        await run(mode, map, () => got.length > 0);
        timer.cancel();
        expect([got, client.errors]).toEqual([[expected], []]);
        client.close();
      }
    },
  );

  test.each<[what: string, options: WrapTlsOptions, code: string]>([
    ["signed by nobody known", { servername: "localhost" }, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    ["for another name", { ca: CA, servername: "example.org" }, "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["refused by the program", { ...clientOptions, checkServerIdentity: refusing }, "ERR_REFUSED"],
    ["of too old a protocol", { ...clientOptions, minVersion: "TLSv1.3" }, "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION"],
  ])("a client refuses a server's certificate %s", async (_what, options, code) => {
    const map = newMap();
    const [server, chats] = chatServer(map, { ...serverOptions, maxVersion: "TLSv1.2" });
    const client = chatClient(map, server.address, options);
    client.push("secret\n");
    await run(mode, map, () => client.errors.length > 0);
    expect(client.codes).toEqual([code]);
    expect(client.told.filter((each) => !each.startsWith("error"))).toEqual([]);
    client.close();
    await run(mode, map, () => chats[0] !== undefined && (chats[0].errors.length > 0 || chats[0].fd < 0));
    expect(chats[0]?.messages).toEqual([]);
  });

  test("rejectUnauthorized: false accepts any certificate, and says what was wrong with it", async () => {
    const map = newMap();
    const [server] = chatServer(map, { isServer: true, ...STRANGER });
    const client = chatClient(map, server.address, { servername: "localhost", rejectUnauthorized: false });
    await run(mode, map, () => client.secured > 0);
    expect([client.tls?.authorized, client.tls?.authorizationError]).toEqual([false, "DEPTH_ZERO_SELF_SIGNED_CERT"]);
  });

  test.each<[what: string, certificate: object, rejectUnauthorized: boolean, outcome: unknown[]]>([
    ["of a client known to the server", CLIENT, true, [1, true, []]],
    ["of a stranger", STRANGER, true, [0, false, ["DEPTH_ZERO_SELF_SIGNED_CERT"]]],
    ["of a stranger, where that is allowed", STRANGER, false, [1, false, []]],
    ["that is missing, where that is allowed", {}, false, [1, false, []]],
    ["that is missing", {}, true, [0, false, ["ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE"]]],
  ])("a server asks for a certificate: one %s", async (_what, certificate, rejectUnauthorized, outcome) => {
    const map = newMap();
    const [server, chats] = chatServer(map, { ...serverOptions, ca: CA, requestCert: true, rejectUnauthorized });
    nodeClient(server.port, certificate);
    const isSettled = (): boolean => chats[0] !== undefined && chats[0].secured + chats[0].errors.length > 0;
    await run(mode, map, isSettled);
    expect([chats[0]?.secured, chats[0]?.tls?.authorized, chats[0]?.codes]).toEqual(outcome);
  });

  test("a session is reused, on both sides", async () => {
    const map = newMap();
    const [server, chats] = chatServer(map);
    const connectWith = async (session: Buffer | undefined): Promise<TlsChat> => {
      const client = chatClient(map, server.address, session ? { ...clientOptions, session } : clientOptions);
      client.push("x\n");
      await run(mode, map, () => chats.at(-1)?.messages.length === 1 && client.secured > 0);
      return client;
    };
    const first = chatClient(map, server.address);
    const sessions: Buffer[] = [];
    await run(mode, map, () => {
      if (first.tls?.listenerCount("session") === 0) first.tls.on("session", (session) => sessions.push(session));
      return sessions.length > 0;
    });
    const second = await connectWith(sessions.at(-1));
    expect([first.tls?.isSessionReused(), second.tls?.isSessionReused()]).toEqual([false, true]);
    expect(chats.map(({ tls }) => tls?.isSessionReused())).toEqual([false, true]);
  });

  test.each<[what: string, bytes: Buffer, code: string]>([
    ["plaintext", Buffer.from("GET / HTTP/1.0\r\n\r\n"), "ERR_SSL_HTTP_REQUEST"],
    ["garbage", Buffer.alloc(3000, "\x00\xffgarbage"), "ERR_SSL_WRONG_VERSION_NUMBER"],
    ["a record that is too long", Buffer.from([22, 3, 1, 255, 255, ...Buffer.alloc(600)]), "ERR_SSL_"],
  ])("a client that sends %s is an error of the server's channel", async (_what, bytes, code) => {
    const map = newMap();
    const [server, chats] = chatServer(map);
    const raw = await rawClient(server.port);
    raw.write(bytes);
    await run(mode, map, () => chats[0] !== undefined && chats[0].errors.length > 0);
    expect(String(chats[0]?.codes[0])).toContain(code);
    expect([chats[0]?.codes.length, chats[0]?.messages]).toEqual([1, []]);
  });

  test.each(["ends", "resets"] as const)("a client that %s in the middle of the handshake", async (how) => {
    const map = newMap();
    const [server, chats] = chatServer(map);
    const raw = await rawClient(server.port);
    raw.write(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252]));
    await run(mode, map, () => chats.length === 1);
    if (how === "ends") raw.end();
    else raw.resetAndDestroy();
    await run(mode, map, () => chats[0] !== undefined && (chats[0].errors.length > 0 || chats[0].fd < 0));
    expect(chats[0]?.codes).toEqual(how === "ends" ? ["ECONNRESET"] : chats[0]?.fd === -1 ? [] : ["ECONNRESET"]);
    expect(chats[0]?.secured).toBe(0);
  });

  test.each([
    ["silent", Buffer.alloc(0)],
    ["in half a ClientHello", Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252])],
  ])("a client that stays %s is given up after handshakeTimeoutMs", async (_what, bytes) => {
    const map = newMap();
    const [server, chats] = chatServer(map, { ...serverOptions, handshakeTimeoutMs: 30 });
    const raw = await rawClient(server.port);
    raw.write(bytes);
    await run(mode, map, () => (chats[0]?.errors.length ?? 0) > 0);
    expect(chats[0]?.codes).toEqual(["ERR_TLS_HANDSHAKE_TIMEOUT"]);
  });

  test("a client gives a silent server up as well; after the handshake the time does not count", async () => {
    const map = newMap();
    const silent = new Listener(map, (socket) => owned(socket));
    const client = chatClient(map, silent.address, { ...clientOptions, handshakeTimeoutMs: 30 });
    await run(mode, map, () => client.errors.length > 0);
    expect(client.codes).toEqual(["ERR_TLS_HANDSHAKE_TIMEOUT"]);
    client.close();
    const [server] = chatServer(map);
    const other = chatClient(map, server.address, { ...clientOptions, handshakeTimeoutMs: 5000 });
    await run(mode, map, () => other.secured > 0);
    expect(map.stats().timersNow).toBe(1);
  });

  test.each([
    ["without close_notify", true, ["data x"], []],
    ["with close_notify", false, ["data x"], []],
  ])("a peer that ends %s", async (_what, truncated, told) => {
    const map = newMap();
    const [server, chats] = chatServer(map);
    const raw = await rawClient(server.port);
    const client = nodeClient(0, { socket: raw, port: 0 });
    client.write("x");
    client.once("secureConnect", () => (truncated ? setImmediate(() => raw.end()) : client.end()));
    await run(mode, map, () => chats[0]?.fd === -1);
    expect(chats[0]?.told).toEqual(["secure", ...told, "close"]);
    expect([chats[0]?.tlsTruncated, chats[0]?.errors]).toEqual([truncated, []]);
  });

  test("requireCloseNotify makes its absence an error", async () => {
    const map = newMap();
    const [server, chats] = chatServer(map, { ...serverOptions, requireCloseNotify: true });
    const raw = await rawClient(server.port);
    const client = nodeClient(0, { socket: raw, port: 0 });
    client.write("x");
    client.once("secureConnect", () => setImmediate(() => raw.end()));
    await run(mode, map, () => (chats[0]?.errors.length ?? 0) > 0);
    expect(chats[0]?.told.slice(0, 2)).toEqual(["secure", "data x"]);
    expect(chats[0]?.codes).toEqual(["ERR_TLS_TRUNCATED"]);
  });

  test("a client that renegotiates is refused, with Node's error", async () => {
    const map = newMap();
    const [server, chats] = chatServer(map, { ...serverOptions, maxVersion: "TLSv1.2" });
    const client = nodeClient(server.port);
    client.once("secureConnect", () => client.renegotiate({}, () => {}));
    await run(mode, map, () => (chats[0]?.errors.length ?? 0) > 0);
    expect([chats[0]?.secured, chats[0]?.codes]).toEqual([1, ["ERR_TLS_RENEGOTIATION_DISABLED"]]);
  });

  test("a server that asks for renegotiation gets none", async () => {
    const map = newMap();
    let negotiations = 0;
    const options = { ...SERVER, maxVersion: "TLSv1.2" } as const;
    const port = await nodeServer((socket) => {
      socket.on("secure", () => (negotiations += 1));
      socket.on("data", () => {
        socket.renegotiate({}, () => {});
        socket.write("after\n");
      });
    }, options);
    const client = chatClient(map, { host: "127.0.0.1", port });
    client.push("x");
    await run(mode, map, () => client.messages.length + client.errors.length > 0);
    expect([client.secured, negotiations]).toEqual([1, 0]);
  });

  test("an endpoint receives into a buffer of the program's", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const server = new TlsChat(wrapTls(near, serverOptions), map);
    const client = new TlsChat(wrapTls(far, clientOptions), map);
    const target = Buffer.alloc(4);
    const lengths: (number | undefined)[] = [];
    let text = "";
    server.handleRead = () => {
      const length = tlsOf(near)?.recvInto(target) ?? -1;
      lengths.push(length);
      text += target.toString("latin1", 0, length);
    };
    client.push("abcdefghij");
    await run(mode, map, () => text.length === 10);
    expect([text, lengths, tlsOf(near)?.recvInto(new Uint8Array(0))]).toEqual(["abcdefghij", [4, 4, 2], 0]);
    expect(() => tlsOf(near)?.recvInto(target)).toThrow(BlockingIOError);
  });

  test("a connection that is reset after the handshake closes", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const server = new TlsChat(wrapTls(near, serverOptions), map);
    const client = new TlsChat(wrapTls(far, clientOptions), map);
    await run(mode, map, () => server.secured + client.secured === 2);
    client.delChannel();
    reset(far);
    await run(mode, map, () => server.fd < 0);
    expect([server.told, server.errors]).toEqual([["secure", "close"], []]);
  });
});

test("inside loopSync, TLS is refused with ERR_TLS_LOOP_SYNC", () => {
  const map = newMap();
  const [near, far] = connectedPair();
  owned(far);
  const chat = new TlsChat(wrapTls(near, serverOptions), map);
  far.send(Buffer.from("x"));
  loopSync({ map, count: 1 });
  expect(chat.codes).toEqual(["ERR_TLS_LOOP_SYNC"]);
  const thrown: unknown[] = [];
  map.callLater(0, () => {
    try {
      new TlsChat(wrapTls(connectedPair()[0], serverOptions), map);
    } catch (error) {
      thrown.push((error as NodeJS.ErrnoException).code);
    }
  });
  chat.close();
  loopSync({ map, count: 1 });
  expect([thrown, map.size]).toEqual([["ERR_TLS_LOOP_SYNC"], 0]);
});

test("bad arguments are refused where they are given", () => {
  const [near, far] = connectedPair();
  owned(near);
  owned(far);
  expect(() => wrapTls(near, { isServer: true, ...SERVER, key: OTHER.key })).toThrow(
    /given: cert, key.*key values mismatch/,
  );
  expect(() => wrapTls(near, { ...clientOptions, handshakeTimeoutMs: -1 })).toThrow(RangeError);
  expect(() => wrapTls(near, { ...clientOptions, handshakeTimeout: 1 } as WrapTlsOptions)).toThrow(
    /handshakeTimeoutMs/,
  );
  expect(() => wrapTls({} as Socket, clientOptions)).toThrow(TypeError);
  const datagram = owned(Socket.create({ type: "dgram" }));
  expect(() => wrapTls(datagram, clientOptions)).toThrow(/stream socket/);
  wrapTls(near, clientOptions);
  expect(() => wrapTls(near, clientOptions)).toThrow(/TLS already/);
});

describe("a server that has nothing to show", () => {
  const { cert, key } = SERVER;
  const callback = (): null => null;

  test.each<[object, RegExp]>([
    [{}, /a server of TLS needs "key" and "cert", or "pfx"/],
    [{ cert }, /needs "key"/],
    [{ key }, /needs "cert"/],
    [{ ciphers: "HIGH:!aNULL" }, /needs "key" and "cert"/],
  ])("is refused where it is given: %#", (options, message) => {
    const [near, far] = connectedPair();
    owned(near);
    owned(far);
    const wrap = (): unknown => wrapTls(near, { isServer: true, ...options });
    expect(wrap).toThrow(message);
    expect(wrap).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARG_VALUE" }) as Error);
  });

  test.each<[string, Partial<WrapTlsOptions>]>([
    ["key and cert", { key, cert }],
    ["secureContext", { secureContext: createSecureContext(SERVER) }],
    ["SNICallback", { SNICallback: (_, done) => done(null, createSecureContext(SERVER)) }],
    ["pskCallback", { pskCallback: callback }],
    ["anonymous ciphers", { ciphers: "aNULL:@SECLEVEL=0", maxVersion: "TLSv1.2" }],
  ])("has something else: %s", (_, options) => {
    const [near, far] = connectedPair();
    owned(near);
    owned(far);
    expect(wrapTls(near, { isServer: true, ...options } as WrapTlsOptions)).toBe(near);
  });
});

function refusing(): Error {
  return Object.assign(new Error("refused"), { code: "ERR_REFUSED" });
}
