/** The handshakes of a plugin whose TLS the host has: what is agreed on, what fails, and who gives way when there are many. */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Duplex } from "node:stream";
import { beforeAll, describe, expect, test } from "vitest";
import type { PolicyInput } from "wasyncore/plugin";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { type Way, WAYS } from "./support.js";
import { eventually, openedFromNow } from "../support/descriptors.js";
import {
  askSecurely,
  buildServer,
  pathOf,
  SERVER_TLS,
  startGuest,
  type Started,
  tcp,
  TlsClient,
  warmUp,
} from "./tls-support.js";

let module: Uint8Array;

beforeAll(async () => {
  module = await buildServer("first");
  await warmUp(module);
}, BUILD_TIMEOUT_MS);

const started = (run: Way, policy: PolicyInput = {}): Promise<Started> => startGuest(module, run, policy);

/** A TCP connection, and its end. */
async function ended(port: number): Promise<{ readonly closed: Promise<void> }> {
  const socket = await tcp(port);
  return { closed: new Promise((resolve) => socket.once("close", () => resolve())) };
}

describe.each(WAYS)("a plugin that runs %s", (run) => {
  test("has the protocol that was agreed on, and refuses others", async () => {
    const tls = { ...SERVER_TLS, alpn: ["two", "one"] };
    const { host, port, told } = await started(run, { listen: [{ address: "127.0.0.1:0", tls }] });
    const client = await TlsClient.connect(port, { ALPNProtocols: ["one", "two"] });
    expect(client.socket.alpnProtocol).toBe("two");
    await expect(TlsClient.connect(port, { ALPNProtocols: ["three"] })).rejects.toThrow();
    expect(await told.until("tls")).toMatchObject({ plugin: "guest", field: "listen[0].tls", kind: "handshake" });
    expect(host.snapshot("guest").tls).toMatchObject({ handshakes: 1, failures: 1 });
  });

  test("asks clients for certificates where its policy says so", async () => {
    const tls = { ...SERVER_TLS, ca: pathOf("ca"), requestCert: true };
    const { host, port } = await started(run, { listen: [{ address: "127.0.0.1:0", tls }] });
    const pair = (name: string) => ({ cert: readFileSync(pathOf(name)), key: readFileSync(pathOf(`${name}-key`)) });
    const client = await TlsClient.connect(port, pair("client"));
    expect(await client.ask("hello")).toBe("hello");
    for (const options of [pair("stranger"), {}]) {
      // With TLS 1.3 the client learns of the refusal after its own part of the handshake.
      const refused = await TlsClient.connect(port, { ...options, allowHalfOpen: false } as object);
      expect(await refused.ask("hello")).toBe("");
      await refused.closed;
    }
    expect(host.snapshot("guest")).toMatchObject({ accepted: 1, tls: { handshakes: 1, failures: 2 } });
  });

  test("is not told of handshakes that fail, and serves others meanwhile", async () => {
    const { host, port, told } = await started(run);
    const silent = await tcp(port);
    const garbage = await tcp(port);
    garbage.write("GET / HTTP/1.1\r\n\r\n");
    await once(garbage, "close");
    const event = await told.until("tls");
    expect(event).toMatchObject({ kind: "handshake", code: "ERR_SSL_HTTP_REQUEST", count: 1 });
    // An operator's log has a line for it.
    expect(event["message"]).toMatch(/^\S[^\n]*\S$/);
    expect(await askSecurely(port, "hello")).toBe("hello");
    expect(host.snapshot("guest")).toMatchObject({ accepted: 1, tls: { failures: 1, handshaking: 1 } });
    silent.destroy();
    await eventually(() => host.snapshot("guest").tls, {
      ...host.snapshot("guest").tls,
      ...{ failures: 2, handshaking: 0 },
    });
  });

  test("does not wait for 1,000 peers that never finish their handshake", async () => {
    const tls = { ...SERVER_TLS, handshakeTimeoutMs: 2000 };
    const { host, port } = await started(run, { listen: [{ address: "127.0.0.1:0", tls }] });
    const opened = openedFromNow();
    const silent = await Promise.all(Array.from({ length: 1000 }, () => ended(port)));
    expect(await askSecurely(port, "hello")).toBe("hello");
    expect(host.snapshot("guest").tls.handshaking).toBeLessThanOrEqual(256);
    // Some are reset, which is an error.
    await Promise.all(silent.map(({ closed }) => closed));
    await eventually(() => host.snapshot("guest").tls.handshaking, 0);
    expect(host.snapshot("guest").tls.failures).toBe(1000);
    await eventually(opened, []);
  });

  test("does not renegotiate: a client that wants to is refused, and nobody else notices", async () => {
    const { host, port } = await started(run);
    const neighbour = await TlsClient.connect(port);
    for (let time = 0; time < 50; time++) {
      const client = await TlsClient.connect(port, { maxVersion: "TLSv1.2", allowHalfOpen: false } as object);
      expect(await client.ask("hello")).toBe("hello");
      client.socket.renegotiate({}, () => undefined);
      expect(await client.closed).not.toBe("end");
    }
    expect(await neighbour.ask("hello")).toBe("hello");
    await eventually(() => host.snapshot("guest").tls.connections, 1);
  });
});

describe("when many handshakes are unfinished", () => {
  /** The first part of a handshake, and then nothing. */
  async function slow(port: number, localAddress: string): Promise<{ finish: () => Promise<string> }> {
    const raw = await tcp(port, localAddress);
    const held: Buffer[] = [];
    let isHeld = true;
    // A client that sends its hello in two parts: the second one when it goes on.
    const through = new Duplex({
      read: () => undefined,
      write(data: Buffer, _encoding, done) {
        if (!isHeld) return void raw.write(data, () => done());
        raw.write(data.subarray(0, 20));
        held.push(data.subarray(20));
        done();
      },
    });
    raw.on("data", (data) => through.push(data));
    raw.on("close", () => through.destroy());
    const client = TlsClient.connect(port, { socket: through });
    client.catch(() => undefined);
    return {
      finish: async () => {
        isHeld = false;
        for (const data of held) raw.write(data);
        return (await client).ask("hello");
      },
    };
  }

  test("those that have sent nothing give way, and a client that is slow does not", async () => {
    const { host, port } = await started("shared");
    const { finish } = await slow(port, "127.0.0.1");
    await Promise.all(Array.from({ length: 300 }, () => tcp(port)));
    await eventually(() => host.snapshot("guest").tls.failures >= 40, true);
    expect(await finish()).toBe("hello");
  });

  test.skipIf(process.platform !== "linux")("those of the address that has most of them give way", async () => {
    const { host, port } = await started("shared");
    const { finish } = await slow(port, "127.0.0.2");
    const many = await Promise.all(Array.from({ length: 300 }, () => tcp(port)));
    for (const socket of many) socket.write(Buffer.from("1603010200", "hex"));
    await eventually(() => host.snapshot("guest").tls.failures >= 40, true);
    expect(await finish()).toBe("hello");
  });
});
