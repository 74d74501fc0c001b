/** Host names: looked up without blocking under `loop`, blocking under `loopSync`, and told as connecting is. */

import { describe, expect, test } from "vitest";
import { createNodeBackend, type OSError } from "wasyncore";
import { namesOf } from "../support/backends.js";
import { Recorder } from "../support/handlers.js";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { listener, refusingAddress } from "../support/sockets.js";

class Client extends Recorder {
  connects = 0;

  override handleConnect(): void {
    this.connects += 1;
  }
}

const NAMES = { "server.test": "127.0.0.1", "server6.test": "::1" };

describe.each(MODES)("$name", (mode) => {
  test("localhost is a name that connects", async () => {
    const map = newMap();
    const [, { port = 0 }] = listener();
    const client = new Client(undefined, map);
    client.createSocket();
    client.connect({ host: "localhost", port });
    expect(client).toMatchObject({ connecting: true, connected: false, addr: { host: "localhost", port } });
    expect(map.snapshot()[0]).toMatchObject({ state: "resolving", interest: { read: false, write: false } });
    await run(mode, map, () => client.connected);
    expect(client.connects).toBe(1);
    expect(map.snapshot()[0]?.state).toBe("connected");
  });

  test(`a name is looked up the ${mode.blocking ? "blocking" : "asynchronous"} way`, async () => {
    const [backend, lookups] = namesOf(createNodeBackend(), NAMES);
    const map = newMap(backend);
    const [, { port = 0 }] = listener();
    const client = new Client(undefined, map);
    client.createSocket();
    client.connect({ host: "server.test", port });
    expect(lookups).toEqual({ blocking: [], asynchronous: [] });
    await run(mode, map, () => client.connected);
    const asked = ["server.test"];
    expect(lookups).toEqual(
      mode.blocking ? { blocking: asked, asynchronous: [] } : { blocking: [], asynchronous: asked },
    );
  });

  test("a name that is given inside a callback connects as well, and the state goes on", async () => {
    const [backend] = namesOf(createNodeBackend(), NAMES);
    const map = newMap(backend);
    const [, { port = 0 }] = listener();
    const client = new Client(undefined, map);
    map.callLater(0, () => {
      client.createSocket();
      client.connect({ host: "server.test", port });
    });
    await run(mode, map, () => client.connected);
    expect(map.snapshot()[0]?.state).toBe("connected");
  });

  test("numeric addresses and the empty host are not looked up", async () => {
    const [backend, lookups] = namesOf(createNodeBackend(), NAMES);
    const map = newMap(backend);
    const [, { port = 0 }] = listener();
    for (const host of ["127.0.0.1", ""]) {
      const client = new Client(undefined, map);
      client.createSocket();
      client.connect({ host, port });
      await run(mode, map, () => client.connected);
    }
    expect(lookups).toEqual({ blocking: [], asynchronous: [] });
  });

  test("a name that is not there is ENOTFOUND to handleError, which closes", async () => {
    const [backend] = namesOf(createNodeBackend(), NAMES);
    const map = newMap(backend);
    const client = new Client(undefined, map);
    client.createSocket();
    client.connect({ host: "nobody.test", port: 80 });
    await run(mode, map);
    const [error] = client.errors as OSError[];
    expect(error).toMatchObject({ code: "ENOTFOUND", syscall: "getaddrinfo", address: "nobody.test" });
    expect(error?.message).toBe("getaddrinfo ENOTFOUND nobody.test");
    expect([client.errors.length, client.closes, client.connecting]).toEqual([1, 1, false]);
  });

  test("what handleError throws at a name that is not there leaves the loop", async () => {
    class Strict extends Client {
      override handleError(error: unknown): void {
        this.close();
        throw error;
      }
    }
    const [backend] = namesOf(createNodeBackend(), NAMES);
    const map = newMap(backend);
    const client = new Strict(undefined, map);
    client.createSocket();
    client.connect({ host: "nobody.test", port: 80 });
    await expect(run(mode, map)).rejects.toMatchObject({ code: "ENOTFOUND" });
    expect(map.size).toBe(0);
  });

  test("the address that a name stands for may refuse", async () => {
    const [backend] = namesOf(createNodeBackend(), NAMES);
    const map = newMap(backend);
    const { port = 0 } = refusingAddress();
    const client = new Client(undefined, map);
    client.createSocket();
    client.connect({ host: "server.test", port });
    await run(mode, map);
    expect(client.errors).toEqual([expect.objectContaining({ code: "ECONNREFUSED", address: "server.test" })]);
  });

  test("one that is closed while its name is looked up is notified of nothing", async () => {
    const [named] = namesOf(createNodeBackend(), NAMES);
    const answers: (() => void)[] = [];
    const held = new Promise<void>((resolve) => answers.push(resolve));
    const map = newMap({ ...named, lookup: (host, family) => held.then(() => named.lookup(host, family)) });
    const clients = ["server.test", "nobody.test"].map((host) => {
      const client = new Client(undefined, map);
      client.createSocket();
      client.connect({ host, port: 80 });
      return client;
    });
    const close = (): void => clients.forEach((client) => client.close());
    // The asynchronous loop begins the lookups, and ends before they are answered.
    if (mode.blocking) close();
    else map.callLater(0, close);
    await run(mode, map);
    answers.forEach((answer) => answer());
    await new Promise(setImmediate);
    await turns(mode, map, 1);
    expect(clients.map(({ connects, errors, closes }) => ({ connects, errors, closes }))).toEqual([
      { connects: 0, errors: [], closes: 0 },
      { connects: 0, errors: [], closes: 0 },
    ]);
    expect(map.size).toBe(0);
  });

  test("a second connect takes the place of the first, whose name does not matter any more", async () => {
    const [backend] = namesOf(createNodeBackend(), NAMES);
    const map = newMap(backend);
    const [, { port = 0 }] = listener();
    const client = new Client(undefined, map);
    client.createSocket();
    client.connect({ host: "nobody.test", port: 80 });
    client.connect({ host: "server.test", port });
    await run(mode, map, () => client.connected);
    expect([client.errors, client.connects]).toEqual([[], 1]);
  });

  test.each(["IPv4", "IPv6"] as const)("a name that is looked up in the socket's family: %s", async (family) => {
    const [backend] = namesOf(createNodeBackend(), NAMES);
    const map = newMap(backend);
    const [, { port = 0 }] = listener(family);
    const client = new Client(undefined, map);
    client.createSocket({ family });
    client.connect({ host: family === "IPv4" ? "server.test" : "server6.test", port });
    await run(mode, map, () => client.connected);
  });
});

test("bind looks a name up at once", () => {
  const [backend, lookups] = namesOf(createNodeBackend(), NAMES);
  const client = new Client(undefined, newMap(backend));
  client.createSocket();
  client.bind({ host: "server.test", port: 0 });
  expect(lookups.blocking).toEqual(["server.test"]);
  expect(client.socket.localAddress().host).toBe("127.0.0.1");
  expect(() => client.bind({ host: "nobody.test", port: 0 })).toThrow(expect.objectContaining({ code: "ENOTFOUND" }));
});
