/**
 * Channels that override `writable`, and what they look at changes outside of a turn: by a timer, a promise, another
 * server. The loop samples them again. All of this where the loop waits
 * itself, and where Node's event loop does.
 */

import { EventEmitter, once } from "node:events";
import { stat } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { PassThrough } from "node:stream";
import { MessageChannel } from "node:worker_threads";
import { describe, expect, onTestFinished, test } from "vitest";
import { type ChannelMap, createNodeBackend, ExitNow, loop } from "wasyncore";
import { Recorder } from "../support/handlers.js";
import { startScript } from "../support/processes.js";
import { newMap as mapOn } from "../support/runs.js";
import { bytes, connectedPair, text } from "../support/sockets.js";
import { Fed, WAITS } from "./sampled.js";

/** Feeds the buffer later, in a way of its own. What it has set up goes when the test ends. */
type Feed = (feed: () => void) => void | Promise<void>;

const FEEDS: readonly (readonly [name: string, feed: Feed])[] = [
  ["a timer", (feed) => void setTimeout(feed, 3)],
  [
    "an interval",
    (feed) => {
      const timer = setInterval(() => {
        clearInterval(timer);
        feed();
      }, 3);
    },
  ],
  ["a timer that is due right after interest was sampled", (feed) => void setImmediate(() => setTimeout(feed, 0))],
  ["an immediate", (feed) => void setImmediate(feed)],
  ["an immediate of an immediate", (feed) => void setImmediate(() => setImmediate(feed))],
  ["process.nextTick", (feed) => process.nextTick(feed)],
  ["process.nextTick of a timer", (feed) => void setTimeout(() => process.nextTick(feed), 1)],
  ["a microtask", (feed) => queueMicrotask(feed)],
  ["a microtask of an immediate", (feed) => void setImmediate(() => queueMicrotask(feed))],
  [
    "an await",
    async (feed) => {
      await undefined;
      feed();
    },
  ],
  [
    "a chain of awaits",
    async (feed) => {
      for (let i = 0; i < 100; i++) await undefined;
      feed();
    },
  ],
  [
    "a chain of awaits after a timer",
    async (feed) => {
      await new Promise((resolve) => setTimeout(resolve, 2));
      for (let i = 0; i < 100; i++) await undefined;
      feed();
    },
  ],
  ["a callback of node:fs", (feed) => stat("/", feed)],
  [
    "a promise of node:fs",
    async (feed) => {
      await readFile("package.json");
      feed();
    },
  ],
  [
    "a stream's event",
    (feed) => {
      const stream = new PassThrough();
      stream.on("data", feed);
      setTimeout(() => stream.write("x"), 1);
    },
  ],
  [
    "a message",
    (feed) => {
      const { port1, port2 } = new MessageChannel();
      port1.once("message", () => {
        port1.close();
        feed();
      });
      port2.postMessage("x");
    },
  ],
  [
    "another server's data",
    async (feed) => {
      const server = createServer((connection) => connection.on("data", () => (feed(), connection.end())));
      onTestFinished(() => void server.close());
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const client = connect((server.address() as { port: number }).port, "127.0.0.1");
      client.on("connect", () => setTimeout(() => client.write("x"), 1));
      client.on("data", () => undefined);
    },
  ],
];

/** A handler that feeds on something, and its peer in the same map, which closes both when it has all. */
function fed(map: ChannelMap, rounds: number, again: (handler: Fed) => void): [Fed, Recorder] {
  const [near, far] = connectedPair();
  const handler = new Fed(near, map);
  class Peer extends Recorder {
    override handleRead(): void {
      super.handleRead();
      if (this.text.length < rounds) return again(handler);
      handler.close();
      this.close();
    }
  }
  return [handler, new Peer(far, map)];
}

/** A process in which nothing else happens, with a channel that is fed, and a peer that prints what it gets and ends it. */
const ALONE = (ownWait: boolean): string => `
  import { ChannelMap, createNodeBackend, Dispatcher, loop, Socket } from "wasyncore";
  const map = new ChannelMap({ backend: createNodeBackend({ ownWait: ${ownWait} }) });
  const [near, far] = Socket.pair();
  class Fed extends Dispatcher {
    buffer = "";
    writable() { return this.buffer.length > 0; }
    handleWrite() { this.send(Buffer.from(this.buffer)); this.buffer = ""; }
  }
  class Peer extends Dispatcher {
    handleRead() { console.log(Buffer.from(this.recv(10)).toString()); process.exit(0); }
  }
  const fed = new Fed(near, map);
  new Peer(far, map);
`;

