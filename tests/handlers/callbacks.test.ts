/** What a callback may do: close its channel, throw, leave the loop, find nothing to do. For every callback there is. */

import { describe, expect, test } from "vitest";
import { BlockingIOError, ExitNow, OSError } from "wasyncore";
import { captureLog } from "../support/log.js";
import { type Acting, type Callback, CALLBACKS, Recorder } from "../support/handlers.js";
import { provoke } from "../support/provoke.js";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { bytes, connectedPair } from "../support/sockets.js";

/** Callbacks that come again as long as nothing is done about their cause. */
const REPEATED: ReadonlySet<Callback> = new Set(["readable", "writable", "handleWrite"]);

const boom = new Error("boom");

function throwing(error: unknown): () => never {
  return () => {
    throw error;
  };
}

describe.each(MODES)("$name", (mode) => {
  test.each(CALLBACKS)("no callback comes after close, inside %s", async (where) => {
    const map = newMap();
    const handler = provoke(where, (self) => self.close(), map);
    await run(mode, map);
    expect(handler.told.at(-1)).toBe(where);
    expect(handler.times(where)).toBe(1);
    expect(handler.errors).toEqual([]);
    expect(map.size).toBe(0);
  });

  const OWN = CALLBACKS.filter((name) => name !== "handleAccepted");
  test.each(OWN)("what %s throws goes to handleError, which closes", async (where) => {
    const map = newMap();
    const handler = provoke(where, throwing(boom), map);
    await run(mode, map);
    expect(handler.errors).toEqual([boom]);
    expect(handler.times("handleClose")).toBe(1);
    expect(handler.told.at(-1)).toBe("handleClose");
    expect([handler.fd, map.size]).toEqual([-1, 0]);
  });

  test.each(CALLBACKS)("what is thrown after close, inside %s, is logged: no callback after close", async (where) => {
    const map = newMap();
    const log = captureLog();
    const handler = provoke(where, closeAndThrow, map);
    await run(mode, map);
    expect(handler.errors).toEqual([]);
    expect(handler.times("handleClose")).toBe(where === "handleClose" ? 1 : 0);
    const lines = [...log.map(({ text }) => text), ...handler.logged];
    expect(lines).toEqual([expect.stringMatching(/^error: uncaptured exception .*\(Error: boom /)]);
  });

  test.each(CALLBACKS)("ExitNow leaves the loop from %s, and the loop can go on", async (where) => {
    const map = newMap();
    const exit = new ExitNow();
    let exits = 0;
    const handler = provoke(
      where,
      () => {
        exits += 1;
        if (exits === 1) throw exit;
      },
      map,
    );
    const other = witness();
    await expect(run(mode, map)).rejects.toBe(exit);
    expect(handler.errors).toEqual([]);
    const { recorder, far } = other(map);
    far.send(bytes("on"));
    await run(mode, map, () => recorder.text === "on");
  });

  test.each(CALLBACKS)("BlockingIOError that leaves %s is no error", async (where) => {
    const map = newMap();
    const blocking = new BlockingIOError("EAGAIN", { errno: -11, syscall: "recv" });
    let thrown = 0;
    const handler = provoke(
      where,
      (self) => {
        thrown += 1;
        if (thrown === 1) throw blocking;
        if (REPEATED.has(where)) self.close();
      },
      map,
    );
    // Nobody listens any more after a question was not answered: the second turn asks again.
    if (!REPEATED.has(where)) await run(mode, map, () => thrown > 0);
    await turns(mode, map, 2);
    expect(handler.errors).toEqual([]);
    expect(handler.times("handleClose")).toBe(where === "handleClose" ? 1 : 0);
  });

  test.each(["handleRead", "handleWrite", "handleExpt"] as const)(
    "an error that means the peer is gone, thrown by %s, is an error by kind and a close channel by channel",
    async (where) => {
      const map = newMap();
      const gone = new OSError("EPIPE", { errno: -32, syscall: "write" });
      const handler = provoke(where, throwing(gone), map);
      await run(mode, map);
      expect(handler.errors).toEqual(mode.usePoll ? [] : [gone]);
      expect(handler.times("handleClose")).toBe(1);
    },
  );

  test("what handleError throws leaves the loop after the turn, with the other channels whole", async () => {
    const map = newMap();
    const worse = new Error("worse");
    class Failing extends Recorder {
      override handleRead(): void {
        super.handleRead();
        throw boom;
      }
      override handleError(error: unknown): void {
        this.errors.push(error);
        this.close();
        throw worse;
      }
    }
    const [first, second, third] = [connectedPair(), connectedPair(), connectedPair()];
    const before = new Recorder(first[0], map);
    const failing = new Failing(second[0], map);
    const after = new Recorder(third[0], map);
    for (const [, far] of [first, second, third]) far.send(bytes("one"));
    await expect(run(mode, map)).rejects.toBe(worse);
    expect(failing.errors).toEqual([boom]);
    expect([...map.values()]).toEqual([before, after]);
    await run(mode, map, () => before.text === "one" && after.text === "one");
    for (const [, far] of [first, third]) far.send(bytes("two"));
    await run(mode, map, () => before.text === "onetwo" && after.text === "onetwo");
  });

  test("a handler that stays open after its errors is notified of each of them", async () => {
    class Stubborn extends Recorder {
      override handleRead(): void {
        super.handleRead();
        throw boom;
      }
      override handleError(error: unknown): void {
        this.errors.push(error);
      }
    }
    const map = newMap();
    const [near, far] = connectedPair();
    const stubborn = new Stubborn(near, map);
    far.send(bytes("a"));
    await run(mode, map, () => stubborn.errors.length === 1);
    far.send(bytes("b"));
    await run(mode, map, () => stubborn.errors.length === 2);
    expect([stubborn.text, stubborn.closes, map.size]).toEqual(["ab", 0, 1]);
  });
});

function closeAndThrow(self: Acting): never {
  self.close();
  throw boom;
}

/** Another channel, made before the loop runs and put into its map later. */
function witness(): (map: ReturnType<typeof newMap>) => {
  recorder: Recorder;
  far: ReturnType<typeof connectedPair>[1];
} {
  const [near, far] = connectedPair();
  return (map) => ({ recorder: new Recorder(near, map), far });
}
