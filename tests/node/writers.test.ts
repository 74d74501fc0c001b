/**
 * Owns what an epoll set does with descriptors that begin to be watched for writing, for a caller that lets it ask: those that
 * can write are never put into the set, and every other one is.
 */

import { closeSync } from "node:fs";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type Backend, type PollSet, Ready, ReadyRow } from "../../host/backend/backend.js";
import { batchedCalls, createNodeBackend } from "../../host/node/backend.js";
import { loadLibc } from "../../host/node/libc.js";
import { ChannelMap, Dispatcher, loop, loopSync, type Socket } from "wasyncore";
import { leaveOut, missingLinux } from "../support/missing.js";
import { bytes, closeOwned, connectedPair, ownedPair, ownedSet } from "../backend/support.js";

const { READ, WRITE, ERROR } = Ready;
const EBADF = 9;
const FULL = new Uint8Array(1 << 20);

const missing = leaveOut("The tests of what an epoll(7) set asks of writers", missingLinux());

describe.skipIf(missing !== "")("an epoll set that may ask", () => {
  const backend = createNodeBackend({ poller: "epoll" });

  function asking(): PollSet {
    const set = backend.createPollSet({ asksWriters: true });
    onTestFinished(() => set.close());
    return set;
  }

  /** What a wait finds: bits and error by descriptor. */
  function found(set: PollSet, timeoutMs = 0): Record<number, readonly [bits: number, error: number]> {
    const count = set.wait(timeoutMs);
    const rows: Record<number, readonly [number, number]> = {};
    for (let at = 0; at < count * ReadyRow.STRIDE; at += ReadyRow.STRIDE) {
      const fd = set.ready[at + ReadyRow.FD] ?? -1;
      expect(rows[fd], "one row for each").toBeUndefined();
      rows[fd] = [set.ready[at + ReadyRow.BITS] ?? 0, set.ready[at + ReadyRow.ERROR] ?? 0];
    }
    return rows;
  }

  function controls() {
    const { linux } = loadLibc();
    if (linux === undefined) throw new Error("no epoll");
    const spy = vi.spyOn(linux, "epoll_ctl");
    onTestFinished(() => spy.mockRestore());
    return spy;
  }

  function fill(fd: number): void {
    while (backend.send(fd, FULL) > 0);
  }

  function drain(fd: number): void {
    while (backend.recv(fd, FULL) > 0);
  }

  test("finds one that can write, without the kernel's set being told", () => {
    const set = asking();
    const { server } = connectedPair(backend);
    set.update(server, READ);
    const spy = controls();
    for (let round = 0; round < 3; round++) {
      expect(set.update(server, READ | WRITE)).toBe(0);
      expect([set.canAnyWrite, set.alwaysReady]).toEqual([true, true]);
      expect(found(set, Infinity)).toEqual({ [server]: [WRITE, 0] });
      expect(set.update(server, READ)).toBe(0);
      expect([set.canAnyWrite, set.alwaysReady]).toEqual([false, false]);
      expect(found(set)).toEqual({});
    }
    expect(spy).not.toHaveBeenCalled();
  });

  test("puts one into the set that wants to write for longer, and takes it out again", () => {
    const set = asking();
    const { server } = connectedPair(backend);
    set.update(server, READ);
    const spy = controls();
    set.update(server, READ | WRITE);
    for (let round = 0; round < 5; round++) expect(found(set, Infinity)).toEqual({ [server]: [WRITE, 0] });
    expect(spy).toHaveBeenCalledTimes(1);
    expect(set.canAnyWrite).toBe(false);
    set.update(server, READ);
    expect(found(set)).toEqual({});
    expect(spy).toHaveBeenCalledTimes(2);
  });

  test("puts one into the set that cannot write, and wakes when it can", () => {
    const set = asking();
    const [one, other] = ownedPair(backend, backend.socketPair("stream"));
    set.update(one, READ);
    fill(one);
    set.update(one, READ | WRITE);
    expect([set.canAnyWrite, set.alwaysReady]).toEqual([false, false]);
    expect(found(set)).toEqual({});
    drain(other);
    expect(found(set, Infinity)).toEqual({ [one]: [WRITE, 0] });
  });

  test("reports reading and writing of one in one row, and others beside it", () => {
    const set = asking();
    const first = connectedPair(backend);
    const second = connectedPair(backend);
    const third = connectedPair(backend);
    for (const { server } of [first, second, third]) set.update(server, READ);
    for (const { client } of [first, third]) backend.send(client, bytes("x"));
    for (const { server } of [first, second]) set.update(server, READ | WRITE);
    while ((found(set)[third.server]?.[0] ?? 0) === 0) set.update(third.server, READ);
    set.update(first.server, READ);
    set.update(second.server, READ);
    for (const { server } of [first, second]) set.update(server, READ | WRITE);
    expect(found(set, Infinity)).toEqual({
      [first.server]: [READ | WRITE, 0],
      [second.server]: [WRITE, 0],
      [third.server]: [READ, 0],
    });
  });

  test("reports one whose descriptor was closed by others", () => {
    const set = asking();
    const [one] = ownedPair(backend, backend.socketPair("stream"));
    set.update(one, READ);
    closeOwned(backend, one, closeSync);
    expect(set.update(one, READ | WRITE)).toBe(0);
    expect(found(set, Infinity)).toEqual({ [one]: [ERROR, -EBADF] });
    set.update(one, 0);
    expect(found(set)).toEqual({});
  });

  test("forgets one that is closed, or that is not watched any more", () => {
    const set = asking();
    const [one] = ownedPair(backend, backend.socketPair("stream"));
    const { server } = connectedPair(backend);
    for (const fd of [one, server]) {
      set.update(fd, READ);
      set.update(fd, READ | WRITE);
    }
    closeOwned(backend, one);
    set.update(server, 0);
    expect(set.canAnyWrite).toBe(false);
    expect(found(set)).toEqual({});
  });

  test("finds many at once, with one poll(2)", () => {
    const set = asking();
    const servers = Array.from({ length: 100 }, () => connectedPair(backend).server);
    for (const fd of servers) set.update(fd, READ);
    const spy = vi.spyOn(loadLibc(), "pollAt");
    onTestFinished(() => spy.mockRestore());
    for (const fd of servers) set.update(fd, READ | WRITE);
    expect(Object.keys(found(set, Infinity))).toHaveLength(100);
    expect(spy).toHaveBeenCalledTimes(1);
  });

  test("does not ask for a caller that has not allowed it", () => {
    const set = ownedSet(backend);
    const { server } = connectedPair(backend);
    set.update(server, READ);
    const spy = controls();
    set.update(server, READ | WRITE);
    expect(spy).toHaveBeenCalledTimes(1);
    expect([set.canAnyWrite, set.alwaysReady]).toEqual([false, false]);
    expect(found(set, Infinity)).toEqual({ [server]: [WRITE, 0] });
  });
});