describe.each(WAITS)(
  "where %s, interest that changes outside of a turn is seen when it is changed by",
  (_, ownWait) => {
    const newMap = (): ChannelMap => mapOn(createNodeBackend({ ownWait }));

    test.each(FEEDS)("%s", async (_, feed) => {
      const rounds = 10;
      const map = newMap();
      const start = (handler: Fed): void => void feed(() => (handler.buffer = "x"));
      const [handler, peer] = fed(map, rounds, start);
      start(handler);
      await loop({ map, timeoutMs: Infinity });
      expect(peer.text).toBe("x".repeat(rounds));
    });

    test.each(FEEDS)("%s, when it was begun inside a callback of a timer of the map", async (_, feed) => {
      const map = newMap();
      const [handler, peer] = fed(map, 1, () => undefined);
      map.callLater(1, () => void feed(() => (handler.buffer = "x")));
      await loop({ map, timeoutMs: Infinity });
      expect(peer.text).toBe("x");
    });

    test("an await that began before the loop, and goes on after one of its turns", async () => {
      const map = newMap();
      const [handler, peer] = fed(map, 1, () => undefined);
      const events = new EventEmitter();
      void (async () => {
        await once(events, "go");
        for (let i = 0; i < 10; i++) await undefined;
        handler.buffer = "x";
      })();
      map.callLater(1, () => events.emit("go"));
      await loop({ map, timeoutMs: Infinity });
      expect(peer.text).toBe("x");
    });

    test("an await that began before the loop, and goes on after a callback of another channel", async () => {
      const running = startScript(`${ALONE(ownWait)}
      import { EventEmitter, once } from "node:events";
      const events = new EventEmitter();
      void (async () => {
        await once(events, "go");
        for (let i = 0; i < 10; i++) await undefined;
        fed.buffer = "x";
      })();
      class Server extends Dispatcher {
        handleAccepted(socket) { socket.close(); events.emit("go"); }
      }
      const server = new Server(undefined, map);
      server.createSocket();
      server.bind({ host: "127.0.0.1", port: 0 });
      server.listen(1);
      // After the samples that follow the beginning of a loop.
      setTimeout(() => console.log("port " + server.socket.localAddress().port), 20);
      await loop({ map, timeoutMs: Infinity });`);
      const [, port] = await running.line(/^port (\d+)$/);
      const client = connect(Number(port), "127.0.0.1");
      onTestFinished(() => void client.destroy());
      const { code, stdout, stderr } = await running.ended;
      expect({ code, stdout: stdout.split("\n").slice(1), stderr }).toEqual({ code: 0, stdout: ["x", ""], stderr: "" });
    });

    test("a promise that a sample starts", async () => {
      const { code, stdout, stderr } = await startScript(`${ALONE(ownWait)}
      let isTold = false;
      fed.writable = () => {
        if (isTold) void Promise.resolve().then(() => (fed.buffer = "x"));
        isTold = false;
        return fed.buffer.length > 0;
      };
      // After the samples that follow the beginning of a loop.
      setTimeout(() => (isTold = true), 20);
      await loop({ map, timeoutMs: Infinity });`).ended;
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "x\n", stderr: "" });
    });

    test("an await of another thread's notification that began before the loop", async () => {
      // In a process where nothing else runs. Neither the notification nor the await is seen by a hook.
      const { code, stdout, stderr } = await startScript(`${ALONE(ownWait)}
      import { Worker } from "node:worker_threads";
      const words = new Int32Array(new SharedArrayBuffer(8));
      async function feed() {
        await Atomics.waitAsync(words, 0, 0).value;
        fed.buffer = "x";
      }
      feed();
      const worker = new Worker(
        "import { workerData as words } from 'node:worker_threads'; Atomics.wait(words, 1, 0); Atomics.wait(words, 1, 1, 100);" +
          "Atomics.notify(words, 0); Atomics.wait(words, 1, 1);",
        { eval: true, workerData: words },
      );
      worker.on("online", () => { Atomics.store(words, 1, 1); Atomics.notify(words, 1); });
      await loop({ map, timeoutMs: Infinity });`).ended;
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "x\n", stderr: "" });
    });
  },
);

describe.each(WAITS)("where %s, what a channel does while it is sampled again", (_, ownWait) => {
  const newMap = (): ChannelMap => mapOn(createNodeBackend({ ownWait }));

  /** Waits in a loop, in which a first channel is sampled again and acts. */
  async function sampledAgain(act: (handler: Fed, map: ChannelMap) => void, signal?: AbortSignal): Promise<ChannelMap> {
    const map = newMap();
    let isTold = false;
    class Acting extends Fed {
      override writable(): boolean {
        if (isTold) {
          isTold = false;
          act(this, map);
        }
        return false;
      }
    }
    new Acting(connectedPair()[0], map);
    // After the samples that follow the beginning of a loop.
    setTimeout(() => (isTold = true), 20);
    await loop({ map, timeoutMs: Infinity, signal });
    return map;
  }

  test("closing the last channel ends the loop", async () => {
    const map = await sampledAgain((handler) => handler.close());
    expect(map.size).toBe(0);
  });

  test("aborting the signal ends the loop", async () => {
    const stop = new AbortController();
    const map = await sampledAgain(() => stop.abort(), stop.signal);
    expect(map.size).toBe(1);
  });

  test("ExitNow leaves the loop", async () => {
    const leaving = sampledAgain(() => {
      throw new ExitNow();
    });
    await expect(leaving).rejects.toThrow(ExitNow);
  });

  test("a timer that it starts fires", async () => {
    const map = await sampledAgain((handler, map) => void map.callLater(1, () => handler.close()));
    expect(map.stats().timers).toBe(1);
  });

  test("a channel that it adds is watched", async () => {
    const [near, far] = connectedPair();
    far.send(bytes("new"));
    const map = await sampledAgain((handler, map) => {
      const added = new Recorder(near, map);
      added.handleRead = () => {
        expect(text(added.recv(10))).toBe("new");
        added.close();
        handler.close();
      };
    });
    expect(map.size).toBe(0);
  });
});
