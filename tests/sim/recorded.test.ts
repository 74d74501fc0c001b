/** Playing the peers of a recording against a program in a world: the same code answers the same, changed code otherwise. */

import { writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  AsyncChat,
  type Backend,
  ChannelMap,
  Dispatcher,
  DispatcherWithSend,
  loop,
  type Socket,
} from "../../host/index.js";
import { record, RecordingError } from "../../host/record/index.js";
import { SimWorld } from "../../host/sim/index.js";
import {
  answers,
  Client,
  Echo,
  echo,
  played,
  type Played,
  type Program,
  recorded,
  Server,
  text,
} from "./recorded-support.js";

describe("an echo server", () => {
  test("answers its recorded clients as it did, and changed code otherwise", async () => {
    const recording = await recorded(echo(2), (port, map) => {
      new Client(port, map, ["one", "two", "x".repeat(9000)]);
      new Client(port, map, ["three"]);
    });
    const { peers } = await played(recording, echo(2));
    expect(answers(peers).toSorted()).toEqual([`onetwo${"x".repeat(9000)}`, "three"]);
    for (const { kind, state, failure, received, recorded: then, address, sentBytes } of peers) {
      expect(text(received)).toBe(text(then));
      expect({ kind, state, failure, sentBytes }).toEqual({
        kind: "accepted",
        state: "closed",
        failure: undefined,
        sentBytes: received.length,
      });
      expect(address.host).toBe("127.0.0.1");
    }
    const changed = await played(recording, echo(2, "> "));
    expect(answers(changed.peers).toSorted()).toContain("> three");
    expect(changed.peers.every(({ failure, state }) => failure === undefined && state === "closed")).toBe(true);
  });

  test("sees its clients under the addresses that they had", async () => {
    const seen: string[][] = [];
    const program: Program = (map, onListen) => {
      const addresses: string[] = [];
      seen.push(addresses);
      const accept = (socket: Socket, of: ChannelMap): void => {
        const { host, port } = socket.remoteAddress() as { host: string; port: number };
        addresses.push(`${host} ${port}`);
        new Echo(socket, of);
      };
      new Server(map, 2, accept, onListen);
    };
    const recording = await recorded(program, (port, map) => {
      new Client(port, map, ["one"]);
      new Client(port, map, ["two"]);
    });
    await played(recording, program);
    expect(seen[1]).toEqual(seen[0]);
    expect(new Set(seen[0]).size).toBe(2);
  });

  test("meets faults of the world, and the same seed gives the same run", async () => {
    const recording = await recorded(echo(1), (port, map) => void new Client(port, map, ["a".repeat(5000)]));
    const faults = { "short-read": 0.5, "short-write": 0.5, "not-ready": 0.3, interrupt: 0.3, latency: { ms: 30 } };
    const run = (): Promise<Played> => played(recording, echo(1), new SimWorld({ seed: 7, faults }));
    const [one, other] = [await run(), await run()];
    expect(answers(one.peers)).toEqual(["a".repeat(5000)]);
    expect(one.world.injections.length).toBeGreaterThan(0);
    expect(one.world.traceHash()).toBe(other.world.traceHash());
  });

  test("that closes early, or never listens, is no error", async () => {
    const recording = await recorded(echo(1), (port, map) => void new Client(port, map, ["one", "two"]));
    const closing: Program = (map, onListen) => void new Server(map, 1, (socket) => socket.close(), onListen);
    const [refused] = (await played(recording, closing)).peers;
    expect(refused).toMatchObject({ state: "closed", received: new Uint8Array(0) });
    const [waiting] = (await played(recording, () => undefined)).peers;
    expect(waiting).toMatchObject({ state: "waiting", failure: undefined, sentBytes: 0 });
  });
});

