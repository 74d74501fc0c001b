/** TLS that the plugin host has in a guest's place: ends, resets, limits, replacements. */

import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import type { PolicyInput } from "wasyncore/plugin";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { eventually } from "../support/descriptors.js";
import { createHost, leftFromNow, NOTHING, portOf, WAYS, type Way } from "./support.js";
import {
  askSecurely,
  buildServer,
  makeCertificate,
  nameIn,
  SERVER_TLS,
  startGuest,
  type Started,
  tcp,
  temporary,
  TlsClient,
  warmUp,
} from "./tls-support.js";

let first: Uint8Array;
let second: Uint8Array;
let command: Uint8Array;
let knowing: Uint8Array;

beforeAll(async () => {
  [first, second, command, knowing] = await Promise.all([
    buildServer("first"),
    buildServer("second"),
    buildServer("third", true),
    buildServer("fourth", false, true),
  ]);
  await warmUp(first);
}, 2 * BUILD_TIMEOUT_MS);

/** A host with one plugin, named "guest". */
const started = (run: Way, policy: PolicyInput = {}, module = first): Promise<Started> =>
  startGuest(module, run, policy);

describe.each(WAYS)("a plugin that runs %s", (run) => {
  test("speaks plain text, and its peers TLS; nothing is left", async () => {
    const left = leftFromNow();
    const { host, port, told } = await started(run);
    const client = await TlsClient.connect(port);
    expect(await client.ask("hello")).toBe("hello");
    expect(host.snapshot("guest")).toMatchObject({
      listeners: [{ address: { host: "127.0.0.1", port }, tls: true }],
      tls: { handshakes: 1, connections: 1, handshaking: 0, failures: 0 },
    });
    expect(await client.end()).toBe("end");
    await eventually(() => host.snapshot("guest").tls.connections, 0);
    expect(host.snapshot("guest")).toMatchObject({ accepted: 1, bytesIn: 6, bytesOut: 6, tls: { heldBytes: 0 } });
    await host.close();
    expect(await told.ending()).toEqual({ kind: "stopped", isGraceful: true });
    await eventually(left, NOTHING);
  });

  test("is told of the end of a peer that ends at once", async () => {
    const { host, port } = await started(run);
    for (let time = 0; time < 20; time++) {
      const client = await TlsClient.connect(port);
      expect(await client.end()).toBe("end");
    }
    await eventually(() => host.snapshot("guest").tls, { ...host.snapshot("guest").tls, connections: 0 });
    expect(host.snapshot("guest").tls).toMatchObject({ handshakes: 20, failures: 0 });
  });

  test("sees the addresses of the connection outside", async () => {
    const { port } = await started(run, { connect: ["192.0.2.1:1"] }, knowing);
    const client = await TlsClient.connect(port);
    expect(await client.ask("peer")).toBe(`0 ${client.socket.localPort} 0 ${port}`);
  });

  test("ends its half, and goes on receiving until the peer ends", async () => {
    const { host, port, told } = await started(run, { stdio: "lines" });
    const client = await TlsClient.connect(port);
    client.socket.write("half\n");
    expect(await client.line()).toBe("half");
    if (!client.socket.readableEnded) await once(client.socket, "end");
    client.socket.end("rest");
    expect(await client.closed).toBe("end");
    expect((await told.until("line"))["line"]).toBe("close rest");
    await eventually(() => host.snapshot("guest").tls.connections, 0);
  });

  test("is told of the peer's end, and answers after it", async () => {
    const { port } = await started(run);
    const client = await TlsClient.connect(port);
    client.socket.end(`count\n${"x".repeat(300_000)}`);
    expect(await client.line()).toBe("300000");
    expect(await client.closed).toBe("end");
  });

  test("closes, and its peer gets everything and close_notify", async () => {
    const { host, port } = await started(run);
    const client = await TlsClient.connect(port, { allowHalfOpen: false } as object);
    expect(await client.ask("bye")).toBe("bye");
    expect(await client.closed).toBe("end");
    await eventually(() => host.snapshot("guest").tls.connections, 0);
  });

  test("that traps resets its connections, which is no end to their peers", async () => {
    const { host, port, told } = await started(run, { restart: { minDelayMs: 0, maxDelayMs: 0 } });
    const clients = await Promise.all(Array.from({ length: 20 }, () => TlsClient.connect(port)));
    for (const client of clients) expect(await client.ask("hello")).toBe("hello");
    clients[0]?.socket.write("trap\n");
    expect(await Promise.all(clients.map(({ closed }) => closed))).toEqual(clients.map(() => "ECONNRESET"));
    await told.until("up", 2);
    expect(await askSecurely(port, "hello")).toBe("hello");
    await eventually(() => host.snapshot("guest").tls.connections, 0);
  });

  test("is told of a reset", async () => {
    const { port, told } = await started(run, { stdio: "lines" });
    const raw = await tcp(port);
    const client = await TlsClient.connect(port, { socket: raw });
    expect(await client.ask("hello")).toBe("hello");
    raw.resetAndDestroy();
    expect((await told.until("line"))["line"]).toMatch(/^(?:error ECONNRESET|close )$/);
  });

  test("that is ended at the end of its time resets its connections", async () => {
    const { host, port } = await started(run);
    const client = await TlsClient.connect(port);
    await client.ask("hello");
    await host.stop("guest", { timeoutMs: 1 });
    expect(await client.closed).toBe("ECONNRESET");
  });

  test("is stopped gracefully: what it has sent arrives before", async () => {
    const { host, port } = await started(run);
    const client = await TlsClient.connect(port);
    client.socket.pause();
    client.socket.write("flood\nbye\n");
    await eventually(() => host.snapshot("guest").bytesOut > 100_000, true);
    const stopped = host.stop("guest", { timeoutMs: 60_000 });
    let length = 0;
    client.socket.on("data", (data: Buffer) => (length += data.length));
    client.socket.resume();
    client.socket.on("end", () => client.socket.end());
    expect(await client.closed).toBe("end");
    expect(length).toBe(10 * 2 ** 20 + 4);
    await stopped;
  });

  test("sends no faster than its peer reads, and the host holds little", async () => {
    const { host, port } = await started(run);
    const client = await TlsClient.connect(port);
    client.socket.pause();
    client.socket.write("flood\nbye\n");
    await eventually(() => host.snapshot("guest").tls.heldBytes > 0, true);
    await pause(200);
    expect(host.snapshot("guest").tls.heldBytes).toBeLessThan(512 * 1024);
    expect(host.snapshot("guest").hostBytes).toBeGreaterThan(host.snapshot("guest").tls.heldBytes);
    let length = 0;
    client.socket.on("data", (data: Buffer) => (length += data.length));
    client.socket.resume();
    await once(client.socket, "end");
    expect(length).toBe(10 * 2 ** 20 + 4);
  });

  test("is read no faster than it reads", async () => {
    const { host, port } = await started(run, { limits: { bytesPerSecondIn: 100_000 } });
    const client = await TlsClient.connect(port);
    client.socket.write("count\n");
    for (let at = 0; at < 200; at++) client.socket.write(Buffer.alloc(65_536));
    await eventually(() => host.snapshot("guest").tls.heldBytes > 0, true);
    expect(host.snapshot("guest").tls.heldBytes).toBeLessThan(512 * 1024);
    expect(client.socket.writableLength).toBeGreaterThan(1_000_000);
  });

  test("keeps others out while it has as many connections as it may", async () => {
    const { host, port } = await started(run, { limits: { maxConnections: 2 } });
    const [one, two] = [await TlsClient.connect(port), await TlsClient.connect(port)];
    expect([await one.ask("a"), await two.ask("b")]).toEqual(["a", "b"]);
    const third = await TlsClient.connect(port);
    third.socket.write("c\n");
    await eventually(() => host.snapshot("guest").refused.maxConnections !== undefined, true);
    expect(host.snapshot("guest").accepted).toBe(2);
    await one.end();
    expect(await third.line()).toBe("c");
  });

  test("is replaced under load without a refused handshake", async () => {
    const { host, port } = await started(run, { stopTimeoutMs: 60_000 });
    const old = await TlsClient.connect(port);
    expect(await old.ask("who")).toBe("first");
    const answers = new Map<string, number>();
    let isOver = false;
    const ask = async (): Promise<void> => {
      while (!isOver) {
        const answer = await askSecurely(port, "who");
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
    };
    const asking = Promise.all(Array.from({ length: 4 }, ask));
    for (let time = 0; time < 3; time++) {
      await host.replace("guest", second);
      await host.replace("guest", first);
    }
    await host.replace("guest", second);
    isOver = true;
    await asking;
    expect([...answers.keys()].filter((answer) => answer !== "first" && answer !== "second")).toEqual([]);
    expect(await askSecurely(port, "who")).toBe("second");
    expect(await old.ask("who")).toBe("first");
    await old.end();
  });

  test("gets TLS, other certificates, and none, by being replaced", async () => {
    const { host, told } = createHost();
    const directory = temporary();
    await host.start(first, { name: "guest", run, listen: ["127.0.0.1:0"], stopTimeoutMs: 0 });
    const port = portOf(host, "guest");
    const address = `127.0.0.1:${port}`;
    const policy = { run, stopTimeoutMs: 0 } as const;
    await host.replace("guest", second, { ...policy, listen: [{ address, tls: SERVER_TLS }] });
    expect(await askSecurely(port, "who")).toBe("second");
    const other = makeCertificate(directory, "other");
    await host.replace("guest", first, { ...policy, listen: [{ address, tls: other }] });
    const client = await TlsClient.connect(port, { rejectUnauthorized: false });
    expect(nameIn(client.socket.getPeerCertificate())).toBe("other");
    await client.end();
    const broken = { ...policy, listen: [{ address, tls: { ...other, key: SERVER_TLS.key } }] };
    await expect(host.replace("guest", second, broken)).rejects.toMatchObject({ code: "ERR_PLUGIN_TLS" });
    const still = await TlsClient.connect(port, { rejectUnauthorized: false });
    expect(await still.ask("who")).toBe("first");
    await still.end();
    await host.replace("guest", second, { ...policy, listen: [address] });
    await told.until("exit", 3);
    const plain = await tcp(port);
    plain.write("who\n");
    expect(String((await once(plain, "data"))[0])).toBe("second\n");
  });

  test("that exits ends its connections in order, and is started again on the same socket", async () => {
    const { port, told } = await started(run, { restart: { when: "always", minDelayMs: 0, maxDelayMs: 0 } });
    const client = await TlsClient.connect(port, { allowHalfOpen: false } as object);
    client.socket.write("exit\n");
    expect(await client.closed).toBe("end");
    await told.until("up", 2);
    expect(await askSecurely(port, "hello")).toBe("hello");
  });

  test("that is down refuses connections", async () => {
    const { port, told } = await started(run, { restart: "never" });
    const client = await TlsClient.connect(port);
    client.socket.write("trap\n");
    await told.until("down");
    await expect(tcp(port)).rejects.toThrow("ECONNREFUSED");
  });
});

test("a command in a thread waits for connections with TLS in its own loop", async () => {
  const { port } = await started("isolated", {}, command);
  expect(await Promise.all([1, 2, 3].map(() => askSecurely(port, "who")))).toEqual(["third", "third", "third"]);
});

test("a Unix socket may have TLS", async () => {
  const path = join(temporary(), "socket");
  const { host } = createHost();
  await host.start(first, { name: "guest", listen: [{ address: path, tls: SERVER_TLS }] });
  const socket = connectTcp({ path });
  const client = await TlsClient.connect(0, { socket });
  expect(await client.ask("hello")).toBe("hello");
  await client.end();
});
