/**
 * `loop` on the main thread of Node, which waits in an epoll_wait(2) of its own, and with that switched off: whatever else
 * the process does goes on beside it in the same way.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect, createServer as createNetServer, Socket as NetSocket, type AddressInfo } from "node:net";
import { isMainThread, Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type Backend, ChannelMap, createNodeBackend, Dispatcher, loop } from "wasyncore";
import { loadLibc } from "../../host/node/libc.js";
import { Recorder } from "../support/handlers.js";
import { bytes, connectedPair } from "../support/sockets.js";

/** A map with a channel that nothing happens to. */
function idleMap(backend: Backend = createNodeBackend({ poller: "epoll" })): ChannelMap {
  const map = new ChannelMap({ backend });
  const [near, far] = connectedPair();
  new Recorder(near, map);
  onTestFinished(() => {
    near.close();
    far.close();
  });
  return map;
}

/** A loop on such a map that runs until the test is over. */
function background(backend?: Backend): ChannelMap {
  const map = idleMap(backend);
  const stop = new AbortController();
  const ended = loop({ map, timeoutMs: Infinity, signal: stop.signal });
  onTestFinished(async () => {
    stop.abort();
    await ended;
  });
  return map;
}

/** A channel of a running loop that calls `handle` for each byte that arrives, and sends it back. */
function echo(map: ChannelMap, handle: () => void): () => Promise<void> {
  const [near, far] = connectedPair();
  const client = new NetSocket({ fd: far.detach() });
  onTestFinished(() => void client.destroy());
  class Echo extends Dispatcher {
    override handleRead(): void {
      const data = this.recv(16);
      if (data.length > 0) this.send(data);
      handle();
    }

    override handleClose(): void {
      this.close();
    }
  }
  new Echo(near, map);
  return async () => {
    client.write("x");
    await once(client, "data");
  };
}

