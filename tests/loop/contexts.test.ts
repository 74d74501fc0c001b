/** The contexts of AsyncLocalStorage: in a map that keeps them, callbacks run in that in which their channel or timer was made. */

import { AsyncLocalStorage, createHook } from "node:async_hooks";
import { describe, expect, onTestFinished, test } from "vitest";
import { ChannelMap, closeAll, Dispatcher, loop, type Socket, wrapTls } from "wasyncore";
import { Recorder } from "../support/handlers.js";
import { startScript } from "../support/processes.js";
import { MODES, newMap, run } from "../support/runs.js";
import { bytes, connectedPair } from "../support/sockets.js";
import { clientOptions, Listener, serverOptions, TLS_MODES } from "../support/tls.js";

const LOOP = { name: "loop", blocking: false, usePoll: false };
const storage = new AsyncLocalStorage<string>();

/** A map that keeps contexts, and is emptied when the test ends. */
function keepingMap(): ChannelMap {
  const map = new ChannelMap({ asyncContext: true });
  onTestFinished(() => {
    closeAll({ map, ignoreAll: true });
    map[Symbol.dispose]();
  });
  return map;
}

class Seeing extends Recorder {
  readonly seen: (string | undefined)[] = [];

  override handleRead(): void {
    super.handleRead();
    this.seen.push(storage.getStore());
  }
}

describe.each(MODES)("$name", (mode) => {
  test("a channel's callbacks run in the context in which it was made, and others in none", async () => {
    const map = keepingMap();
    const [plain, plainPeer] = connectedPair();
    const [first, firstPeer] = connectedPair();
    const [second, secondPeer] = connectedPair();
    const channels = [
      new Seeing(plain, map),
      storage.run("first", () => new Seeing(first, map)),
      storage.run("second", () => new Seeing(second, map)),
    ];
    for (const peer of [plainPeer, firstPeer, secondPeer]) peer.send(bytes("x"));
    await run(mode, map, () => channels.every(({ seen }) => seen.length > 0));
    expect(channels.map(({ seen }) => seen)).toEqual([[undefined], ["first"], ["second"]]);
  });

  test("an accepted channel has the context in which the listener's callback made it", async () => {
    const map = keepingMap();
    const accepted: Seeing[] = [];
    class Server extends Dispatcher {
      override handleAccepted(socket: Socket): void {
        const outer = storage.getStore() ?? "none";
        accepted.push(storage.run(`${outer}/${accepted.length}`, () => new Seeing(socket, map)));
      }
    }
    const server = storage.run("server", () => new Server(undefined, map));
    storage.run("server", () => server.createSocket());
    server.bind({ host: "127.0.0.1", port: 0 });
    server.listen(5);
    const clients = [0, 1].map(() => {
      const client = new Recorder(undefined, map);
      client.createSocket();
      client.connect(server.socket.localAddress());
      return client;
    });
    await run(mode, map, () => accepted.length === 2 && clients.every(({ connected }) => connected));
    for (const client of clients) client.send(bytes("x"));
    await run(mode, map, () => accepted.every(({ seen }) => seen.length > 0));
    expect(accepted.map(({ seen }) => seen)).toEqual([["server/0"], ["server/1"]]);
  });

  test("timers fire in the context in which they were started", async () => {
    const map = keepingMap();
    const seen: unknown[] = [];
    const note = (): void => void seen.push(storage.getStore());
    map.callLater(0, note);
    storage.run("one", () => map.callLater(0, note));
    storage.run("two", () => {
      const timer = map.callEvery(1, () => {
        note();
        // In the timer's own context.
        map.callLater(0, note);
        timer.cancel();
      });
    });
    await run(mode, map);
    expect(seen.toSorted()).toEqual(["one", "two", "two", undefined]);
  });

  test("a descriptor's next channel does not have the context of the last one", async () => {
    const map = keepingMap();
    const [first] = connectedPair();
    const closed = storage.run("first", () => new Seeing(first, map));
    const { fd } = closed;
    closed.close();
    const [next, peer] = connectedPair();
    const channel = new Seeing(next, map);
    peer.send(bytes("x"));
    await run(mode, map, () => channel.seen.length > 0);
    expect([next.fd === fd || peer.fd === fd, channel.seen]).toEqual([true, [undefined]]);
  });
});

test("a change that other code makes between turns does not lend its context to callbacks", async () => {
  const map = keepingMap();
  const [ours, theirs] = connectedPair();
  const channel = new Seeing(ours, map);
  const timers: unknown[] = [];
  const ended = loop({ map });
  await new Promise(setImmediate);
  storage.run("request", () => {
    theirs.send(bytes("x"));
    map.wake();
  });
  await expect.poll(() => channel.seen).toEqual([undefined]);
  map.callLater(0, () => timers.push(storage.getStore()));
  storage.run("request", () => map.wake());
  await expect.poll(() => timers).toEqual([undefined]);
  channel.close();
  await ended;
});

