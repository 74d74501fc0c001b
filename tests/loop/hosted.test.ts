/** `loop`, which runs on Node's own event loop: what goes on beside it, and what wakes it. */

import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { Dispatcher, DispatcherWithSend, loop, loopSync, poll, type Socket } from "wasyncore";
import { Recorder } from "../support/handlers.js";
import { newMap } from "../support/runs.js";
import { bytes, connectedPair } from "../support/sockets.js";

describe("loop on Node's own event loop", () => {
  test("timers, promises and servers of the process go on beside it", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    new Recorder(near, map);
    const server = createServer((connection) => connection.end("from node:net"));
    onTestFinished(() => void server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const client = new Recorder(undefined, map);
    client.createSocket();
    client.connect({ host: "127.0.0.1", port });
    const order: string[] = [];
    setTimeout(() => {
      order.push("timer");
      queueMicrotask(() => {
        order.push("microtask");
        far.close();
      });
    }, 1);
    await loop({ map, timeoutMs: Infinity });
    expect([order, client.text]).toEqual([["timer", "microtask"], "from node:net"]);
  });

  test("promises of a callback are settled before the next turn", async () => {
    const map = newMap();
    const order: string[] = [];
    map.callLater(0, () => {
      order.push("first");
      Promise.resolve().then(() => order.push("promise"), undefined);
      map.callLater(0, () => order.push("second"));
    });
    await loop({ map });
    expect(order).toEqual(["first", "promise", "second"]);
  });

  test("what is sent from outside of callbacks is delivered, however long the loop may wait", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    near.setOption("SO_SNDBUF", 4096);
    const sender = new DispatcherWithSend(near, map);
    const reader = new Recorder(far, map, 8192);
    const length = 1_000_000;
    setTimeout(() => sender.send(new Uint8Array(length)), 1);
    const signal = stopWhen(() => reader.received.reduce((sum, piece) => sum + piece.length, 0) === length);
    await loop({ map, timeoutMs: Infinity, signal });
    expect(sender.outBufferLength).toBe(0);
  });

  test("a channel that comes from outside is watched, however long the loop may wait", async () => {
    const map = newMap();
    new Recorder(connectedPair()[0], map);
    const [near, far] = connectedPair();
    far.send(bytes("new"));
    let added: Recorder | undefined;
    setTimeout(() => (added = new Recorder(near, map)), 1);
    await loop({ map, timeoutMs: Infinity, signal: stopWhen(() => added?.text === "new") });
    expect(added?.text).toBe("new");
  });

  test("a timer that comes from outside fires, however long the loop may wait", async () => {
    const map = newMap();
    const recorder = new Recorder(connectedPair()[0], map);
    setTimeout(() => map.callLater(1, () => recorder.close()), 1);
    await loop({ map, timeoutMs: Infinity });
    expect(map.size).toBe(0);
  });

  test("a listener that begins to listen from outside accepts", async () => {
    const map = newMap();
    class Server extends Dispatcher {
      override handleAccepted(socket: Socket): void {
        socket.close();
        this.close();
      }
    }
    const server = new Server(undefined, map);
    server.createSocket();
    server.bind({ host: "127.0.0.1", port: 0 });
    const client = new Recorder(undefined, newMap());
    setTimeout(() => {
      server.listen(1);
      client.createSocket();
      client.connect(server.socket.localAddress());
    }, 1);
    await loop({ map, timeoutMs: Infinity });
    expect(server.fd).toBe(-1);
  });

  test("ends when the last channel is closed from outside", async () => {
    const map = newMap();
    const recorder = new Recorder(connectedPair()[0], map);
    setTimeout(() => recorder.close(), 1);
    await loop({ map, timeoutMs: Infinity });
    expect(map.size).toBe(0);
  });

  test("a signal aborted while it waits ends it at once", async () => {
    const map = newMap();
    const recorder = new Recorder(connectedPair()[0], map);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 1);
    await loop({ map, timeoutMs: Infinity, signal: stop.signal });
    expect(map.get(recorder.fd)).toBe(recorder);
    poll({ map });
  });

  test.each(["loop", "loopSync"] as const)(
    "%s beside it, from outside of callbacks, is an error on the same map",
    async (name) => {
      const map = newMap();
      const recorder = new Recorder(connectedPair()[0], map);
      const running = loop({ map, timeoutMs: Infinity });
      const second = name === "loop" ? loop({ map }) : Promise.resolve().then(() => loopSync({ map }));
      await expect(second).rejects.toMatchObject({ name: "LoopError", code: "ERR_LOOP_RUNNING" });
      recorder.close();
      await running;
    },
  );

  test("two loops run side by side on two maps", async () => {
    const maps = [newMap(), newMap()];
    const recorders = maps.map((map) => {
      const [near, far] = connectedPair();
      far.send(bytes("hello"));
      far.close();
      return new Recorder(near, map);
    });
    await Promise.all(maps.map((map) => loop({ map, timeoutMs: Infinity })));
    expect(recorders.map((recorder) => recorder.text)).toEqual(["hello", "hello"]);
  });
});

/** A signal that a question aborts, asked in every turn of Node's own loop. */
function stopWhen(done: () => boolean): AbortSignal {
  const stop = new AbortController();
  const ask = (): void => {
    if (done()) stop.abort();
    else waiting = setImmediate(ask);
  };
  let waiting = setImmediate(ask);
  onTestFinished(() => clearImmediate(waiting));
  return stop.signal;
}
