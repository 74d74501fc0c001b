/** Owns what a component of WASI 0.3 does: all that one of 0.2 does, and that it drops every handle. */

import { once } from "node:events";
import { createServer } from "node:net";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { componentScenarios } from "../assembly/component-scenarios.js";
import {
  buildComponent,
  buildSource,
  commandWith,
  HEAD,
  missing,
  NODE_HOST,
  WASMTIME,
} from "../assembly/component-support.js";
import { Program, serve } from "../runtimes/support.js";
import { Peer } from "../support/peers.js";
import { refusingAddress } from "../support/sockets.js";

const BUILD_LIMIT_MS = 180_000;
/** More than a program needs at a time, and less than it makes: the host ends one that makes more than it drops. */
const HANDLES_MAX = 100;
const LIMITED = ["-S", `max-component-handles=${HANDLES_MAX}`];
const ROUNDS = 200;
const CONNECTIONS = 400;
const LANES = 4;

/**
 * In each of ROUNDS: is refused a connection, closes one that is being made, by address and by name, closes a datagram socket that
 * waits, and has an answer from PORT.
 */
const ROUNDS_GUEST = `${HEAD}
class Idle extends Dispatcher {}

class Refused extends Dispatcher {
  override handleError(_error: OSError): void {
    this.close();
  }
}

class Asking extends DispatcherWithSend {
  override handleConnect(): void {
    this.send(bytesOf("ping"));
  }
  override handleRead(): void {
    if (this.recv(100).length > 0) answered += 1;
    this.close();
    socketMap.callLater(0, round);
  }
}

let rounds = 0;
let answered = 0;
let waiting: Idle | null = null;
const port = i32(parseInt(variable("PORT")));

function round(): void {
  const before = waiting;
  if (before !== null) before.close();
  waiting = null;
  rounds += 1;
  if (rounds > i32(parseInt(variable("ROUNDS")))) return;
  const refused = new Refused();
  refused.createSocket(options("IPv4", "stream"));
  refused.connect(address("127.0.0.1", i32(parseInt(variable("REFUSING")))));
  const hasty = new Idle();
  hasty.createSocket(options("IPv4", "stream"));
  hasty.connect(address("127.0.0.1", port));
  hasty.close();
  const named = new Idle();
  named.createSocket(options("IPv4", "stream"));
  named.connect(address("LocalHost", port));
  named.close();
  const datagrams = new Idle();
  datagrams.createSocket(options("IPv4", "dgram"));
  datagrams.bind(address("127.0.0.1", 0));
  waiting = datagrams;
  const asking = new Asking();
  asking.createSocket(options("IPv4", "stream"));
  asking.connect(address("127.0.0.1", port));
}

socketMap.callLater(0, round);
loop();
console.log("answered " + answered.toString());
`;

describe.skipIf(missing !== "")("a component of WASI 0.3", () => {
  componentScenarios("wasi-0.3", [WASMTIME, NODE_HOST]);

  describe("drops every handle", () => {
    const built = { echo: "", rounds: "" };

    beforeAll(async () => {
      [built.echo, built.rounds] = await Promise.all([
        buildComponent("examples/portable/echo-guest.ts", "echo-limited", "wasi-0.3"),
        buildSource(ROUNDS_GUEST, "rounds", "wasi-0.3"),
      ]);
    }, BUILD_LIMIT_MS);

    test("of connections that are ended, half-closed, reset, or reset before they are accepted", async () => {
      const { port, program } = await serve((free) =>
        commandWith(LIMITED, built.echo, { LISTEN: `127.0.0.1:${free}` }),
      );
      let begun = 0;
      const lane = async () => {
        while (begun < CONNECTIONS) await visit(port, begun++);
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      expect(program.isOver).toBe(false);
      const peer = await Peer.connect(port);
      peer.write("still here");
      expect((await peer.atLeast("still here".length)).toString()).toBe("still here");
    });

    test("of connections that it makes, lookups, datagram sockets and timers", async () => {
      const server = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.on("data", (data) => socket.end(data));
      });
      onTestFinished(() => void server.close());
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("no port");
      const environment = {
        PORT: String(address.port),
        REFUSING: String(refusingAddress().port),
        ROUNDS: String(ROUNDS),
      };
      const program = new Program(commandWith(LIMITED, built.rounds, environment));
      expect(await program.ended).toMatchObject({ code: 0, stdout: `answered ${ROUNDS}\n`, stderr: "" });
    });
  });
});

/** One connection, that ends in one of four ways. */
async function visit(port: number, index: number): Promise<void> {
  const peer = await Peer.connect(port);
  const closed = once(peer.socket, "close");
  const way = index % 4;
  if (way === 0) {
    peer.socket.resetAndDestroy();
    await closed;
    return;
  }
  peer.write("hello");
  if (way === 1) peer.socket.end();
  await peer.atLeast("hello".length);
  if (way === 2) peer.socket.resetAndDestroy();
  else peer.socket.end();
  peer.socket.resume();
  await closed;
}
