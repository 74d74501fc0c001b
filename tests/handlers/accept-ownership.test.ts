/** Whose an error of an accepting callback is: the listener's, or that of a connection accepted before. */

import { describe, expect, test } from "vitest";
import type { Socket } from "wasyncore";
import { Recorder } from "../support/handlers.js";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { connectingTo, listener, owned } from "../support/sockets.js";
import { Listening } from "../support/listening.js";

const boom = new Error("boom");

describe.each(MODES)("$name", (mode) => {
  test("an error with no connection accepted is the listener's own", async () => {
    class Failing extends Listening {
      override handleAccept(): void {
        throw boom;
      }
    }
    const map = newMap();
    const [socket, address] = listener();
    const server = new Failing(socket, map);
    connectingTo(address);
    await run(mode, map);
    expect([server.errors, server.fd]).toEqual([[boom], -1]);
  });

  test("an error of accept itself, after a connection was accepted, is the listener's own", async () => {
    const map = newMap();
    const [socket, address] = listener();
    const handlers: Recorder[] = [];
    class Greedy extends Listening {
      override handleAccept(): void {
        const pair = this.accept();
        if (pair === undefined) return;
        handlers.push(new Recorder(pair[0], map));
        this.socket.shutdown("both");
        this.accept();
      }
    }
    const server = new Greedy(socket, map);
    connectingTo(address);
    await run(mode, map, () => server.fd < 0);
    expect(server.errors).toEqual([expect.objectContaining({ syscall: "accept" })]);
    expect(handlers[0]?.errors).toEqual([]);
    expect(handlers[0]?.fd).toBeGreaterThan(0);
  });

  test("a channel that cannot come into the map has not taken the connection over", async () => {
    const map = newMap();
    const [socket, address] = listener();
    class Refusing extends Recorder {
      readonly #released: string[] = [];
      override addChannel(): void {
        super.addChannel();
        throw boom;
      }
      // Not constructed yet, it has no private fields.
      override close(): void {
        this.#released.push("all");
        super.close();
      }
    }
    class Server extends Listening {
      override handleAccepted(accepted: Socket): void {
        new Refusing(accepted, map);
      }
    }
    const server = new Server(socket, map);
    const client = connectingTo(address);
    await turns(mode, map, 2);
    expect(server.logged).toEqual([expect.stringMatching(/^error: uncaptured exception on a new connection.*boom/)]);
    expect([server.errors, map.size, server.fd >= 0]).toEqual([[], 1, true]);
    expect(client.recv(10)).toHaveLength(0);
  });

  test("of several accepted in one call, those that no channel has taken over are closed", async () => {
    const map = newMap();
    const [socket, address] = listener();
    const taken: Socket[] = [];
    const handlers: Recorder[] = [];
    class Greedy extends Listening {
      override handleAccept(): void {
        for (let pair = this.accept(); pair !== undefined; pair = this.accept()) taken.push(pair[0]);
        const [, second] = taken;
        if (second !== undefined) handlers.push(new Recorder(second, map));
        throw boom;
      }
    }
    const server = new Greedy(socket, map);
    for (let i = 0; i < 3; i++) connectingTo(address);
    await run(mode, map, () => handlers.length === 1);
    expect(taken.map(({ closed }) => closed)).toEqual([true, true, true]);
    expect([handlers[0]?.errors, server.errors, server.accepting]).toEqual([[boom], [], true]);
  });
});

describe.each(MODES.filter(({ blocking }) => !blocking))("an asynchronous handleAccepted under $name", (mode) => {
  test.each([
    ["before a channel has taken the connection over closes the connection", false],
    ["after that goes to the channel", true],
  ])("that rejects %s", async (_, takesOver) => {
    const map = newMap();
    const [socket, address] = listener();
    const server = new Listening(socket, map);
    const taken: Socket[] = [];
    const handlers: Recorder[] = [];
    server.onAccepted = async (accepted) => {
      taken.push(accepted);
      await Promise.resolve();
      if (takesOver) handlers.push(new Recorder(accepted, map));
      await Promise.resolve();
      throw boom;
    };
    connectingTo(address);
    await run(mode, map, () => taken[0]?.closed === true);
    expect(handlers.map(({ errors, closes }) => [errors, closes])).toEqual(takesOver ? [[[boom], 1]] : []);
    expect(server.logged).toHaveLength(takesOver ? 0 : 1);
    expect([server.errors, server.accepting, map.size]).toEqual([[], true, 1]);
  });

  test("that succeeds leaves its connection to itself", async () => {
    const map = newMap();
    const [socket, address] = listener();
    const server = new Listening(socket, map);
    const taken: Socket[] = [];
    server.onAccepted = async (accepted) => {
      await Promise.resolve();
      taken.push(owned(accepted));
    };
    connectingTo(address);
    await run(mode, map, () => taken.length === 1);
    await turns(mode, map, 3);
    expect(taken[0]?.closed).toBe(false);
  });
});