describe.each([true, false])("loop, ownWait: %j", (ownWait) => {
  const backend = createNodeBackend({ poller: "epoll", ownWait });

  test("waits in the epoll_wait(2) that the option names", async () => {
    const { linux } = loadLibc();
    if (linux === undefined || !isMainThread) throw new Error("not the main thread of Linux");
    const trip = echo(background(backend), () => undefined);
    const waits = vi.spyOn(linux, "epoll_wait");
    onTestFinished(() => waits.mockRestore());
    for (let count = 0; count < 5; count++) await trip();
    expect(waits.mock.calls.some(([, , , timeoutMs]) => timeoutMs !== 0)).toBe(ownWait);
  });

  test("servers, files, names, threads and processes of the process go on", async () => {
    background(backend);
    const server = createServer((_, response) => void setImmediate(() => response.end("hello")));
    onTestFinished(() => void server.close());
    await once(server.listen(0, "127.0.0.1"), "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const worker = new Worker(`require("node:worker_threads").parentPort.on("message", process.exit)`, { eval: true });
    for (let count = 0; count < 20; count++) {
      expect(await (await fetch(url, { headers: { connection: "close" } })).text()).toBe("hello");
      expect((await readFile(new URL(import.meta.url), "utf8")).length).toBeGreaterThan(0);
    }
    worker.postMessage(7);
    expect(await once(worker, "exit")).toEqual([7]);
    const child = spawn(process.execPath, ["--eval", "process.exit(5)"]);
    expect(await once(child, "exit")).toEqual([5, null]);
    const signal = once(process, "SIGUSR2");
    process.kill(process.pid, "SIGUSR2");
    await signal;
  });

  test("a server that a callback starts is reachable, and a connection that it starts is made", async () => {
    const server = createNetServer((connection) => connection.end());
    onTestFinished(() => void server.close());
    const done = new Promise<void>((resolve) => {
      server.once("listening", () => {
        const { port } = server.address() as AddressInfo;
        connect(port, "127.0.0.1").once("close", resolve).resume();
      });
    });
    const trip = echo(background(backend), () => {
      if (!server.listening) server.listen(0, "127.0.0.1");
    });
    await trip();
    await done;
    expect(server.listening).toBe(true);
  });

  test("a timer that a callback starts after a long wait counts from then", async () => {
    const elapsed = new Promise<number>((resolve) => {
      const trip = echo(background(backend), () => {
        const started = performance.now();
        setTimeout(() => resolve(performance.now() - started), 40);
      });
      // The loop waits for this long, and its event loop does not read the clock meanwhile.
      setTimeout(() => void trip(), 60);
    });
    // Timers count in whole milliseconds.
    expect(await elapsed).toBeGreaterThan(38);
  });

  test("timers that callbacks start and cancel all fire once, the cancelled never, none early", async () => {
    const fired: string[] = [];
    const early: string[] = [];
    const emitter = new EventEmitter();
    const start = (name: string, delayMs: number) => {
      const startedMs = performance.now();
      return setTimeout(() => {
        // Timers count in whole milliseconds.
        if (performance.now() - startedMs < delayMs - 1) early.push(name);
        fired.push(name);
        emitter.emit(name);
      }, delayMs);
    };
    const expected: string[] = [];
    const last = once(emitter, "last");
    let turn = 0;
    let former: NodeJS.Timeout | undefined;
    const trip = echo(background(backend), () => {
      turn += 1;
      // Shorter and shorter ones, then longer ones; each second is cancelled by the next callback.
      const delayMs = turn <= 30 ? 62 - turn * 2 : turn;
      clearTimeout(former);
      former = undefined;
      if (turn % 2 === 0) former = start(`cancelled ${turn}`, delayMs + 20_000);
      else expected.push(`${turn}`);
      if (turn % 2 === 1) start(`${turn}`, delayMs);
      if (turn === 61) start("last", 100);
    });
    for (let count = 0; count < 61; count++) await trip();
    await last;
    expect(fired.toSorted()).toEqual([...expected, "last"].toSorted());
    expect(early).toEqual([]);
  });

  test("timers of one length, immediates, ticks and promises keep their order", async () => {
    const order: string[] = [];
    const emitter = new EventEmitter();
    const came = (what: string): void => {
      if (order.push(what) === 7) emitter.emit("done");
    };
    const trip = echo(background(backend), () => {
      setTimeout(came, 5, "timer 1");
      setTimeout(came, 5, "timer 2");
      setImmediate(came, "immediate 1");
      setImmediate(came, "immediate 2");
      void Promise.resolve("promise").then(came);
      process.nextTick(came, "tick");
      came("callback");
    });
    await Promise.all([once(emitter, "done"), trip()]);
    expect(order.slice(0, 3)).toEqual(["callback", "tick", "promise"]);
    // On a busy machine a timer of 5 ms can be due before the immediates are reached, in Node too.
    const after = order.slice(3);
    expect(after.filter((what) => what.startsWith("immediate"))).toEqual(["immediate 1", "immediate 2"]);
    expect(after.filter((what) => what.startsWith("timer"))).toEqual(["timer 1", "timer 2"]);
  });

  test("an unreferenced immediate runs although only this loop has something to do", async () => {
    let ran = 0;
    const trip = echo(background(backend), () => {
      if (ran === 0) setImmediate(() => (ran += 1)).unref();
    });
    while (ran === 0) await trip();
    expect(ran).toBe(1);
  });

  test("ticks and promises of a callback run before the next turn, and in the context of the callback", async () => {
    const order: string[] = [];
    const store = new AsyncLocalStorage<number>();
    let calls = 0;
    const trip = echo(background(backend), () => {
      const call = ++calls;
      order.push(`callback ${call}`);
      store.run(call, () => {
        process.nextTick(() => order.push(`tick ${store.getStore()}`));
        void Promise.resolve().then(() => order.push(`promise ${store.getStore()}`));
      });
    });
    for (let count = 0; count < 100; count++) await trip();
    const expected = Array.from({ length: 100 }, (_, i) => [`callback ${i + 1}`, `tick ${i + 1}`, `promise ${i + 1}`]);
    expect(order).toEqual(expected.flat());
  });

  test("a context that a callback enters is not that of later callbacks", async () => {
    const store = new AsyncLocalStorage<string>();
    const seen = new Set<string | undefined>();
    const trip = echo(background(backend), () => {
      seen.add(store.getStore());
      store.enterWith("of a callback");
    });
    for (let count = 0; count < 100; count++) await trip();
    expect([...seen]).toEqual([undefined]);
  });

  test("several loops at once, of which one samples its channels", async () => {
    background(backend);
    const map = background(backend);
    let calls = 0;
    const trip = echo(map, () => (calls += 1));
    await trip();
    const [near, far] = connectedPair();
    onTestFinished(() => {
      near.close();
      far.close();
    });
    let isWanted = false;
    class Sampled extends Dispatcher {
      override readable(): boolean {
        return isWanted;
      }

      override handleRead(): void {
        this.recv(16);
        isWanted = false;
      }
    }
    const sampled = new ChannelMap({ backend });
    new Sampled(near, sampled);
    far.send(bytes("x"));
    const stop = new AbortController();
    const ended = loop({ map: sampled, timeoutMs: Infinity, signal: stop.signal });
    await trip();
    setTimeout(() => (isWanted = true), 1);
    while (!isWanted) await new Promise((resolve) => setImmediate(resolve));
    while (isWanted) await trip();
    stop.abort();
    await ended;
    for (let count = 0; count < 200; count++) await trip();
    expect(calls).toBeGreaterThan(200);
  });
});

describe("loop that waits itself", () => {
  const calls = () => {
    const { linux } = loadLibc();
    if (linux === undefined || !isMainThread) throw new Error("not the main thread of Linux");
    return linux;
  };

  test("waits without a timeout beside a timer, for which an alarm is set a few times", async () => {
    const trip = echo(background(), () => undefined);
    const timer = setTimeout(() => undefined, 60_000);
    onTestFinished(() => clearTimeout(timer));
    await trip();
    const waits = vi.spyOn(calls(), "epoll_wait");
    const settings = vi.spyOn(calls(), "timerfd_settime");
    onTestFinished(() => {
      waits.mockRestore();
      settings.mockRestore();
    });
    for (let count = 0; count < 200; count++) await trip();
    expect(waits.mock.calls.filter(([, , , timeoutMs]) => timeoutMs > 0)).toEqual([]);
    expect(waits.mock.calls.some(([, , , timeoutMs]) => timeoutMs === -1)).toBe(true);
    expect(settings.mock.calls.length).toBeLessThan(50);
  });

  test("waits beside channels that are sampled, unless another loop runs", async () => {
    const waits = vi.spyOn(calls(), "epoll_wait");
    onTestFinished(() => waits.mockRestore());
    const blocking = async (trips: number): Promise<number> => {
      waits.mockClear();
      for (let count = 0; count < trips; count++) await trip();
      return waits.mock.calls.filter(([, , , timeoutMs]) => timeoutMs === -1).length;
    };
    const runOther = (): (() => Promise<void>) => {
      const stop = new AbortController();
      const ended = loop({ map: idleMap(), timeoutMs: Infinity, signal: stop.signal });
      return () => (stop.abort(), ended);
    };

    let endOther = runOther();
    const map = background();
    const trip = echo(map, () => undefined);
    const [near, far] = connectedPair();
    class Sampled extends Dispatcher {
      override writable(): boolean {
        return false;
      }
    }
    new Sampled(near, map);
    onTestFinished(() => far.close());
    expect(await blocking(100)).toBe(0);
    await endOther();
    expect(await blocking(300)).toBeGreaterThan(50);
    endOther = runOther();
    await trip();
    expect(await blocking(100)).toBe(0);
    await endOther();
    expect(await blocking(300)).toBeGreaterThan(50);
  });

  test("leaves the wait to the event loop where no descriptor is left for an alarm", async () => {
    const creations = vi.spyOn(calls(), "timerfd_create").mockReturnValue(-1);
    onTestFinished(() => creations.mockRestore());
    let reads = 0;
    const trip = echo(background(), () => (reads += 1));
    const waits = vi.spyOn(calls(), "epoll_wait");
    onTestFinished(() => waits.mockRestore());
    for (let count = 0; count < 5; count++) await trip();
    expect(reads).toBe(5);
    expect(creations).toHaveBeenCalled();
    expect(waits.mock.calls.filter(([, , , timeoutMs]) => timeoutMs !== 0)).toEqual([]);
  });
});
