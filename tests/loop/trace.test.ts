/** The same scenario gives the same trace, whichever way the loop runs. */

import { describe, expect, test } from "vitest";
import { type Backend, type ChannelMap, createNodeBackend, Dispatcher, DispatcherWithSend, Socket } from "wasyncore";
import { type Mode, MODES, newMap, start } from "../support/runs.js";
import { bytes, pattern, text } from "../support/sockets.js";

/** Plays a scenario with a server, three clients, timers, an error and a half of the traffic from inside callbacks. */
async function play(mode: Mode, backend?: Backend): Promise<string[]> {
  const map = newMap(backend);
  const trace: string[] = [];
  let serial = 0;

  class Connection extends DispatcherWithSend {
    readonly name = `connection ${++serial}`;
    override handleRead(): void {
      const data = this.recv(4096);
      trace.push(`${this.name} reads ${data.length}`);
      if (data.length > 0) this.send(data);
    }
    override handleClose(): void {
      trace.push(`${this.name} closes`);
      this.close();
    }
  }

  class Server extends Dispatcher {
    constructor() {
      super(undefined, map);
      this.createSocket({ family: "unix" });
      this.bind({ path: "" });
      this.listen(10);
    }
    override handleAccepted(socket: Socket): void {
      trace.push("server accepts");
      new Connection(socket, map);
    }
  }

  class Client extends DispatcherWithSend {
    readonly name: string;
    #left: number;
    constructor(name: string, rounds: number, map: ChannelMap) {
      super(undefined, map);
      this.name = name;
      this.#left = rounds;
      this.createSocket({ family: "unix" });
      this.connect(server.socket.localAddress());
    }
    override handleConnect(): void {
      trace.push(`${this.name ?? "client"} connects`);
      map.callLater(0, () => this.#next());
    }
    override handleRead(): void {
      const data = this.recv(100);
      trace.push(`${this.name} reads ${data.length} "${text(data.subarray(0, 4))}"`);
      this.#next();
    }
    override handleError(error: unknown): void {
      trace.push(`${this.name} fails: ${(error as Error).message}`);
      this.close();
    }
    #next(): void {
      this.#left -= 1;
      if (this.#left > 0) this.send(bytes(`${this.name} ${this.#left}`));
      else if (this.name === "bold") throw new Error("bold throws");
      else this.close();
    }
  }

  const server = new Server();
  const names = ["anna", "bert", "bold"];
  const clients = names.map((name, index) => new Client(name, 3 + index, map));
  const [near, far] = Socket.pair();
  far.send(pattern(10_000));
  far.close();
  class Bulk extends Dispatcher {
    override handleRead(): void {
      trace.push(`bulk reads ${this.recv(3000).length}`);
    }
    override handleClose(): void {
      trace.push("bulk closes");
      this.close();
    }
    override handleWrite(): void {
      trace.push("bulk writes");
    }
  }
  new Bulk(near, map);
  const watchdog = map.callEvery(0.001, () => {
    if (clients.some((client) => client.fd >= 0) || map.size > 1) return;
    trace.push("the server is alone");
    watchdog.cancel();
    server.close();
  });
  await start(mode, { map, timeoutMs: Infinity });
  const { reads, writes, accepts, closes, errors, channels, pauses } = map.stats();
  trace.push(JSON.stringify({ reads, writes, accepts, closes, errors, channels, pauses }));
  return trace;
}

describe.each([false, true])("usePoll %s", (usePoll) => {
  test("loop and loopSync tell the handlers the same, in the same order", async () => {
    const [hosted, blocking] = await Promise.all(
      [false, true].map((blocks) => play({ name: "", blocking: blocks, usePoll })),
    );
    expect(hosted).toEqual(blocking);
    expect(hosted).toContain("bulk closes");
    expect(hosted).toContain("bold fails: bold throws");
    expect(hosted?.filter((line) => line === "server accepts")).toHaveLength(3);
  });

  test("and so do the two ways to poll, epoll(7) and poll(2)", async () => {
    for (const mode of MODES.filter((each) => each.usePoll === usePoll)) {
      const [epoll, poll] = (["epoll", "poll"] as const).map((poller) => createNodeBackend({ poller }));
      expect(await play(mode, epoll)).toEqual(await play(mode, poll));
    }
  });

  test("and so do two runs the same way", async () => {
    for (const mode of MODES.filter((each) => each.usePoll === usePoll)) {
      expect(await play(mode)).toEqual(await play(mode));
    }
  });
});

test("the two orders differ, as asyncore's do", async () => {
  const [byKind, byChannel] = [await play(MODES[2] as Mode), await play(MODES[3] as Mode)];
  expect(byKind).not.toEqual(byChannel);
});
