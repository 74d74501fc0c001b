/** Playing the datagrams of a recording against a program in a world. */

import { describe, expect, test } from "vitest";
import { ChannelMap, Dispatcher, loop } from "../../host/index.js";
import { answers, played, type Program, recorded, text } from "./recorded-support.js";

describe("datagrams", () => {
  class DatagramEcho extends Dispatcher {
    prefix = "";
    #left: number;
    constructor(map: ChannelMap, count: number, prefix: string, onListen: (port: number) => void) {
      super(undefined, map);
      this.#left = count;
      this.prefix = prefix;
      this.createSocket({ type: "dgram" });
      this.bind({ host: "127.0.0.1", port: 0 });
      onListen((this.socket.localAddress() as { port: number }).port);
    }
    override writable(): boolean {
      return false;
    }
    override handleRead(): void {
      const { data, address } = this.socket.recvFrom(1000);
      this.socket.sendTo(Buffer.concat([Buffer.from(this.prefix), data]), address);
      this.#left -= 1;
      if (this.#left === 0) this.close();
    }
  }
  class DatagramClient extends Dispatcher {
    constructor(map: ChannelMap, port: number, datagram: string) {
      super(undefined, map);
      this.createSocket({ type: "dgram" });
      this.bind({ host: "127.0.0.1", port: 0 });
      this.socket.sendTo(Buffer.from(datagram), { host: "127.0.0.1", port });
    }
    override writable(): boolean {
      return false;
    }
    override handleRead(): void {
      this.recv(1000);
      this.close();
    }
  }

  test("come from their peers, and the answers reach these", async () => {
    const server =
      (prefix: string): Program =>
      (map, onListen) =>
        void new DatagramEcho(map, 2, prefix, onListen);
    const recording = await recorded(server(""), (port, map) => {
      new DatagramClient(map, port, "one");
      new DatagramClient(map, port, "two");
    });
    const same = await played(recording, server(""));
    expect(answers(same.peers)).toEqual(["one", "two"]);
    expect(same.peers.map(({ kind, recorded: then }) => [kind, text(then)])).toEqual([
      ["datagrams", "one"],
      ["datagrams", "two"],
    ]);
    expect(answers((await played(recording, server("> "))).peers)).toEqual(["> one", "> two"]);
  });

  test("reach the socket that the program bound, not one that got a port by sending", async () => {
    const server: Program = (map, onListen) => {
      const logging = new Dispatcher(undefined, map);
      logging.createSocket({ type: "dgram" });
      logging.socket.sendTo(Buffer.from("it starts"), { host: "127.0.0.1", port: 9 });
      new DatagramEcho(map, 1, "", (port) => {
        logging.close();
        onListen(port);
      });
    };
    const recording = await recorded(server, (port, map) => void new DatagramClient(map, port, "one"));
    expect(answers((await played(recording, server)).peers)).toEqual(["it starts", "one"]);
  });

  test("of a program that asks are answered", async () => {
    const others = new ChannelMap();
    let port = 0;
    new DatagramEcho(others, 1, "answer to ", (found) => void (port = found));
    const heard: string[] = [];
    const asking: Program = (map) => {
      class Asking extends DatagramClient {
        override handleRead(): void {
          heard.push(text(this.recv(1000)));
          this.close();
        }
      }
      new Asking(map, port, "question");
    };
    const running = loop({ map: others, timeoutMs: Infinity });
    const recording = await recorded(asking, () => undefined);
    await running;
    const { peers } = await played(recording, asking);
    expect(heard).toEqual(["answer to question", "answer to question"]);
    expect(answers(peers)).toEqual(["question"]);
  });
});
