/** The loop itself, whichever way it runs: when it ends, and what it refuses. poll and closeAll. */

import { describe, expect, test } from "vitest";
import { closeAll, createNodeBackend, LoopError, loop, type LoopOptions, loopSync, poll } from "wasyncore";
import { recordingWaits } from "../support/backends.js";
import { Recorder } from "../support/handlers.js";
import { MODES, newMap, run, start } from "../support/runs.js";
import { bytes, connectedPair, listener } from "../support/sockets.js";

describe.each(MODES)("$name", (mode) => {
  test("ends at once when there is nothing to wait for", async () => {
    const map = newMap();
    await start(mode, { map });
    expect(map.stats().turns).toBe(0);
  });

  test("ends when the last channel is closed inside a callback", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const recorder = new Recorder(near, map);
    far.close();
    await start(mode, { map, timeoutMs: Infinity });
    expect(recorder.closes).toBe(1);
  });

  test("does not wait when the last channel is closed while the handlers are asked", async () => {
    const [backend, waits] = recordingWaits(createNodeBackend());
    const map = newMap(backend);
    class Asked extends Recorder {
      override readable(): boolean {
        this.close();
        return true;
      }
    }
    new Asked(connectedPair()[0], map);
    await start(mode, { map, timeoutMs: 250 });
    expect([map.size, Math.max(...waits)]).toEqual([0, expect.closeTo(0, 3)]);
  });

  test("count is the number of turns", async () => {
    const map = newMap();
    new Recorder(connectedPair()[0], map);
    await start(mode, { map, count: 3, timeoutMs: 0 });
    expect(map.stats().turns).toBe(3);
    await start(mode, { map, count: 0 });
    expect(map.stats().turns).toBe(3);
  });

  test("timeoutMs ends a wait in which nothing happens", async () => {
    const map = newMap();
    const recorder = new Recorder(connectedPair()[0], map);
    await start(mode, { map, count: 2, timeoutMs: 5 });
    expect([map.stats().turns, map.stats().events]).toEqual([2, 0]);
    recorder.close();
  });

  test.each(["loop", "loopSync", "poll"] as const)("%s inside a callback is an error on the same map", async (name) => {
    const map = newMap();
    const errors: unknown[] = [];
    map.callLater(0, () => {
      if (name === "loop") loop({ map }).catch((error: unknown) => errors.push(error));
      else {
        try {
          if (name === "poll") poll({ map });
          else loopSync({ map });
        } catch (error) {
          errors.push(error);
        }
      }
    });
    await start(mode, { map });
    await new Promise(setImmediate);
    expect(errors).toEqual([expect.any(LoopError)]);
    expect(errors[0]).toMatchObject({ name: "LoopError", code: "ERR_LOOP_RUNNING" });
  });

  test.each(["loopSync", "poll"] as const)("%s inside a callback works on another map", async (name) => {
    const [map, other] = [newMap(), newMap()];
    const [near, far] = connectedPair();
    const recorder = new Recorder(near, other);
    far.send(bytes("inner"));
    far.close();
    map.callLater(0, () => {
      if (name === "loopSync") loopSync({ map: other });
      else poll({ map: other, timeoutMs: 1000 });
    });
    await start(mode, { map });
    expect(recorder.text).toBe("inner");
  });

  test("the map is free again after the loop has ended, whichever way", async () => {
    const map = newMap();
    const boom = new Error("boom");
    map.callLater(0, () => {
      throw boom;
    });
    await expect(start(mode, { map })).rejects.toBe(boom);
    map.callLater(0, () => undefined);
    await start(mode, { map });
    expect(map.stats().timers).toBe(2);
  });

  test("a signal aborted before the loop lets no turn run", async () => {
    const map = newMap();
    map.callLater(0, () => undefined);
    await start(mode, { map, signal: AbortSignal.abort() });
    expect([map.stats().turns, map.stats().timersNow]).toEqual([0, 1]);
  });

  test("a signal aborted inside a callback ends the loop after that turn, and leaves the channels", async () => {
    const map = newMap();
    const stop = new AbortController();
    const pairs = [connectedPair(), connectedPair()];
    class Stopping extends Recorder {
      override handleRead(): void {
        super.handleRead();
        stop.abort();
      }
    }
    const stopping = pairs.map(([near]) => new Stopping(near, map));
    for (const [, far] of pairs) far.send(bytes("x"));
    await start(mode, { map, signal: stop.signal });
    expect(stopping.map((each) => each.text)).toEqual(["x", "x"]);
    expect(map.size).toBe(2);
  });

  test("a signal aborted while the handlers are asked ends the loop", async () => {
    const map = newMap();
    const stop = new AbortController();
    class Asked extends Recorder {
      override readable(): boolean {
        stop.abort();
        return true;
      }
    }
    new Asked(connectedPair()[0], map);
    await start(mode, { map, signal: stop.signal, timeoutMs: 1 });
    expect(map.stats().turns).toBeLessThanOrEqual(1);
    // The map must be free, and nothing of the loop left behind that runs a turn by itself.
    const before = map.stats().turns;
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(map.stats().turns).toBe(before);
  });
});