/** As asyncore's documentation writes an echo server. */
class Buffered extends Dispatcher {
  buffer = new Uint8Array(0);

  override writable(): boolean {
    return this.buffer.length > 0;
  }

  override handleRead(): void {
    this.buffer = Buffer.concat([this.buffer, this.recv(8192)]);
  }

  override handleWrite(): void {
    this.buffer = this.buffer.subarray(this.send(this.buffer));
  }

  override handleClose(): void {
    this.close();
  }
}

const CLIENTS = 30;
const loops = [
  ["loop", (map: ChannelMap) => loop({ map })],
  ["loopSync", (map: ChannelMap) => loopSync({ map })],
] as const;

test.each(loops)(
  "%s: channels that write in handleWrite send everything, together where there are many",
  async (_, run) => {
    const backend: Backend = createNodeBackend({ poller: missing === "" ? "epoll" : "poll" });
    const map = new ChannelMap({ backend });
    onTestFinished(() => map[Symbol.dispose]());
    const received: string[] = [];
    class Client extends Dispatcher {
      text = "";
      left = 50;

      override handleConnect(): void {
        this.ask();
      }

      ask(): void {
        this.send(bytes(`${this.left} `));
      }

      override handleRead(): void {
        this.text += Buffer.from(this.recv(8192)).toString();
        if (!this.text.endsWith(` `)) return;
        this.left -= 1;
        if (this.left > 0) return this.ask();
        received.push(this.text);
        this.close();
      }
    }
    class Server extends Dispatcher {
      left = CLIENTS;

      override handleAccepted(socket: Socket): void {
        new Buffered(socket, map);
        this.left -= 1;
        if (this.left === 0) this.close();
      }
    }
    const server = new Server(undefined, map);
    server.createSocket();
    server.bind({ host: "127.0.0.1", port: 0 });
    server.listen(CLIENTS);
    for (let count = 0; count < CLIENTS; count++) {
      const client = new Client(undefined, map);
      client.createSocket();
      client.connect(server.socket.localAddress());
    }
    const before = batchedCalls();
    await run(map);
    const all = Array.from({ length: 50 }, (__, index) => `${50 - index} `).join("");
    expect(received).toEqual(Array.from({ length: CLIENTS }, () => all));
    if (missing === "") expect(batchedCalls()).toBeGreaterThan(before);
  },
);