test("a chat room sends its recorded members what it sent, and changed code something else", async () => {
  const room =
    (shout: boolean): Program =>
    (map, onListen) => {
      const members = new Set<Member>();
      class Member extends AsyncChat {
        #line = "";
        constructor(socket: Socket) {
          super(socket, map);
          this.setTerminator("\n");
          members.add(this);
        }
        override collectIncomingData(data: Uint8Array): void {
          this.#line += text(data);
        }
        override foundTerminator(): void {
          const line = shout ? this.#line.toUpperCase() : this.#line;
          this.#line = "";
          for (const member of members) member.push(Buffer.from(`${line}\n`));
        }
        override handleClose(): void {
          members.delete(this);
          this.close();
        }
      }
      new Server(map, 2, (socket) => void new Member(socket), onListen);
    };
  const recording = await recorded(room(false), (port, map) => {
    new Client(port, map, ["hello\n", "bye\n"]);
    new Client(port, map, ["good day\n"]);
  });
  const same = await played(recording, room(false));
  expect(same.peers.map(({ recorded: then }) => text(then))).toEqual(answers(same.peers));
  const loud = await played(recording, room(true));
  expect(loud.peers.map(({ recorded: then }) => text(then).toUpperCase())).toEqual(answers(loud.peers));
  expect(loud.peers.map(({ failure }) => failure)).toEqual([undefined, undefined]);
});

test("an HTTP server that asks another server: both sides are played", async () => {
  let backendPort = 0;
  const origin = new ChannelMap();
  class Origin extends DispatcherWithSend {
    override handleRead(): void {
      const name = text(this.recv(100)).trim();
      if (name !== "") this.send(Buffer.from(`value of ${name}\n`));
    }
    override handleClose(): void {
      this.close();
    }
  }
  new Server(
    origin,
    1,
    (socket, map) => void new Origin(socket, map),
    (port) => void (backendPort = port),
  );

  const http =
    (status: string): Program =>
    (map, onListen) => {
      class Request extends AsyncChat {
        head = "";
        constructor(socket: Socket) {
          super(socket, map);
          this.setTerminator("\r\n\r\n");
        }
        override collectIncomingData(data: Uint8Array): void {
          this.head += text(data);
        }
        override foundTerminator(): void {
          const query = new DispatcherWithSend(undefined, map);
          query.createSocket();
          query.connect({ host: "127.0.0.1", port: backendPort });
          query.handleConnect = () => void query.send(Buffer.from(`${this.head.split(" ")[1] ?? ""}\n`));
          query.handleRead = () => {
            const found = query.recv(1000);
            if (found.length === 0) return;
            query.close();
            this.push(Buffer.from(`HTTP/1.1 ${status}\r\nContent-Length: ${found.length}\r\n\r\n${text(found)}`));
            this.closeWhenDone();
          };
        }
        override handleClose(): void {
          this.close();
        }
      }
      new Server(map, 1, (socket) => void new Request(socket), onListen);
    };

  const answer = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nvalue of /a\n";
  const running = loop({ map: origin, timeoutMs: Infinity });
  const recording = await recorded(http("200 OK"), (port, map) => {
    const client = new DispatcherWithSend(undefined, map);
    client.createSocket();
    client.connect({ host: "127.0.0.1", port });
    client.handleConnect = () => void client.send(Buffer.from("GET /a HTTP/1.1\r\nHost: test\r\n\r\n"));
    client.handleRead = () => void client.recv(1000);
    client.handleClose = () => client.close();
  });
  await running;
  const { peers } = await played(recording, http("200 OK"));
  expect(peers.map(({ kind, received }) => [kind, text(received)])).toEqual([
    ["accepted", answer],
    ["connected", "/a\n"],
  ]);
  expect(peers.map(({ recorded: then }) => text(then))).toEqual(answers(peers));
  const changed = await played(recording, http("404 Not Found"));
  expect(answers(changed.peers)).toEqual([answer.replace("200 OK", "404 Not Found"), "/a\n"]);
});

test("a client that resets its connection does so again", async () => {
  const ends: string[] = [];
  const server: Program = (map, onListen) => {
    class Ending extends Echo {
      override handleError(error: unknown): void {
        ends.push(String((error as { code?: unknown }).code));
        this.close();
      }
      override handleClose(): void {
        ends.push("closed");
        this.close();
      }
    }
    new Server(map, 1, (socket) => void new Ending(socket, map), onListen);
  };
  const recording = await recorded(server, (port, map) => {
    class Resetting extends Client {
      override handleRead(): void {
        this.recv(100);
        // Later than the answer takes in the world: a reset loses what is under way.
        this.map.callLater(20, () => {
          this.socket.setOption("SO_LINGER", 0);
          this.close();
        });
      }
    }
    new Resetting(port, map, ["one"]);
  });
  const { peers } = await played(recording, server);
  expect(answers(peers)).toEqual(["one"]);
  expect(ends).toHaveLength(2);
  expect(ends[1]).toBe(ends[0]);
});

