/** What util.inspect and console.log show of channels, sockets, maps, timers and files. */

import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { AsyncChat, Dispatcher, FileWrapper, loop, type Socket } from "wasyncore";
import { connected, Server } from "../support/handlers.js";
import { newMap } from "../support/runs.js";
import { connectedPair } from "../support/sockets.js";

describe("util.inspect", () => {
  test("shows a channel's class, state, addresses, bytes and pending output, and a user's own fields", () => {
    const map = newMap();
    class Named extends AsyncChat {
      user = "ann";
    }
    const [ours] = connectedPair();
    const chat = new Named(ours, map);
    const text = inspect(chat);
    expect(text).toMatch(/^Named \{\n {2}state: 'connected',\n {2}fd: \d+,/);
    expect(text).toContain("pendingOutput: 0");
    expect(text).toContain("user: 'ann'");
    expect(text).not.toContain("ignoreLogTypes");
    chat.close();
    expect(inspect(chat)).toContain("state: 'closed'");
    expect(inspect(new Named(undefined, map))).toContain("state: 'idle'");
  });

  test("shows a listener's address, also inside of its own callback", async () => {
    const map = newMap();
    const seen: string[] = [];
    class Inspecting extends Server {
      override handleAccepted(socket: Socket): void {
        seen.push(inspect(this), inspect(socket), inspect(this.map));
        socket.close();
        seen.push(inspect(socket));
      }
    }
    const server = new Inspecting(map);
    const { host = "", port = 0 } = server.address;
    const ended = loop({ map });
    const client = connected(newMap(), server.address);
    await expect.poll(() => seen.length).toBe(4);
    server.close();
    await ended;
    client.close();
    expect(seen[0]).toMatch(/^Inspecting \{\n {2}state: 'accepting'/);
    expect(seen[0]).toContain(`local: '${host}:${port}'`);
    expect(seen[1]).toMatch(/^Socket \{\n {2}fd: \d+,\n {2}family: 'IPv4'/);
    expect(seen[2]).toMatch(/^ChannelMap\(1\) \{\n? *timers: 0,\s+channels: \[/);
    expect(seen[3]).toContain("fd: -1");
  });

  test("shows a map as a list of its channels, by name where the depth is used up; and timers, files and wakers", () => {
    const map = newMap();
    const server = new Server(map);
    const timer = map.callEvery(10_000, function beat() {});
    expect(inspect(map, { depth: 0 })).toBe("ChannelMap(1) { timers: 1, channels: [Array] }");
    expect(inspect(map, { depth: 1 })).toBe(`ChannelMap(1) { timers: 1, channels: [ [${String(server)}] ] }`);
    expect(inspect({ a: { map } }, { depth: 0 })).toBe("{ a: [Object] }");
    expect(inspect([map], { depth: 0 })).toBe("[ [ChannelMap(1)] ]");
    expect(inspect(timer)).toBe("Timer { active: true, repeats: true, callback: 'beat' }");
    timer.cancel();
    expect(inspect(timer)).toBe("Timer { active: false, repeats: true }");
    using file = new FileWrapper(0);
    expect(inspect(file)).toBe(`FileWrapper { fd: ${file.fd}, bytesIn: 0, bytesOut: 0 }`);
    const waker = map.waker();
    expect(inspect(waker)).toBe(`Waker { fd: ${waker.fd}, referenced: true }`);
  });

  test("never throws, whatever a subclass does", () => {
    class Odd extends Dispatcher {
      override describe(): never {
        throw new Error("no");
      }
      override toString(): never {
        throw new Error("no");
      }
    }
    const odd = new Odd(undefined, newMap());
    expect([inspect(odd), inspect([odd], { depth: -1 }), inspect([odd], { depth: 0 })]).toEqual([
      "Odd {}",
      "[Array]",
      "[ [?] ]",
    ]);
    class Named extends Dispatcher {
      static override readonly name: string = Symbol("odd") as unknown as string;
    }
    expect(inspect(new Named(undefined, newMap()))).toMatch(/^Symbol\(odd\) \{/);
    const bare = new Dispatcher(undefined, newMap());
    Object.defineProperty(bare, "constructor", { value: undefined });
    expect(inspect(bare)).toMatch(/^\? \{/);
  });

  test("channels that refer to each other are shown once on a path", () => {
    class Peer extends Dispatcher {
      peer: Peer | undefined;
      other: { peer: Peer } | undefined;
    }
    const map = newMap();
    const [one, two] = [new Peer(undefined, map), new Peer(undefined, map)];
    for (const [peer, other] of [
      [one, two],
      [two, one],
    ] as const) {
      peer.peer = other;
      peer.other = { peer: other };
    }
    const text = inspect(one, { depth: 40 });
    expect(text).toContain("[Circular Peer]");
    expect(text.length).toBeLessThan(2000);
    // It is shown again afterwards.
    expect(inspect([one, one], { depth: 1 })).not.toContain("Circular");
  });
});