test("the context in which the loop was started does not reach callbacks", async () => {
  const map = keepingMap();
  const [ours, theirs] = connectedPair();
  const channel = new Seeing(ours, map);
  theirs.send(bytes("x"));
  await storage.run("loop", () => run(LOOP, map, () => channel.seen.length > 0));
  expect(channel.seen).toEqual([undefined]);
});

test("readable and writable are called in the context of their channel", async () => {
  const map = keepingMap();
  const [ours] = connectedPair();
  const seen = new Set<unknown>();
  class Sampled extends Recorder {
    override readable(): boolean {
      seen.add(storage.getStore());
      return true;
    }
  }
  storage.run("sampled", () => new Sampled(ours, map));
  await run(LOOP, map, () => seen.size > 0);
  expect([...seen]).toEqual(["sampled"]);
});

test("a promise's rejection is handled in the context of its channel", async () => {
  const map = keepingMap();
  const [ours, theirs] = connectedPair();
  const seen: unknown[] = [];
  class Failing extends Dispatcher {
    override async handleRead(): Promise<void> {
      this.recv(1);
      await new Promise(setImmediate);
      throw new Error("no");
    }
    override handleError(): void {
      seen.push(storage.getStore());
      this.close();
    }
  }
  storage.run("failing", () => new Failing(ours, map));
  theirs.send(bytes("x"));
  await loop({ map });
  expect(seen).toEqual(["failing"]);
});

test.each(TLS_MODES)("$name: over TLS, callbacks run in the context of their channel", async (mode) => {
  const map = keepingMap();
  const seen: unknown[] = [];
  class Secure extends Recorder {
    override handleSecure(): void {
      seen.push(storage.getStore());
      this.send(bytes("x"));
    }
    override handleRead(): void {
      super.handleRead();
      seen.push(storage.getStore());
    }
  }
  const listener = new Listener(map, (socket) => {
    storage.run("server", () => new Secure(wrapTls(socket, serverOptions), map));
  });
  storage.run("client", () => {
    const client = new Secure(undefined, map);
    client.createSocket();
    wrapTls(client, clientOptions);
    client.connect(listener.address);
  });
  await run(mode, map, () => seen.length === 4);
  expect(seen.toSorted()).toEqual(["client", "client", "server", "server"]);
});

test("a host name is looked up in the context of its channel", async () => {
  const map = keepingMap();
  const seen: unknown[] = [];
  class Client extends Recorder {
    override handleError(): void {
      seen.push(storage.getStore());
      this.close();
    }
    override handleConnect(): void {
      seen.push(storage.getStore());
      this.close();
    }
  }
  storage.run("client", () => {
    const client = new Client(undefined, map);
    client.createSocket();
    client.connect({ host: "localhost", port: 1 });
  });
  await loop({ map });
  expect(seen).toEqual(["client"]);
});

test("a host name whose addresses are tried in turn is connected to in the context of its channel", async () => {
  const map = keepingMap();
  const listener = new Listener(map, (socket) => socket.close());
  const seen: unknown[] = [];
  class Client extends Recorder {
    override handleConnect(): void {
      seen.push(storage.getStore());
    }
    override handleClose(): void {
      seen.push(storage.getStore());
      this.close();
      listener.close();
    }
  }
  storage.run("client", () => new Client(undefined, map).connect({ host: "localhost", port: listener.port }));
  await loop({ map });
  expect(seen).toEqual(["client", "client"]);
});

test("the first timer of a process may be started in several contexts", async () => {
  const script = `
    import { AsyncLocalStorage } from "node:async_hooks";
    import { ChannelMap, loop } from "wasyncore";
    const map = new ChannelMap({ asyncContext: true });
    const [one, two] = [new AsyncLocalStorage(), new AsyncLocalStorage()];
    const note = () => console.log(one.getStore(), two.getStore());
    one.run(1, () => map.callLater(0, note));
    one.run(1, () => two.run("", () => map.callLater(0, note)));
    map.callLater(1, () => {
      map.callLater(0, note);
      two.run(2, () => map.callLater(0, note));
    });
    await loop({ map });`;
  expect(await startScript(script).ended).toMatchObject({
    code: 0,
    stdout: "1 undefined\n1 \nundefined undefined\nundefined 2\n",
    stderr: "",
  });
});

test("a map that does not keep contexts takes none; the option must be a boolean", async () => {
  let taken = 0;
  const hook = createHook({ init: (_id, type) => void (taken += Number(type === "WASYNCORE")) }).enable();
  onTestFinished(() => void hook.disable());
  const fill = (map: ChannelMap): void => {
    const [ours] = connectedPair();
    const channel = new Recorder(ours, map);
    map.callLater(0, () => channel.close());
  };
  for (const map of [newMap(), new ChannelMap({ asyncContext: false })]) {
    fill(map);
    await loop({ map });
  }
  expect(taken).toBe(0);
  const keeping = keepingMap();
  fill(keeping);
  await loop({ map: keeping });
  expect(taken).toBe(2);
  expect(() => new ChannelMap({ asyncContext: 1 as never })).toThrow(/"options.asyncContext" must be/);
  expect(() => new ChannelMap({ asyncContexts: true } as object)).toThrow(/did you mean "asyncContext"/);
});
