/** Closing: once, with nothing lost before it and nothing told after it. */

import { describe, expect, test } from "vitest";
import { Dispatcher, type Socket } from "wasyncore";
import { Quiet, Recorder } from "../support/handlers.js";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { bytes, connectedPair, FAMILIES, listener, owned, reset } from "../support/sockets.js";

/** Does not close when it is told of the end. */
class Lingering extends Recorder {
  override handleClose(): void {
    this.closes += 1;
  }
}

class LingeringWriter extends Lingering {
  writes = 0;

  override handleWrite(): void {
    this.writes += 1;
    this.send(bytes("x"));
  }
}

describe.each(MODES)("$name", (mode) => {
  test.each(FAMILIES)("handleClose comes once though nobody closes, and the loop does not spin: %s", async (family) => {
    const map = newMap();
    const [near, far] = connectedPair(family);
    const lingering = new Lingering(near, map);
    far.send(bytes("last"));
    far.close();
    await run(mode, map, () => lingering.closes > 0);
    const before = map.stats();
    await turns(mode, map, 10);
    const after = map.stats();
    expect(lingering.text).toBe("last");
    expect([lingering.closes, lingering.errors]).toEqual([1, []]);
    expect(after.turns - before.turns).toBe(10);
    expect(after.events).toBe(before.events);
    expect(map.snapshot()[0]?.interest).toEqual({ read: false, write: false });
  });

  test("a reset is handleClose once, and the loop does not spin for one that goes on writing", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const writer = new LingeringWriter(near, map);
    reset(far);
    await run(mode, map, () => writer.closes > 0);
    const before = map.stats();
    await turns(mode, map, 10);
    expect([writer.closes, writer.errors]).toEqual([1, []]);
    expect(map.stats().events).toBe(before.events);
  });

  test("a channel that ended is notified of nothing more even if it is in the way of others", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const [otherNear, otherFar] = connectedPair();
    const lingering = new Lingering(near, map);
    const other = new Recorder(otherNear, map);
    far.close();
    await run(mode, map, () => lingering.closes > 0);
    otherFar.send(bytes("still here"));
    await run(mode, map, () => other.text === "still here");
    expect(lingering.received).toEqual([Buffer.alloc(0)]);
  });

  test("a channel closed by another in the same turn is notified of nothing, whichever of the two comes first", async () => {
    for (const closer of [0, 1]) {
      const map = newMap();
      const pairs = [connectedPair(), connectedPair()];
      const told: number[] = [];
      class Closer extends Dispatcher {
        readonly index: number;
        constructor(socket: Socket, index: number) {
          super(socket, map);
          this.index = index;
        }
        override handleRead(): void {
          told.push(this.index);
          this.recv(100);
          if (this.index === closer) handlers[1 - closer]?.close();
        }
        override handleClose(): void {
          told.push(-1);
        }
      }
      const handlers = pairs.map(([near], index) => new Closer(near, index));
      for (const [, far] of pairs) {
        far.send(bytes("x"));
        far.close();
      }
      await turns(mode, map, 1);
      expect(told).toEqual(closer === 0 ? [0] : [0, 1]);
      expect([...map.values()]).toEqual([handlers[closer]]);
    }
  });

  test("a channel added inside a callback is not notified in that turn, and is notified in the next", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const [addedNear, addedFar] = connectedPair();
    addedFar.send(bytes("waiting"));
    class Adder extends Recorder {
      override handleRead(): void {
        super.handleRead();
        added ??= new Recorder(addedNear, map);
      }
    }
    new Adder(near, map);
    let added: Recorder | undefined;
    far.send(bytes("x"));
    await turns(mode, map, 1);
    expect([added?.fd, added?.text]).toEqual([addedNear.fd, ""]);
    await turns(mode, map, 1);
    expect(added?.text).toBe("waiting");
  });

  test("an event for a closed descriptor does not reach the channel that got its number in the same turn", async () => {
    const map = newMap();
    const [firstNear, firstFar] = connectedPair();
    const [secondNear, secondFar] = connectedPair();
    const number = secondNear.fd;
    const [listening, address] = listener();
    class Replacing extends Recorder {
      override handleRead(): void {
        super.handleRead();
        if (replacement !== undefined) return;
        second.close();
        replacement = new Recorder(undefined, map);
        replacement.createSocket();
        replacement.connect(address);
      }
    }
    new Replacing(firstNear, map);
    const second = new Recorder(secondNear, map);
    let replacement: Recorder | undefined;
    firstFar.send(bytes("x"));
    secondFar.send(bytes("for the second"));
    await turns(mode, map, 1);
    expect(replacement?.fd).toBe(number);
    expect([second.received, second.closes, replacement?.received, replacement?.closes]).toEqual([[], 0, [], 0]);
    await run(mode, map, () => replacement?.connected === true);
    const [peer] = listening.accept() ?? [];
    if (peer === undefined) throw new Error("not accepted");
    owned(peer).send(bytes("for the replacement"));
    await run(mode, map, () => replacement?.text === "for the replacement");
    expect(second.received).toEqual([]);
  });

  test("a descriptor closed behind the loop's back hurts its own channel alone", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const [otherNear, otherFar] = connectedPair();
    const bad = new Recorder(near, map);
    const other = new Recorder(otherNear, map);
    near.close();
    otherFar.send(bytes("fine"));
    await run(mode, map, () => other.text === "fine");
    expect(bad.errors.every((error) => (error as { code?: string }).code === "EBADF")).toBe(true);
    expect(other.errors).toEqual([]);
  });

  test("a listener is notified of its end as well", async () => {
    const map = newMap();
    const [socket] = listener();
    class Server extends Quiet {
      closes = 0;
      override handleClose(): void {
        this.closes += 1;
        super.handleClose();
      }
    }
    const server = new Server(socket, map);
    socket.shutdown("both");
    await run(mode, map);
    expect(server.closes).toBe(1);
  });
});