describe("poll", () => {
  test("is one turn that does not wait", () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const recorder = new Recorder(near, map);
    poll({ map });
    far.send(bytes("x"));
    poll({ map });
    poll({ map, usePoll: true });
    expect([map.stats().turns, recorder.text]).toEqual([3, "x"]);
  });
});

describe.each(["loop", "loopSync", "poll", "closeAll"] as const)("the options of %s", (name) => {
  const calls = { loop, loopSync, poll, closeAll };
  const call = async (options: unknown): Promise<void> => calls[name](options as LoopOptions);
  const unknown: readonly (readonly [options: object, message: string])[] = [
    [{ colour: 1 }, 'unknown option "colour" in "options": there are '],
    ...(name === "closeAll"
      ? ([[{ ignore_all: true }, 'unknown option "ignore_all" in "options": did you mean "ignoreAll"?']] as const)
      : ([
          [{ timeout: 1 }, 'unknown option "timeout" in "options": did you mean "timeoutMs"?'],
          [{ use_poll: true }, 'unknown option "use_poll" in "options": did you mean "usePoll"?'],
        ] as const)),
  ];

  test.each(unknown)("an unknown one is refused by name: %o", async (options, message) => {
    await expect(call(options)).rejects.toMatchObject({
      name: "TypeError",
      code: "ERR_UNKNOWN_OPTION",
      message: expect.stringContaining(message),
    });
  });

  test.each([null, 30, "x", true])("%o is no object with options", async (options) => {
    await expect(call(options)).rejects.toMatchObject({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
  });

  test("a map in their place is refused, with what is meant", async () => {
    await expect(call(newMap())).rejects.toThrow(/got a ChannelMap: pass \{ map \}/);
    await expect(call({ map: new Map() })).rejects.toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
  });
});

describe.each(["loop", "loopSync"] as const)("the signal of %s", (name) => {
  const call = async (signal: unknown): Promise<void> =>
    (name === "loop" ? loop : loopSync)({ map: newMap(), signal: signal as AbortSignal });

  test("must not be the controller, and the error says what to pass", async () => {
    const refused = call(new AbortController());
    await expect(refused).rejects.toMatchObject({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
    await expect(refused).rejects.toThrow(
      '"signal" must be an AbortSignal (pass controller.signal), got an instance of AbortController',
    );
  });

  test.each([null, 1, "x", {}, { aborted: false }, { aborted: 1, addEventListener() {} }])(
    "%o is none",
    async (signal) => {
      await expect(call(signal)).rejects.toMatchObject({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
    },
  );

  test("may be anything that looks like one", async () => {
    const alike = { aborted: true, addEventListener() {}, removeEventListener() {} };
    await expect(call(alike)).resolves.toBeUndefined();
    await expect(call(undefined)).resolves.toBeUndefined();
  });
});

describe("closeAll", () => {
  test("closes every channel and cancels the timers", () => {
    const map = newMap();
    const recorders = [connectedPair(), connectedPair()].map(([near]) => new Recorder(near, map));
    const timer = map.callLater(1000, () => undefined);
    closeAll({ map });
    expect([map.size, timer.active, recorders.map(({ fd }) => fd)]).toEqual([0, false, [-1, -1]]);
  });

  test("throws the first error after it has closed the rest, unless ignoreAll is set", () => {
    class Failing extends Recorder {
      override close(): void {
        super.close();
        throw new Error(`cannot close, ${this.text}`);
      }
    }
    for (const ignoreAll of [false, true]) {
      const map = newMap();
      const [first, second, third] = [connectedPair(), connectedPair(), connectedPair()];
      const failing = [first, second].map(([near]) => new Failing(near, map));
      failing[0]?.received.push(Buffer.from("first"));
      new Recorder(third[0], map);
      if (ignoreAll) closeAll({ map, ignoreAll });
      else expect(() => closeAll({ map })).toThrow("cannot close, first");
      expect(map.size).toBe(0);
    }
  });

  test("a listener and its connections are closed under a running loop, which ends", async () => {
    const map = newMap();
    const [socket] = listener();
    new Recorder(socket, map);
    new Recorder(connectedPair()[0], map);
    map.callLater(1, () => closeAll({ map }));
    await run(MODES[0] ?? { name: "", blocking: false, usePoll: false }, map);
    expect(map.size).toBe(0);
  });
});