test("what a program says to itself is its own: no peer is made of it", async () => {
  const program: Program = (map, onListen) => {
    new Server(
      map,
      1,
      (socket) => void new Echo(socket, map),
      (port) => {
        new Client(port, map, ["to myself"]);
        onListen(port);
      },
    );
  };
  const recording = await recorded(program, () => undefined);
  expect((await played(recording, program)).peers).toEqual([]);
});

test("a recording is taken from a file, and refused where it has nothing to play", async () => {
  const directory = mkdtempSync(join(tmpdir(), "recorded-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "run.wrec");
  const client = (port: number, map: ChannelMap): void => void new Client(port, map, ["one"]);
  writeFileSync(path, await recorded(echo(1), client, {}));
  const { peers } = await played(path, echo(1));
  expect(answers(peers)).toEqual(["one"]);
  expect(peers[0]?.recorded).toBeUndefined();
  const without = await recorded(echo(1), client, { payloads: false });
  expect(() => new SimWorld().from(without)).toThrow(RecordingError);
  expect(() => new SimWorld().from(Buffer.from("text"))).toThrow("this is no recording");
  expect(() => new SimWorld().from(join(directory, "missing"))).toThrow("ENOENT");
  const world = new SimWorld();
  world.from(path);
  expect(() => world.from(path)).toThrow("options.address");
  expect(world.from(path, { address: "10.0.0.9" }).host.address).toBe("10.0.0.9");
});

test("a recording of a simulated host is played as well, with names and addresses of its world", async () => {
  const program = (backend: Backend): Promise<void> => {
    const map = new ChannelMap({ backend });
    const listener = new Dispatcher(undefined, map);
    listener.createSocket();
    listener.bind({ host: "0.0.0.0", port: 7 });
    listener.listen(5);
    listener.handleAccepted = (socket) => {
      const asking = new DispatcherWithSend(undefined, map);
      asking.connect({ host: "data.test", port: 5 });
      asking.handleRead = () => {
        const data = asking.recv(100);
        if (data.length > 0) new DispatcherWithSend(socket, map).send(data);
        asking.close();
      };
    };
    return loop({ map });
  };
  const first = new SimWorld();
  first.host("10.0.0.3", { names: ["data.test"] }).start(({ backend }) => {
    const map = new ChannelMap({ backend });
    const listener = new Dispatcher(undefined, map);
    listener.createSocket();
    listener.bind({ host: "0.0.0.0", port: 5 });
    listener.listen(5);
    listener.handleAccepted = (socket) => void new DispatcherWithSend(socket, map).send(Buffer.from("data"));
    return loop({ map });
  });
  const chunks: Uint8Array[] = [];
  first.host("10.0.0.1").start((host) => {
    const recorder = record(host.backend, (chunk) => chunks.push(chunk.slice()), { sent: true });
    void first.at(50_000, () => recorder.end());
    return program(recorder.backend);
  });
  first.host("10.0.0.2").start(({ backend }) => {
    const map = new ChannelMap({ backend });
    map.callLater(1000, () => {
      const client = new DispatcherWithSend(undefined, map);
      client.connect({ host: "10.0.0.1", port: 7 });
      client.handleRead = () => void client.recv(100);
      client.handleClose = () => client.close();
    });
    return loop({ map });
  });
  await first.run({ untilMs: 60_000 });
  const world = new SimWorld();
  const { host, peers } = world.from(Buffer.concat(chunks));
  host.start(({ backend }) => program(backend));
  await world.run({ untilMs: 60_000 });
  expect(peers.map(({ kind, address, received }) => [kind, address.host, text(received)])).toEqual([
    ["accepted", "10.0.0.2", "data"],
    ["connected", "10.0.0.3", ""],
  ]);
  expect(world.hosts.map(({ address }) => address).toSorted()).toEqual(["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
});
